"""Which logs a listener writes, while they are switched on, off and moved. Floor 4."""

from __future__ import annotations

from alb.model import Listener, LogFiles
from alb.state.access_log import ListenerLog


class DoorLogs:
    """The access log and the connection log of one listener in one worker."""

    def __init__(self, unique: bytes) -> None:
        self.access: ListenerLog | None = None
        self.connection: ListenerLog | None = None
        self._unique = unique
        self._ended: list[ListenerLog] = []
        """Switched off or moved; what they still hold is written once more."""
        self._dropped_before = 0

    def take(self, listener: Listener) -> None:
        files = listener.attributes
        self.access = self._log(self.access, "", files.access_log, listener)
        self.connection = self._log(
            self.connection, "conn_log_", files.connection_log, listener
        )

    def to_write(self) -> list[ListenerLog]:
        """Return the logs whose lines are to be written; ended ones once."""
        ended, self._ended = self._ended, []
        return [*ended, *self._running()]

    @property
    def dropped(self) -> int:
        """Lines that found no room, since the worker began."""
        running = sum(log.lines.dropped for log in self._running())
        return self._dropped_before + running

    def _running(self) -> list[ListenerLog]:
        return [log for log in (self.access, self.connection) if log is not None]

    def _log(
        self,
        before: ListenerLog | None,
        kind: str,
        files: LogFiles | None,
        listener: Listener,
    ) -> ListenerLog | None:
        """Go on with the log there was, unless its files are others now."""
        if before is not None and before.files == files:
            return before
        if before is not None:
            self._ended.append(before)
            self._dropped_before += before.lines.dropped
        if files is None:
            return None
        return ListenerLog(kind, files, listener, self._unique)
