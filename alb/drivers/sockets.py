"""Listening sockets, one for each worker slot. Floor 3.

The kernel spreads connections over sockets that share a port with
SO_REUSEPORT, which one shared socket does not: its fastest worker takes them
all. The keeper holds every slot's socket open, so that connections which wait
in it while a worker is replaced are served by the next.
"""

from __future__ import annotations

import contextlib
import errno
import resource
import socket
from typing import Final

BACKLOG: Final = 4096
UNSENT_MAX: Final = 256 * 1024
"""Bytes that wait in the kernel for one client to read. Without a bound they are
megabytes: a hundred clients that read nothing hold hundreds, all copied at once."""
_UNSENT: Final[int | None] = getattr(socket, "TCP_NOTSENT_LOWAT", None)
OPEN_FILES_MAX: Final = 1 << 20
"""As many as we ask for where there is no limit."""
_NO_FILE: Final = frozenset({errno.EMFILE, errno.ENFILE})
_NO_PORT: Final = frozenset({errno.EADDRNOTAVAIL})


def raise_open_files() -> int:
    """Let this process open as many files as it may; return how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):  # macOS has a lower one yet
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    return OPEN_FILES_MAX if soft == resource.RLIM_INFINITY else soft


def is_out_of_files(problem: OSError) -> bool:
    return problem.errno in _NO_FILE


def is_out_of_sockets(problem: OSError) -> bool:
    """Whether it was for lack of ours that a connection could not be made."""
    return problem.errno in _NO_FILE | _NO_PORT


def bind_slots(address: str, port: int, slots: int) -> list[socket.socket]:
    """Return one listening socket per slot. Raises OSError when the port is taken.

    The first bind is made without SO_REUSEPORT: with it, a port that another
    program of ours shares would seem free.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with _bound(family, address, port, shared=False):
        pass
    opened: list[socket.socket] = []
    try:
        for _ in range(slots):
            sock = _bound(family, address, port, shared=True)
            opened.append(sock)
            sock.listen(BACKLOG)
    except OSError:
        for sock in opened:
            sock.close()
        raise
    return opened


def _bound(
    family: socket.AddressFamily, address: str, port: int, *, shared: bool
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if _UNSENT is not None:  # connections inherit it
                sock.setsockopt(socket.IPPROTO_TCP, _UNSENT, UNSENT_MAX)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.settimeout(0)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock
