"""The health check log of a node: lines that wait to be written. Floor 2."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from alb.decide.health_log import Checked, json_line, line
from alb.decide.names import balancer_id
from alb.model import Listener, LogFiles
from alb.state.access_log import Lines


class _HealthLog:
    """One log, while its files stay the same."""

    kind: Final = "health_check_log_"

    def __init__(self, files: LogFiles) -> None:
        self.files = files
        self.lines = Lines()


class HealthLogs:
    """The log that is written now, and those that have ended."""

    def __init__(self) -> None:
        self._log: _HealthLog | None = None
        self._ended: list[_HealthLog] = []
        self._dropped_before = 0

    def follow(self, listeners: Iterable[Listener]) -> None:
        """Write where the load balancer's attributes say; they come with listeners."""
        found = (one.attributes.health_check_log for one in listeners)
        files = next(found, None)
        before = self._log
        if before is not None and before.files == files:
            return
        if before is not None:
            self._ended.append(before)
            self._dropped_before += before.lines.dropped
        self._log = None if files is None else _HealthLog(files)

    def note(self, checked: Checked) -> None:
        """A check was made. Never waits: what does not fit is dropped and counted."""
        log = self._log
        if log is not None:
            of = balancer_id(log.files.balancer)
            log.lines.add(json_line(checked, of) if log.files.json else line(checked))

    def to_write(self) -> list[_HealthLog]:
        """Return the logs whose lines are to be written; ended ones once."""
        ended, self._ended = self._ended, []
        return [*ended, *([] if self._log is None else [self._log])]

    @property
    def dropped(self) -> int:
        """Lines that found no room, since this began."""
        now = 0 if self._log is None else self._log.lines.dropped
        return self._dropped_before + now
