"""Did the demo show what it promises? Pure: what was observed in, sentences out.

Times are seconds since the load began. Every promise that was not kept is a
sentence of its own; none means success.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Final

from controlplane.demo.scenario import SECONDS_MAX, TASKS_WANTED

FULL_LOAD_SHARE: Final = 0.9
"""A second is at full load if at least this share of the busiest was sent."""
BEFORE_S: Final = 15
"""How long before the needed task served its turn slowness is looked for."""
AFTER_SECONDS: Final = 5
"""The last seconds of full load, when queues are served."""
FELL_TO: Final = 0.8
"""Less is noise."""


@dataclass(frozen=True, slots=True)
class LoadSecond:
    """One second as the load generator told it."""

    at_s: int
    sent: int
    ok: int
    failed: int
    in_flight: int
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class ServiceLook:
    """One service as control told it at one time."""

    at_s: float
    service: str
    desired: int
    running: int
    healthy: int


@dataclass(frozen=True, slots=True)
class Scaling:
    """One change of a desired count. `by_alarm`: a policy did it, not a person."""

    at_s: float
    service: str
    before: int
    after: int
    by_alarm: bool


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that was seen. `duration_s`: from the command to its end;
    `reasons`: why requests failed, with the first ids; `events`: all that was told."""

    seconds: Sequence[LoadSecond]
    looks: Sequence[ServiceLook]
    scalings: Sequence[Scaling]
    requests: int
    failed: int
    duration_s: float
    runtime: str
    reasons: Sequence[str] = ()
    events: Sequence[str] = ()

    def ended_after(self, duration_s: float) -> Observed:
        """Return the same with the time that it took in all."""
        return replace(self, duration_s=duration_s)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The one line, and the promises that were not kept."""

    line: str
    problems: tuple[str, ...]

    @property
    def exit_status(self) -> int:
        """0 if every promise was kept, else 1."""
        return 1 if self.problems else 0


def judge(observed: Observed) -> Verdict:
    """Return the verdict on a whole run. Never raises, whatever is missing."""
    service = _busiest(observed.looks)
    looks = [look for look in observed.looks if look.service == service]
    counts = [look.running for look in looks] or [0]
    line = (
        f"demo: tasks {counts[0]} -> {max(counts)} -> {counts[-1]}, "
        f"{observed.requests} requests, {observed.failed} failed, "
        f"{observed.duration_s:.0f} s, runtime {observed.runtime}"
    )
    return Verdict(line, tuple(_problems(observed, service, looks)))


def _busiest(looks: Sequence[ServiceLook]) -> str:
    busiest = max(looks, key=lambda look: look.running, default=None)
    return busiest.service if busiest else ""


def _problems(
    observed: Observed, service: str, looks: Sequence[ServiceLook]
) -> Iterator[str]:
    yield from _scaling_problems(observed, service, looks)
    yield from _latency_problems(observed.seconds, looks)
    yield from _home_problems(observed.looks)
    if not observed.requests:
        yield "no request was sent"
    if observed.failed:
        yield f"{observed.failed} of {observed.requests} requests failed"
        yield from observed.reasons
    if observed.duration_s > SECONDS_MAX:
        yield f"it took {observed.duration_s:.0f} s, more than {SECONDS_MAX} s"


def _scaling_problems(
    observed: Observed, service: str, looks: Sequence[ServiceLook]
) -> Iterator[str]:
    peak = max((look.running for look in looks), default=0)
    if peak < TASKS_WANTED:
        yield f"at most {peak} tasks ran at once, not {TASKS_WANTED}"
        return
    reached = max(
        (
            scaling.after
            for scaling in observed.scalings
            if scaling.service == service and scaling.by_alarm
        ),
        default=0,
    )
    if reached < TASKS_WANTED:
        yield f"alarms asked for at most {reached} tasks, not {TASKS_WANTED}"


def _latency_problems(
    seconds: Sequence[LoadSecond], looks: Sequence[ServiceLook]
) -> Iterator[str]:
    served_s = next((k.at_s for k in looks if k.healthy >= TASKS_WANTED), None)
    if served_s is None:
        yield f"there were never {TASKS_WANTED} healthy tasks"
        return
    before = [s for s in seconds if served_s - BEFORE_S <= s.at_s <= served_s]
    full = FULL_LOAD_SHARE * max((s.sent for s in seconds), default=0)
    after = [s for s in seconds if s.at_s > served_s and s.sent >= full > 0]
    if not before or len(after) < AFTER_SECONDS:
        yield f"full load did not last for {AFTER_SECONDS} s after scale-out"
        return
    worst_ms = _worst_ms(before)
    settled_ms = median(s.p95_ms for s in after[-AFTER_SECONDS:])
    if settled_ms > worst_ms * FELL_TO:
        yield (
            f"p95 did not fall after scale-out: "
            f"{worst_ms:.0f} ms before, {settled_ms:.0f} ms after"
        )


def _worst_ms(seconds: Sequence[LoadSecond]) -> float:
    """The worst p95 that two seconds in a row had: one alone may be chance."""
    if len(seconds) == 1:
        return seconds[0].p95_ms
    return max(min(a.p95_ms, b.p95_ms) for a, b in pairwise(seconds))


def _home_problems(looks: Sequence[ServiceLook]) -> Iterator[str]:
    last = {look.service: look for look in looks}
    for look in last.values():
        if (look.desired, look.running) != (1, 1):
            yield (
                f"{look.service} did not come back to 1 task: "
                f"desired {look.desired}, running {look.running}"
            )
