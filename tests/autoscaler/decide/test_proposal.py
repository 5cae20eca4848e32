"""Whose change it is where several policies want one: out if any, in only if all."""

import pytest

from autoscaler.decide.proposal import Proposal, Standing, Want, agreed, judge, largest
from autoscaler.decide.target_tracking import Tracked, alarms_of
from autoscaler.model import Capacity, Metric, NotScaled, Statistic
from autoscaler.policies import (
    FastMetric,
    FastTrackingPolicy,
    Policy,
    ScalableTarget,
    SuspendedState,
    TargetTrackingPolicy,
)
from tests.support.scaling import back

TEN = Capacity(10, 10, 10, deploying=False, reached=True, version=1)
CPU = Metric("AWS/ECS", "CPUUtilization")


def tracking(name: str, *, disable_scale_in: bool = False) -> TargetTrackingPolicy:
    tracked = Tracked(CPU, Statistic.AVERAGE, 50.0)
    high, low = alarms_of(tracked, "service/demo/web", name, aws_timing=False)
    return TargetTrackingPolicy(
        name, 50.0, high, low, disable_scale_in=disable_scale_in
    )


def fast(kind: FastMetric = FastMetric.IN_FLIGHT_PER_TARGET) -> FastTrackingPolicy:
    return FastTrackingPolicy("fast", kind, CPU, 1.0)


A, B, OUT_ONLY, STEP = (
    tracking("a"),
    tracking("b"),
    tracking("out-only", disable_scale_in=True),
    back(),
)
SLOW = fast(FastMetric.RESPONSE_TIME_P95)

# fmt: off
TOGETHER = [  # ten tasks; who there is, what is wanted, what comes of it
    ([A, B],        {"a": 12, "b": 15}, 15, "out: the largest"),
    ([A, B],        {"a": 12, "b": 5},  12, "out if any wants"),
    ([A, B],        {"a": 5},           10, "in only if all want: b does not"),
    ([A, B],        {"a": 5, "b": 7},   7,  "in: the largest"),
    ([A, OUT_ONLY], {"a": 5},           5,  "who never scales in is not asked"),
    ([A, fast()],   {"a": 5},           10, "ours is asked, too"),
    ([A, fast()],   {"a": 5, "fast": 6}, 6, "and may agree"),
    ([A, SLOW],     {"a": 5},           5,  "unless it cannot say how few would do"),
    ([A, STEP],     {"in": 9},          9,  "step scaling asks nobody"),
    ([A, STEP],     {"in": 9, "a": 5},  9,  "the largest of both"),
    ([A, B, STEP],  {"in": 4, "a": 5},  4,  "and who is refused is not counted"),
]
# fmt: on


@pytest.mark.parametrize(
    ("policies", "wanted", "expected"),
    [row[:-1] for row in TOGETHER],
    ids=[row[-1] for row in TOGETHER],
)
def test_together(
    policies: list[Policy], wanted: dict[str, int], expected: int
) -> None:
    target = ScalableTarget("web", 1, 20, tuple(policies))
    stands = Standing(target, TEN, None)
    wants = [
        Want(policy, wanted[policy.name], wanted[policy.name], "because")
        for policy in policies
        if policy.name in wanted
    ]

    found = agreed(target, 10, [judge(stands, want) for want in wants])
    chosen = largest(one for one in found if one.not_scaled is None)

    assert expected == (chosen.desired if chosen else 10)
    if chosen is None:
        assert {NotScaled.OTHERS_DISAGREE} == {one.not_scaled for one in found}


def judged(count: int, policy: Policy, suspended: SuspendedState) -> Proposal:
    target = ScalableTarget("web", 1, 20, (policy,), suspended=suspended)
    stands = Standing(target, TEN, None)
    return judge(stands, Want(policy, count, count, "because"))


# fmt: off
HELD_BACK = [
    (12, A, SuspendedState(dynamic_scaling_out=True), NotScaled.SUSPENDED, "no way out"),
    (5,  A, SuspendedState(dynamic_scaling_out=True), None,  "the other way is free"),
    (5,  A, SuspendedState(dynamic_scaling_in=True),  NotScaled.SUSPENDED, "no way in"),
    (12, A, SuspendedState(dynamic_scaling_in=True),  None,  "the other way is free"),
    (12, A, SuspendedState(scheduled_scaling=True),   None,  "schedules are not policies"),
    (5,  OUT_ONLY, SuspendedState(), NotScaled.SCALE_IN_DISABLED, "disableScaleIn"),
    (5,  SLOW,     SuspendedState(), NotScaled.SCALE_IN_DISABLED, "times say no count"),
]
# fmt: on


@pytest.mark.parametrize(
    ("count", "policy", "suspended", "why"),
    [row[:-1] for row in HELD_BACK],
    ids=[f"{row[0]}: {row[-1]}" for row in HELD_BACK],
)
def test_held_back(
    count: int, policy: Policy, suspended: SuspendedState, why: NotScaled | None
) -> None:
    found = judged(count, policy, suspended)

    assert (10 if why else count, why) == (found.desired, found.not_scaled)
