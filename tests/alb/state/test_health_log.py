"""The health check log, while it is switched on, moved, and more than fits."""

from __future__ import annotations

from alb.decide.health import Answered
from alb.decide.health_log import Checked
from alb.decide.probing import Probed
from alb.model import (
    FixedResponse,
    HealthCheck,
    Listener,
    LoadBalancerAttributes,
    LogFiles,
)
from alb.state.access_log import WAITING_MAX
from alb.state.health_log import HealthLogs

CHECKED = Checked(Probed("h", 1, HealthCheck(), "web"), 1e9, 0.1, Answered(200))
HERE, THERE = LogFiles("here", "front"), LogFiles("there", "front", json=True)


def listener(files: LogFiles | None) -> Listener:
    attributes = LoadBalancerAttributes(health_check_log=files)
    return Listener(80, FixedResponse(200), attributes=attributes)


def test_nothing_is_kept_while_it_is_off() -> None:
    logs = HealthLogs()
    logs.note(CHECKED)
    logs.follow([listener(None)])
    logs.note(CHECKED)
    assert logs.to_write() == []


def test_a_log_that_moves_is_written_to_both_places() -> None:
    logs = HealthLogs()
    logs.follow([listener(HERE), listener(HERE)])
    logs.note(CHECKED)
    logs.follow([listener(HERE)])
    logs.follow([listener(THERE)])
    logs.note(CHECKED)

    old, new = logs.to_write()
    assert (old.files, len(old.lines.take())) == (HERE, 1)
    assert new.files == THERE
    assert new.lines.take()[0].startswith(b"{")
    assert [log.files for log in logs.to_write()] == [THERE], "the old one ended"


def test_what_does_not_fit_is_counted_also_when_the_log_moves() -> None:
    logs = HealthLogs()
    logs.follow([listener(HERE)])
    logs.to_write()[0].lines.add(b"x" * WAITING_MAX)
    logs.note(CHECKED)
    logs.follow([listener(None)])
    assert logs.dropped == 1
