"""Counters leave a worker under the names that metrics are made of."""

from __future__ import annotations

from alb.errors import Failure
from alb.ports import Counters
from alb.state.counters import ListenerCounters, TargetCounters, add_counters


def test_a_listener_tells_what_it_made_itself_and_why() -> None:
    counters = ListenerCounters()
    counters.requests = 3
    counters.failed(Failure.CONNECT_REFUSED)
    counters.failed(Failure.CONNECT_REFUSED)
    counters.refused(400, "BadHost")

    totals = counters.report().totals

    assert totals["requests"] == 3
    assert (totals["elb.502"], totals["elb.400"]) == (2, 1)
    assert totals["failure.CONNECT_REFUSED"] == 2
    assert totals["refused.BadHost"] == 1


def test_a_target_tells_its_answers_by_class_and_when_they_began() -> None:
    counters = TargetCounters()
    counters.requests = 2
    counters.by_class[2] = 1
    counters.by_class[5] = 1
    counters.latency[7] = 2

    report = counters.report()

    assert report.totals["target.2xx"] == report.totals["target.5xx"] == 1
    assert report.totals["target.4xx"] == 0
    assert report.latency == ((7, 2),)


def test_counters_add_up_name_by_name() -> None:
    one = Counters({"a": 1, "b": 2}, ((1, 1), (5, 2)))
    other = Counters({"b": 3}, ((5, 1), (2, 4)))
    assert add_counters([one, other]) == Counters(
        {"a": 1, "b": 5}, ((1, 1), (2, 4), (5, 3))
    )
    assert add_counters([]) == Counters()
