"""Which cluster of this machine may use a port, before anybody has bound it. Floor 3.

Two clusters that start at the same moment see the same port free, and both give it
away. So a port is claimed first: by a socket whose abstract name says the port. One
bind of a name succeeds, in the network namespace that the port is of, too; nothing is
on disk; and the name is free again with the last process that has the socket.

Only Linux has abstract names. Elsewhere nothing is claimed, and of two tasks that
meet the second fails, and is started again with another port.
"""

from __future__ import annotations

import socket
import sys
from contextlib import AbstractContextManager, nullcontext

from scheduler.model import PortLease

HAS_NAMES = sys.platform == "linux"


def claim(
    address: str, lease: PortLease
) -> AbstractContextManager[socket.socket | None]:
    """Return what holds the port until it is closed, by all who have inherited it.

    Raises OSError when somebody holds it already.
    """
    if not HAS_NAMES:
        return nullcontext()
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        held.bind(f"\0alb {address}:{lease.host_port}/{lease.protocol}")
    except OSError:
        held.close()
        raise
    return held
