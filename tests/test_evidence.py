"""What a run under load excuses, and what it does not."""

from __future__ import annotations

import time

import pytest

from controlplane.load.report import Run, report_of
from tests.support.evidence import KILLED_TASK, Evidence, Load, Moment

RATE = 10.0


def a_run(*failures: tuple[int, str], witnessed: int = 4) -> Load:
    """Four requests, of which those numbered fail in the ways they do."""
    load = Load(RATE, Evidence())
    evidence = load.evidence
    for number in range(4):
        assert number == evidence.begin(0.0)
    for number in range(witnessed):
        evidence.witness(f"{evidence.run_id}-{number}".encode(), 0.0)
    for number, reason in failures:
        evidence.fail(number, 0.0, reason)
    run = Run(
        evidence.run_id,
        urls=(),
        shape="",
        duration_s=1.0,
        witnessing=True,
        connections_opened=1,
        connections_peak=1,
    )
    load.report = report_of(run, evidence)
    return load


def before(in_flight: int) -> Moment:
    """A death before anything was sent."""
    return Moment(time.monotonic() - 60.0, in_flight)


def after(load: Load, in_flight: int) -> Moment:
    """A death after everything was due, and before anything ended."""
    return Moment(max(load.evidence.due_s), in_flight)


def test_a_run_without_failures_lost_nothing() -> None:
    a_run().lost_nothing()


@pytest.mark.parametrize(
    "load",
    [
        pytest.param(a_run((1, "status 502")), id="a failure is a loss"),
        pytest.param(a_run(witnessed=3), id="so is an answer of no target"),
    ],
)
def test_a_loss_is_told(load: Load) -> None:
    with pytest.raises(AssertionError):
        load.lost_nothing()


def test_what_was_in_flight_at_a_death_is_excused() -> None:
    load = a_run((1, "status 502"), (2, "status 502"))

    load.lost_only(KILLED_TASK, after(load, in_flight=2), time.monotonic())

    assert 2 == load.excused


def test_another_way_to_fail_is_not_excused() -> None:
    load = a_run((1, "timeout"))
    with pytest.raises(AssertionError, match="timeout"):
        load.lost_only(KILLED_TASK, after(load, in_flight=1), time.monotonic())


def test_what_was_due_after_the_death_is_not_excused() -> None:
    load = a_run((1, "status 502"))
    moment = before(in_flight=1)
    with pytest.raises(AssertionError, match="1 of 4"):
        load.lost_only(KILLED_TASK, moment, moment.at_s + 1.0)


def test_what_ended_before_the_death_is_not_excused() -> None:
    load = a_run((1, "status 502"))
    late = Moment(time.monotonic() + 60.0, 1)
    with pytest.raises(AssertionError, match="1 of 4"):
        load.lost_only(KILLED_TASK, late, late.at_s + 1.0)


def test_no_more_is_excused_than_was_in_flight() -> None:
    load = a_run((1, "status 502"), (2, "status 502"))
    moment = Moment(max(load.evidence.due_s) + 1e-6, 1)
    load.evidence.every_failure[:] = [
        one.__class__(one.number, one.reason, one.intended_s, moment.at_s)
        for one in load.evidence.every_failure
    ]
    with pytest.raises(AssertionError, match="2 of 4"):
        load.lost_only(KILLED_TASK, moment, moment.at_s)
