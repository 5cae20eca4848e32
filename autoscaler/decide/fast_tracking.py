"""Decide a desired count from the request path, a look a second. Floor 1: pure.

    a value a second --> averages of two windows --> what they want
        panic window (6 s)    out at once when it wants twice what is ready
        stable window (60 s)  out when it wants more, in to the most it wanted lately

`policyType: FastTracking` is ours. Two windows and panic are Knative's (its
autoscaler, "Panic mode"), the way down is Kubernetes' (HorizontalPodAutoscaler,
"Stabilization window": the most of the recommendations), and so is the bound on
the change in a quarter of a minute ("Scaling policies").

What was panic is remembered outside (`panic_until_s`); everything else follows from
the values, so that a look that was left out changes nothing afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from autoscaler.decide.proposal import Want, tasks_for
from autoscaler.decide.statistics import Distribution, value_of
from autoscaler.model import Percentile, Statistic
from autoscaler.policies import SUMS, FastMetric, FastTrackingPolicy

VELOCITY_WINDOW_S: Final = 15.0
"""Kubernetes' periodSeconds for both directions."""
PERCENT: Final = 100
P95: Final = Percentile("p95", 95.0)
TIMES: Final = frozenset(
    {FastMetric.RESPONSE_TIME_AVERAGE, FastMetric.RESPONSE_TIME_P95}
)

Values = Sequence[float | None]
"""One a second, oldest first, the newest of the second that just ended; None: none."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One look. `low`, `high`: extremes of the count within the velocity window."""

    values: Values
    """Of the stable window."""
    all_values: Callable[[], Values]
    """Of `seconds_needed`: asked only where it may scale in, for there are many."""
    observed_s: int
    """How long there has been somebody to measure."""
    present: int
    ready: int
    low: int
    high: int
    minimum: int = 1
    """The target's: there are never fewer."""


@dataclass(frozen=True, slots=True)
class FastDecision:
    """What is wanted, and until when (unix seconds) it is panic, if it is."""

    want: Want | None
    """None: nothing to go by, or all is well; see `state`."""
    state: str
    """How it stands, as a sentence for a person."""
    panic_until_s: float | None = None
    least: int = 0
    """Fewer than these, whoever takes them away, it would add again."""


def values_of(
    policy: FastTrackingPolicy, seconds: Sequence[Distribution | None]
) -> list[float | None]:
    """Return the value of each second, of what was sampled in it.

    What was counted late comes in one second with the next: where requests were
    counted at all, a second without a count had none.
    """
    match policy.metric_type:
        case FastMetric.REQUESTS_PER_SECOND_PER_TARGET:
            nothing = 0.0 if any(seconds) else None
            return [one.total if one else nothing for one in seconds]
        case FastMetric.RESPONSE_TIME_P95:
            statistic: Statistic | Percentile = P95
        case _:
            statistic = Statistic.AVERAGE
    return [None if one is None else value_of(statistic, one) for one in seconds]


def seconds_needed(policy: FastTrackingPolicy) -> int:
    """Return how many seconds of values a look needs at most."""
    return policy.stabilization_s + policy.stable_window_s


def decide(
    policy: FastTrackingPolicy, seen: Seen, panic_until_s: float | None, now_s: float
) -> FastDecision:
    """Return what `policy` wants at `now_s`, unix seconds. Never raises."""
    stable = _average(seen.values[-policy.stable_window_s :])
    recent = _average(seen.values[-policy.panic_window_s :])
    if stable is None:
        state = f"no value in {policy.stable_window_s} s: it wants nothing"
        return FastDecision(None, state, panic_until_s)
    if recent is None:
        recent = stable
    sudden = _count(policy, recent, seen.ready)
    threshold = seen.ready * policy.panic_threshold_percent / PERCENT
    far = sudden > seen.ready and _is_far(policy, recent, seen.ready)
    if far and sudden >= threshold:
        panic_until_s = now_s + policy.stable_window_s
    if panic_until_s is not None and now_s < panic_until_s:
        return _panicking(policy, seen, (recent, sudden), panic_until_s, now_s)
    return _calm(policy, seen, stable)


def _panicking(
    policy: FastTrackingPolicy,
    seen: Seen,
    found: tuple[float, int],
    until_s: float,
    now_s: float,
) -> FastDecision:
    value, sudden = found
    told = _told(policy, value, policy.panic_window_s)
    left_s = math.ceil(until_s - now_s)
    state = (
        f"{told} wants {sudden}; panic, no scaling in for {left_s} s: it wanted"
        f" {policy.panic_threshold_percent} % of the ready tasks"
    )
    if sudden <= seen.present:
        return FastDecision(None, state, until_s, seen.present)
    count = min(sudden, _most(policy, seen))
    because = f"{told} asks for {sudden}, in panic with {seen.ready} ready"
    want = _want(policy, seen, count, sudden, because)
    return FastDecision(want, state, until_s, seen.present)


def _calm(policy: FastTrackingPolicy, seen: Seen, stable: float) -> FastDecision:
    """Go by the stable window: up at once, down to the most it wanted lately."""
    wanted = _count(policy, stable, seen.ready)
    told = _told(policy, stable, policy.stable_window_s)
    state = f"{told} wants {wanted}"
    if wanted > seen.present and _is_far(policy, stable, seen.present):
        count = min(wanted, _most(policy, seen))
        because = f"{told} asks for {wanted}"
        want = _want(policy, seen, count, wanted, because)
        return FastDecision(want, state, least=seen.present)
    if not policy.may_scale_in:
        return FastDecision(None, f"{told} is on target; it only scales out")
    if wanted >= seen.present:
        return FastDecision(None, f"{told} wants what there is", least=seen.present)
    if seen.present <= seen.minimum:
        return FastDecision(
            None, f"{state}; {seen.minimum} is the minimum", least=wanted
        )
    if seen.observed_s < policy.stabilization_s:
        left_s = policy.stabilization_s - seen.observed_s
        state = f"{state}; it may scale in after {left_s} s more"
        return FastDecision(None, state, least=wanted)
    lately = max(_recommended(policy, seen), default=seen.present)
    recent = f"{lately} at most in {policy.stabilization_s} s"
    want = None
    if lately < seen.present:
        count = max(lately, _least(policy, seen))
        because = f"{told} asks for {wanted}, {recent}"
        want = _want(policy, seen, count, lately, because)
    return FastDecision(want, f"{state}, {recent}", least=wanted)


def _want(
    policy: FastTrackingPolicy, seen: Seen, count: int, asked: int, because: str
) -> Want | None:
    """Return it; None when the velocity leaves no room for now."""
    if count == seen.present:
        return None
    cause = f"policy {policy.name} follows {policy.metric_type.value}"
    if count != asked:
        because += f"; to {count} within {VELOCITY_WINDOW_S:g} s"
    return Want(policy, count, count, because, cause)


def _count(policy: FastTrackingPolicy, value: float, ready: int) -> int:
    """Return how many tasks `value` wants: one at least.

    In flight and requests are sums over the group, so that the count does not
    depend on how many share them. Response time was measured with the ready ones.
    What waits needs tasks besides those.
    """
    part = value / policy.target_value
    count = ready + part
    if policy.metric_type in SUMS:
        count = part
    elif policy.metric_type in TIMES:
        count = max(ready, 1) * part
    return max(1, tasks_for(count))


def _is_far(policy: FastTrackingPolicy, value: float, count: int) -> bool:
    """Whether `value` is beyond the tolerance above what `count` tasks are for."""
    allowed = policy.target_value * (1 + policy.tolerance_percent / PERCENT)
    if policy.metric_type in SUMS:
        return value > count * allowed
    return value > (allowed if policy.metric_type in TIMES else 0.0)


def _recommended(policy: FastTrackingPolicy, seen: Seen) -> Iterator[int]:
    """Yield what the stable window wanted, second by second, while stabilizing."""
    window = policy.stable_window_s
    for average in _averages(seen.all_values()[-seconds_needed(policy) :], window):
        yield _count(policy, average, seen.ready)


def _averages(values: Values, window: int) -> Iterator[float]:
    """Yield the average of each `window` values in a row that are not all None."""
    total, known = 0.0, 0
    for position, value in enumerate(values):
        if value is not None:
            total, known = total + value, known + 1
        gone = values[position - window] if position >= window else None
        if gone is not None:
            total, known = total - gone, known - 1
        if known and position >= window - 1:
            yield total / known


def _average(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _most(policy: FastTrackingPolicy, seen: Seen) -> int:
    """Return how many there may be: so many percent more than there were, or one."""
    more = max(1, seen.low * policy.max_scale_out_percent // PERCENT)
    return max(seen.present, seen.low + more)


def _least(policy: FastTrackingPolicy, seen: Seen) -> int:
    fewer = max(1, seen.high * policy.max_scale_in_percent // PERCENT)
    return min(seen.present, seen.high - fewer)


_FORMS: Final = {
    FastMetric.IN_FLIGHT_PER_TARGET: "{:.6g} requests in flight over {} s, {:.6g} each",
    FastMetric.REQUESTS_PER_SECOND_PER_TARGET: "{:.6g} per s over {} s, {:.6g} each",
    FastMetric.RESPONSE_TIME_AVERAGE: "{:.6g} s to answer over {} s, target {:.6g} s",
    FastMetric.RESPONSE_TIME_P95: "p95 {:.6g} s to answer over {} s, target {:.6g} s",
    FastMetric.QUEUED_PER_TARGET: "{:.6g} requests waiting over {} s, {:.6g} each",
}


def _told(policy: FastTrackingPolicy, value: float, seconds: int) -> str:
    """Say the value and its target; a verb follows."""
    return _FORMS[policy.metric_type].format(value, seconds, policy.target_value)
