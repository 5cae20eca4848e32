"""Step scaling: the documented examples, cooldowns, and what never happens."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decide.proposal import (
    Proposal,
    Standing,
    judge,
    largest,
    remaining_s,
)
from autoscaler.decide.step_scaling import adjusted, aggregated, select_step, want
from autoscaler.model import (
    Alarm,
    Capacity,
    Comparison,
    Cooldown,
    Datapoint,
    Direction,
    Metric,
    NotScaled,
    Statistic,
)
from autoscaler.policies import (
    AdjustmentType,
    MetricAggregation,
    ScalableTarget,
    StepAdjustment,
    StepScalingPolicy,
)

CHANGE = AdjustmentType.CHANGE_IN_CAPACITY
EXACT = AdjustmentType.EXACT_CAPACITY
PERCENT = AdjustmentType.PERCENT_CHANGE_IN_CAPACITY
CPU = Metric("AWS/ECS", "CPUUtilization")


def policy(
    kind: AdjustmentType,
    *steps: tuple[float | None, float | None, int],
    comparison: Comparison = Comparison.GREATER_OR_EQUAL,
    magnitude: int = 0,
    threshold: float = 50.0,
) -> StepScalingPolicy:
    """Steps are (lower, upper, adjustment)."""
    alarm = Alarm("a", CPU, Statistic.AVERAGE, 60, 1, 1, comparison, threshold)
    adjustments = tuple(StepAdjustment(by, low, high) for low, high, by in steps)
    return StepScalingPolicy(
        "p", alarm, kind, adjustments, min_adjustment_magnitude=magnitude
    )


OUT = policy(PERCENT, (0, 10, 0), (10, 20, 10), (20, None, 30))
IN = policy(
    PERCENT,
    (-10, 0, 0),
    (-20, -10, -10),
    (None, -20, -30),
    comparison=Comparison.LESS_OR_EQUAL,
)
TARGET = ScalableTarget("web", 1, 100)


def propose(
    target: ScalableTarget,
    by: StepScalingPolicy,
    now: Capacity,
    value: float | None,
    cooling: Cooldown | None,
) -> Proposal:
    stands = Standing(target, now, cooling)
    return judge(stands, want(by, now.desired, stands.base, value))


def capacity(desired: int, *, deploying: bool = False) -> Capacity:
    return Capacity(desired, desired, desired, deploying, reached=True, version=1)


# fmt: off
DOCUMENTED = [  # Application Auto Scaling user guide, "How step scaling works"
    (OUT, 10, 50.0, 10, "on the threshold the first step adds nothing"),
    (OUT, 10, 59.9, 10, "still within it"),
    (OUT, 10, 60.0, 11, "a lower bound is included above the threshold"),
    (OUT, 11, 70.0, 14, "30 % of 11 is 3.3, rounded to 3"),
    (IN,  14, 50.0, 14, "the first step removes nothing"),
    (IN,  14, 40.0, 13, "10 % of 14 is 1.4; an upper bound is included below"),
    (IN,  13, 30.0, 10, "30 % of 13 is 3.9, rounded to 3"),
]
# fmt: on


@pytest.mark.parametrize(
    ("by", "present", "value", "expected"),
    [row[:-1] for row in DOCUMENTED],
    ids=[row[-1] for row in DOCUMENTED],
)
def test_documented_example(
    by: StepScalingPolicy, present: int, value: float, expected: int
) -> None:
    assert expected == propose(TARGET, by, capacity(present), value, None).desired


# fmt: off
ROUNDING = [  # percent of capacity, at least a magnitude
    (10, 25,   0, 12, "2.5 is rounded toward zero"),
    (10, -25,  0, 8,  "on both sides"),
    (3,  10,   0, 4,  "0.3 is rounded up to one"),
    (3,  -10,  0, 2,  "and -0.3 down to minus one"),
    (0,  50,   0, 0,  "any percent of nothing is nothing"),
    (4,  25,   2, 6,  "a magnitude is the least that changes"),
    (4,  -25,  2, 2,  "in both directions"),
    (4,  0,    2, 4,  "but a step of zero changes nothing"),
    (10, 100,  2, 20, "a larger change keeps its size"),
]
# fmt: on


@pytest.mark.parametrize(
    ("present", "percent", "magnitude", "expected"),
    [row[:-1] for row in ROUNDING],
    ids=[row[-1] for row in ROUNDING],
)
def test_percent_rounding(
    present: int, percent: int, magnitude: int, expected: int
) -> None:
    by = policy(PERCENT, (0, None, percent), magnitude=magnitude)

    assert expected == adjusted(by, by.steps[0], present)


def test_exact_capacity_is_taken_as_it_is() -> None:
    by = policy(EXACT, (0, None, 7))

    assert propose(TARGET, by, capacity(3), 60.0, None).desired == 7
    assert propose(TARGET, by, capacity(9), 60.0, None).desired == 7


def test_on_the_threshold_the_alarms_direction_chooses_the_side() -> None:
    rising = policy(CHANGE, (0, None, 1))
    falling = policy(CHANGE, (None, 0, -1), comparison=Comparison.LESS_OR_EQUAL)

    assert select_step(rising, 50.0) == rising.steps[0]
    assert select_step(falling, 50.0) == falling.steps[0]


# fmt: off
AGGREGATED = [  # the threshold is 50, exceeded in two of the last three
    (MetricAggregation.AVERAGE, [90.0, 60.0, 40.0, 70.0], 65.0, "of those that breach"),
    (MetricAggregation.MINIMUM, [90.0, 60.0, 40.0, 70.0], 60.0, "the least of them"),
    (MetricAggregation.MAXIMUM, [90.0, 60.0, 40.0, 70.0], 70.0, "the most of them"),
    (MetricAggregation.AVERAGE, [60.0, None, 70.0],       65.0, "what is missing is none"),
    (MetricAggregation.AVERAGE, [40.0],                   40.0, "missing data breached"),
    (MetricAggregation.AVERAGE, [None],                   None, "nothing to go by"),
]
# fmt: on


@pytest.mark.parametrize(
    ("how", "values", "expected"),
    [row[:-1] for row in AGGREGATED],
    ids=[row[-1] for row in AGGREGATED],
)
def test_steps_are_measured_by_the_breaching_datapoints(
    how: MetricAggregation, values: list[float | None], expected: float | None
) -> None:
    by = replace(
        OUT,
        metric_aggregation_type=how,
        alarm=replace(OUT.alarm, evaluation_periods=3, datapoints_to_alarm=2),
    )
    points = [Datapoint(60 * n, value) for n, value in enumerate(values)]

    assert expected == aggregated(by, points)


ONE_MORE = policy(CHANGE, (0, None, 1))
ONE_LESS = policy(CHANGE, (None, 0, -1), comparison=Comparison.LESS)
IN_COOLDOWN = Cooldown("1", "in", Direction.IN, 9, 60.0)
OUT_COOLDOWN = Cooldown("2", "out", Direction.OUT, 4, 60.0)
SMALL = ScalableTarget("web", 2, 6)

# fmt: off
NOTHING = [
    (ONE_MORE, capacity(6), 60.0, None, NotScaled.ALREADY_AT_MAX),
    (ONE_LESS, capacity(2), 40.0, None, NotScaled.ALREADY_AT_MIN),
    (OUT, capacity(4), 55.0, None, NotScaled.ALREADY_AT_DESIRED),
    (ONE_LESS, capacity(4, deploying=True), 40.0, None, NotScaled.UNSCALABLE),
    (ONE_LESS, capacity(4), 40.0, IN_COOLDOWN, NotScaled.COOLDOWN),
    (ONE_LESS, capacity(4), 40.0, OUT_COOLDOWN, NotScaled.COOLDOWN),
    (ONE_MORE, capacity(5), 60.0, OUT_COOLDOWN, NotScaled.COOLDOWN),
    (ONE_MORE, capacity(4), 40.0, None, NotScaled.NO_STEP),
    (ONE_MORE, capacity(4), None, None, NotScaled.NO_DATA),
]
# fmt: on


@pytest.mark.parametrize(("by", "present", "value", "cooling", "why"), NOTHING)
def test_a_policy_that_changes_nothing_says_why(
    by: StepScalingPolicy,
    present: Capacity,
    value: float | None,
    cooling: Cooldown | None,
    why: NotScaled,
) -> None:
    proposal = propose(SMALL, by, present, value, cooling)

    assert (present.desired, why) == (proposal.desired, proposal.not_scaled)
    assert proposal.reason


def test_scaling_out_goes_on_during_a_deployment() -> None:
    assert propose(SMALL, ONE_MORE, capacity(4, deploying=True), 60, None).desired == 5


def test_in_a_scale_out_cooldown_only_the_excess_of_a_larger_step_is_added() -> None:
    by = policy(CHANGE, (0, 20, 2), (20, None, 3))

    again = propose(TARGET, by, capacity(6), 60.0, OUT_COOLDOWN)
    larger = propose(TARGET, by, capacity(6), 80.0, OUT_COOLDOWN)

    assert (6, NotScaled.COOLDOWN) == (again.desired, again.not_scaled)
    assert (7, 4) == (larger.desired, larger.base)


def test_a_count_set_lower_by_hand_is_the_base_from_then_on() -> None:
    assert propose(TARGET, ONE_MORE, capacity(2), 60.0, OUT_COOLDOWN).desired == 3


def test_a_scale_in_cooldown_does_not_hold_back_scaling_out() -> None:
    assert propose(TARGET, ONE_MORE, capacity(3), 60.0, IN_COOLDOWN).desired == 4


def test_several_policies_leave_the_largest_capacity() -> None:
    some = [propose(TARGET, by, capacity(10), 75.0, None) for by in (ONE_MORE, OUT)]

    assert largest(some) == some[1]
    assert largest([]) is None


def test_a_cooldown_counts_from_completion() -> None:
    done = replace(OUT_COOLDOWN, completed_unix_s=1000.0)

    assert remaining_s(OUT_COOLDOWN, 5000.0) == 60.0
    assert [60.0, 1.0, 0.0, 0.0] == [
        remaining_s(done, now) for now in (1000.0, 1059.0, 1060.0, 9999.0)
    ]


STEPS = st.lists(st.integers(-200, 200), min_size=3, max_size=3)


@given(
    kind=st.sampled_from(AdjustmentType),
    by=STEPS,
    value=st.floats(0, 500),
    bounds=st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted),
    present=st.integers(0, 30),
    cooling=st.sampled_from([None, IN_COOLDOWN, OUT_COOLDOWN]),
    deploying=st.booleans(),
)
def test_no_proposal_leaves_the_bounds_or_breaks_a_cooldown(  # noqa: PLR0913, PLR0917
    kind: AdjustmentType,
    by: list[int],
    value: float,
    bounds: list[int],
    present: int,
    cooling: Cooldown | None,
    deploying: bool,  # noqa: FBT001
) -> None:
    least, most = bounds
    steps = ((None, -10.0, by[0]), (-10.0, 30.0, by[1]), (30.0, None, by[2]))
    rule = policy(kind, *steps)
    now = capacity(present, deploying=deploying)

    proposal = propose(ScalableTarget("web", least, most), rule, now, value, cooling)

    changed = proposal.desired != present
    assert changed == (proposal.not_scaled is None)
    assert not changed or least <= proposal.desired <= most
    if proposal.desired < present:
        assert cooling is None
        assert not deploying
    if changed and cooling is OUT_COOLDOWN:
        step = select_step(rule, value)
        assert step is not None
        in_all = adjusted(rule, step, min(cooling.base, present))
        assert proposal.desired <= max(in_all, least)
