"""The demo's verdict: every promise that was broken is told, and nothing else."""

from dataclasses import replace

import pytest

from controlplane.demo.verdict import (
    LoadSecond,
    Observed,
    Scaling,
    ServiceLook,
    judge,
)


def looks(drawing: str, service: str = "web") -> tuple[ServiceLook, ...]:
    """Each digit is a second: how many tasks are desired, running and healthy."""
    return tuple(
        ServiceLook(float(at_s), service, int(n), int(n), int(n))
        for at_s, n in enumerate(drawing)
    )


def seconds(p95s: str) -> tuple[LoadSecond, ...]:
    """Each digit is a second at full load: its p95 in hundreds of ms."""
    return tuple(
        LoadSecond(at_s, 100, 100, 0, 0, 20.0, 100.0 * int(p95))
        for at_s, p95 in enumerate(p95s)
    )


def scalings(*afters: int, by_alarm: bool = True) -> tuple[Scaling, ...]:
    return tuple(
        Scaling(float(at_s), "web", n - 1, n, by_alarm) for at_s, n in enumerate(afters)
    )


GOOD = Observed(
    seconds=seconds("149962111111"),
    looks=looks("111223333321") + looks("1", "api"),
    scalings=scalings(2, 3),
    requests=1200,
    failed=0,
    duration_s=97.4,
    runtime="process",
)


def test_a_run_that_kept_its_promises_says_so_in_one_line() -> None:
    verdict = judge(GOOD)
    assert ((), 0) == (verdict.problems, verdict.exit_status)
    assert (
        "demo: tasks 1 -> 3 -> 1, 1200 requests, 0 failed, 97 s, runtime process"
        == verdict.line
    )


# fmt: off
BROKEN = [
    (replace(GOOD, looks=looks("111222222111"), scalings=scalings(2)),
     ["at most 2 tasks ran at once, not 3", "there were never 3 healthy tasks"]),
    (replace(GOOD, scalings=scalings(2, 3, by_alarm=False)),
     ["alarms asked for at most 0 tasks, not 3"]),
    (replace(GOOD, scalings=scalings(2)),
     ["alarms asked for at most 2 tasks, not 3"]),
    (replace(GOOD, scalings=tuple(replace(s, service="api") for s in GOOD.scalings)),
     ["alarms asked for at most 0 tasks, not 3"]),
    (replace(GOOD, seconds=seconds("111111111111")),
     ["p95 did not fall after scale-out: 100 ms before, 100 ms after"]),
    (replace(GOOD, seconds=seconds("119111111111")),
     ["p95 did not fall after scale-out: 100 ms before, 100 ms after"]),
    (replace(GOOD, seconds=seconds("14996222")),
     ["full load did not last for 5 s after scale-out"]),
    (replace(GOOD, seconds=()),
     ["full load did not last for 5 s after scale-out"]),
    (replace(GOOD, looks=looks("111223333322")),
     ["web did not come back to 1 task: desired 2, running 2"]),
    (replace(GOOD, looks=looks("111223333321") + looks("2", "api")),
     ["api did not come back to 1 task: desired 2, running 2"]),
    (replace(GOOD, failed=3),
     ["3 of 1200 requests failed"]),
    (replace(GOOD, requests=0),
     ["no request was sent"]),
    (replace(GOOD, duration_s=121),
     ["it took 121 s, more than 120 s"]),
]
# fmt: on


@pytest.mark.parametrize(("observed", "problems"), BROKEN)
def test_each_broken_promise_is_told(observed: Observed, problems: list[str]) -> None:
    verdict = judge(observed)
    assert (tuple(problems), 1) == (verdict.problems, verdict.exit_status)


def test_a_run_of_which_nothing_was_seen_is_no_success() -> None:
    verdict = judge(Observed((), (), (), 0, 0, 0.0, "docker"))
    assert 1 == verdict.exit_status
    assert "demo: tasks 0 -> 0 -> 0, 0 requests" in verdict.line
