"""The logs of one listener in one worker: lines that wait to be written. Floor 2.

Whoever logs never waits: what does not fit is dropped and counted, so that a slow
disk costs lines and not requests.
"""

from __future__ import annotations

from typing import Final, Protocol

from alb.decide.access_log import (
    AccessEntry,
    LogOf,
    Moment,
    Peer,
    connection_line,
    json_line,
    line,
)
from alb.decide.certificates import TlsFacts
from alb.decide.names import balancer_id
from alb.model import Listener, LogFiles

WAITING_MAX: Final = 4 * 1024 * 1024
"""Bytes per log: some seconds of a worker's lines."""


class Lines:
    """Lines that wait, oldest first."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._size = 0
        self.dropped = 0

    def add(self, text: bytes) -> None:
        if self._size + len(text) > WAITING_MAX:
            self.dropped += 1
            return
        self._lines.append(text)
        self._size += len(text)

    def take(self) -> list[bytes]:
        """Return all that wait; they are the caller's now."""
        taken, self._lines = self._lines, []
        self._size = 0
        return taken


class WaitingLog(Protocol):
    """A log with lines to be written; `kind` begins its files' names."""

    @property
    def kind(self) -> str: ...

    @property
    def files(self) -> LogFiles: ...

    @property
    def lines(self) -> Lines: ...


class ListenerLog:
    """One log of one listener. `kind` begins its files' names: "" or ``conn_log_``."""

    def __init__(
        self, kind: str, files: LogFiles, listener: Listener, unique: bytes
    ) -> None:
        self.kind = kind
        self.files = files
        self.lines = Lines()
        self._unique = unique
        self._of = LogOf(
            balancer_id(files.balancer),
            listener.protocol,
            listener.addresses[0],
            listener.port,
        )

    def begin(self, ip: bytes, port: int, connection: int, now_s: float) -> AccessEntry:
        """Return an entry for a request that is being read."""
        client = b"[%b]:%d" if b":" in ip else b"%b:%d"
        return AccessEntry(client % (ip, port), self._id(connection), now_s)

    def end(self, entry: AccessEntry, now: Moment) -> None:
        """The request has been answered, or never will be."""
        write = json_line if self.files.json else line
        self.lines.add(write(entry, self._of, now))

    def connected(
        self, peer: Peer, connection: int, tls: TlsFacts | None, now: Moment
    ) -> None:
        """Tell of a connection; 0 is one whose handshake failed."""
        self.lines.add(connection_line(self._of, peer, self._id(connection), tls, now))

    def _id(self, connection: int) -> bytes:
        return b"TID_%b%020x" % (self._unique, connection)
