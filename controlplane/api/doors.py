"""Open the addresses control listens on: a Unix socket, and loopback TCP."""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

BACKLOG: Final = 128
PORT_TRIES: Final = 21
"""The wanted port and the next twenty."""


class NoDoor(Exception):
    """An address cannot be listened on; the sentence says which and why."""


def open_unix(path: Path) -> socket.socket:
    """Return a listening socket at `path`, mode 0600 from its first moment.

    The caller holds the directory's lock, so a socket that is there is a dead
    control's; anything else that is there stays. Raises NoDoor.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise NoDoor(f"{path} is there and is not a socket")
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise NoDoor(f"{path}: {error}") from error
    finally:
        os.umask(before)
    return listening


def open_tcp(host: str, port: int) -> socket.socket:
    """Return a listening socket at `port` or the nearest free one above it.

    Raises NoDoor when all are taken or `host` is not an address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, port + PORT_TRIES):
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, candidate))
            listening.listen(BACKLOG)
        except OSError as error:
            listening.close()
            if error.errno != errno.EADDRINUSE:
                raise NoDoor(f"{host}:{candidate}: {error}") from error
        else:
            return listening
    raise NoDoor(f"{host}: ports {port}-{port + PORT_TRIES - 1} are all taken")


def url_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def tell(path: Path, url: str) -> None:
    """Write down where control listens, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps({"control": url, "pid": os.getpid()}) + "\n")
    part.replace(path)
