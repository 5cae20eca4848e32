"""How a deployment takes over: stage by stage, and what never happens meanwhile."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.configuration import (
    AdvancedConfiguration,
    Canary,
    DeploymentConfiguration,
    Linear,
    Strategy,
)
from scheduler.configuration import LifecycleStage as S
from scheduler.decide import takeover
from scheduler.decide.takeover import Sight, Traffic
from scheduler.model import Deployment, RolloutState, Service, ServiceLoadBalancer
from scheduler.takeover import Shares, Takeover
from tests.support.tasks import NOW, definition

PAIR = AdvancedConfiguration("green", "80/10", "81/default", 20.0)
WEB = Service(
    "web",
    definition(),
    2,
    (ServiceLoadBalancer("blue", "web", 8080, 10.0, PAIR),),
    DeploymentConfiguration(
        strategy=Strategy.BLUE_GREEN,
        bake_time_in_minutes=2.0,
        linear=Linear(30.0, 1.0),
        canary=Canary(5.0, 3.0),
    ),
)
BLUE, GREEN = "ecs-svc/1", "ecs-svc/2"
BEFORE = Traffic(((BLUE, 100.0),), BLUE)
AFTER = Traffic(((GREEN, 100.0),), GREEN)
TESTED = Traffic(((BLUE, 100.0),), GREEN)
FINE = Sight(NOW, whole=True, serves=True, alone=True, served=True)
NOT_WHOLE = replace(FINE, whole=False)
NOBODY = replace(FINE, whole=False, serves=False)
CROWDED = replace(FINE, alone=False)
NOT_SERVED = replace(FINE, served=False)


def later(seconds: float) -> Sight:
    return replace(FINE, now_unix_s=NOW + seconds)


def part(percent: float) -> Traffic:
    """Green has that part of production, and the tests."""
    return Traffic(((GREEN, percent), (BLUE, 100.0 - percent)), GREEN)


def at(
    stage: S,
    strategy: Strategy = Strategy.BLUE_GREEN,
    *,
    source: str = BLUE,
    returns: bool = False,
) -> Deployment:
    taking = Takeover(strategy, source, stage, NOW, NOW, returns=returns)
    return Deployment(GREEN, "web", WEB.task_definition, NOW, takeover=taking)


R, B, L, C = "returns", Strategy.BLUE_GREEN, Strategy.LINEAR, Strategy.CANARY

# fmt: off
MOVES = [  # stage, strategy, traffic, sight -> stage, traffic, because
    (S.RECONCILE_SERVICE, B, BEFORE,    FINE,       S.PRE_SCALE_UP,            BEFORE,    "there is nothing to undo"),
    (S.RECONCILE_SERVICE, B, BEFORE,    CROWDED,    S.RECONCILE_SERVICE,       BEFORE,    "a third deployment has tasks in green's group"),
    (S.RECONCILE_SERVICE, B, AFTER,     FINE,       S.RECONCILE_SERVICE,       Traffic(BEFORE.production, GREEN), "what another took goes back"),
    (S.RECONCILE_SERVICE, B, TESTED,    FINE,       S.RECONCILE_SERVICE,       BEFORE,    "so do the tests"),
    (S.PRE_SCALE_UP,      B, BEFORE,    NOBODY,     S.SCALE_UP,                BEFORE,    "its tasks may be started"),
    (S.SCALE_UP,          B, BEFORE,    FINE,       S.POST_SCALE_UP,           BEFORE,    "all are healthy"),
    (S.SCALE_UP,          B, BEFORE,    NOT_WHOLE,  S.SCALE_UP,                BEFORE,    "the minimum is not enough"),
    (S.SCALE_UP,          R, AFTER,     NOT_WHOLE,  S.POST_SCALE_UP,           AFTER,     "for one that comes back it is"),
    (S.SCALE_UP,          R, AFTER,     NOBODY,     S.SCALE_UP,                AFTER,     "nobody is not"),
    (S.POST_SCALE_UP,     B, BEFORE,    NOBODY,     S.TEST_TRAFFIC_SHIFT,      BEFORE,    "nothing waits here"),
    (S.TEST_TRAFFIC_SHIFT, B, BEFORE,   FINE,       S.TEST_TRAFFIC_SHIFT,      TESTED,    "tests first"),
    (S.TEST_TRAFFIC_SHIFT, B, TESTED,   NOT_SERVED, S.TEST_TRAFFIC_SHIFT,      TESTED,    "not every worker knows yet"),
    (S.TEST_TRAFFIC_SHIFT, B, TESTED,   FINE,       S.POST_TEST_TRAFFIC_SHIFT, TESTED,    "now it does"),
    (S.PRODUCTION_TRAFFIC_SHIFT, B, TESTED,   FINE,       S.PRODUCTION_TRAFFIC_SHIFT, AFTER,    "all at once"),
    (S.PRODUCTION_TRAFFIC_SHIFT, B, TESTED,   NOT_WHOLE,  S.PRODUCTION_TRAFFIC_SHIFT, TESTED,   "a task was lost meanwhile"),
    (S.PRODUCTION_TRAFFIC_SHIFT, R, TESTED,   NOT_WHOLE,  S.PRODUCTION_TRAFFIC_SHIFT, AFTER,    "one that comes back does not wait for it"),
    (S.PRODUCTION_TRAFFIC_SHIFT, C, TESTED,   FINE,       S.PRODUCTION_TRAFFIC_SHIFT, part(5.0), "the canary"),
    (S.PRODUCTION_TRAFFIC_SHIFT, C, part(5.0), later(179), S.PRODUCTION_TRAFFIC_SHIFT, part(5.0), "is watched"),
    (S.PRODUCTION_TRAFFIC_SHIFT, C, part(5.0), later(180), S.PRODUCTION_TRAFFIC_SHIFT, AFTER,   "and then all others"),
    (S.PRODUCTION_TRAFFIC_SHIFT, C, part(5.0), replace(NOT_WHOLE, now_unix_s=NOW + 999), S.PRODUCTION_TRAFFIC_SHIFT, part(5.0), "unless it is not whole"),
    (S.PRODUCTION_TRAFFIC_SHIFT, R, part(5.0), FINE,      S.PRODUCTION_TRAFFIC_SHIFT, AFTER,    "a return has no steps"),
    (S.PRODUCTION_TRAFFIC_SHIFT, L, TESTED,   FINE,       S.PRODUCTION_TRAFFIC_SHIFT, part(30.0), "the first step"),
    (S.PRODUCTION_TRAFFIC_SHIFT, L, part(30.0), later(60), S.PRODUCTION_TRAFFIC_SHIFT, part(60.0), "the second"),
    (S.PRODUCTION_TRAFFIC_SHIFT, L, part(90.0), later(60), S.PRODUCTION_TRAFFIC_SHIFT, AFTER,   "and what is left"),
    (S.PRODUCTION_TRAFFIC_SHIFT, L, AFTER,    FINE,       S.POST_PRODUCTION_TRAFFIC_SHIFT, AFTER, "no bake time after the last step"),
    (S.BAKE_TIME,         B, AFTER,     later(119), S.BAKE_TIME,               AFTER,     "both go on"),
    (S.BAKE_TIME,         B, AFTER,     later(120), S.CLEAN_UP,                AFTER,     "blue may stop"),
    (S.BAKE_TIME,         R, AFTER,     FINE,       S.CLEAN_UP,                AFTER,     "what served before need not bake"),
]
# fmt: on


@pytest.mark.parametrize("row", MOVES, ids=[row[-1] for row in MOVES])
def test_next_move(
    row: tuple[S, Strategy | str, Traffic, Sight, S, Traffic, str],
) -> None:
    stage, strategy, traffic, sight, then, shared, _ = row
    returns = not isinstance(strategy, Strategy)
    deployment = at(stage, B if returns else Strategy(strategy), returns=returns)
    moved = takeover.advance(deployment, WEB.deployment, traffic, sight)
    assert then is moved.takeover.stage
    assert dict(shared.production) == dict(moved.traffic.production)
    assert shared.test_id == moved.traffic.test_id


def test_a_step_is_watched_from_when_every_worker_has_taken_it() -> None:
    taking = Takeover(C, BLUE, S.PRODUCTION_TRAFFIC_SHIFT, NOW, None)
    deployment = replace(at(S.BAKE_TIME), takeover=taking)
    long_ago = replace(NOT_SERVED, now_unix_s=NOW + 999)
    moved = takeover.advance(deployment, WEB.deployment, part(5.0), long_ago)
    assert (part(5.0), None) == (moved.traffic, moved.takeover.served_since_unix_s)
    seen = replace(long_ago, served=True)
    moved = takeover.advance(deployment, WEB.deployment, part(5.0), seen)
    assert (part(5.0), NOW + 999) == (
        moved.traffic,
        moved.takeover.served_since_unix_s,
    )


def test_who_is_told_later_when_to_look_again() -> None:
    deployment = at(S.BAKE_TIME)
    moved = takeover.advance(deployment, WEB.deployment, AFTER, later(1))
    assert NOW + 120 == moved.wake_at_unix_s


STEPS = [
    (Strategy.BLUE_GREEN, Linear(), Canary(), (100.0,)),
    (Strategy.CANARY, Linear(), Canary(0.1), (0.1, 100.0)),
    (Strategy.CANARY, Linear(), Canary(100.0), (100.0,)),
    (Strategy.LINEAR, Linear(40.0), Canary(), (40.0, 80.0, 100.0)),
    (Strategy.LINEAR, Linear(33.3), Canary(), (33.3, 66.6, 99.9, 100.0)),
    (Strategy.LINEAR, Linear(100.0), Canary(), (100.0,)),
]


@pytest.mark.parametrize(("strategy", "linear", "canary", "expected"), STEPS)
def test_steps(
    strategy: Strategy, linear: Linear, canary: Canary, expected: tuple[float, ...]
) -> None:
    config = DeploymentConfiguration(linear=linear, canary=canary)
    assert expected == takeover.steps_of(strategy, config)


# --- who takes over from whom ---------------------------------------------------------


def in_group(group: str, base: Deployment) -> Deployment:
    return replace(base, load_balancers=(ServiceLoadBalancer(group, "web", 8080),))


FIRST = Deployment(BLUE, "web", WEB.task_definition, NOW)
ROLLING = replace(WEB, deployment=DeploymentConfiguration())

# fmt: off
GROUPS = [
    (WEB,     None,                       "blue",  20.0, "the first begins in the first group"),
    (WEB,     in_group("blue", FIRST),    "green", 10.0, "the next takes the other one"),
    (WEB,     in_group("green", FIRST),   "blue",  20.0, "and the next the first again"),
    (ROLLING, None,                       "blue",  20.0, "a rolling one begins there too"),
    (ROLLING, in_group("green", FIRST),   "green", 10.0, "and stays where requests are"),
]
# fmt: on


@pytest.mark.parametrize("row", GROUPS, ids=[row[-1] for row in GROUPS])
def test_whose_group_it_is(
    row: tuple[Service, Deployment | None, str, float, str],
) -> None:
    service, base, group, others_delay_s, _ = row
    [found] = takeover.resolved(service, base)
    assert group == found.target_group
    assert found.advanced is not None
    assert {"blue", "green"} == {group, found.advanced.alternate_target_group}
    assert others_delay_s == found.advanced.alternate_deregistration_delay_s
    assert {10.0, 20.0} == {others_delay_s, found.deregistration_delay_s}


# fmt: off
BASES = [  # production -> whom the next one takes over from
    ((),                              GREEN, "no rule is the service's own: the PRIMARY one"),
    (BEFORE.production,               BLUE,  "what has not begun to serve is undone"),
    (part(5.0).production,            BLUE,  "so is a canary"),
    (part(50.0).production,           BLUE,  "between equals what was there before stays"),
    (part(60.0).production,           GREEN, "most requests stay where they are"),
    (AFTER.production,                GREEN, "all of them the more so"),
    ((("forgotten", 100.0),),         GREEN, "nobody knows better"),
]
# fmt: on


@pytest.mark.parametrize("row", BASES, ids=[row[-1] for row in BASES])
def test_what_the_next_takes_over_from(row: tuple[Shares, str, str]) -> None:
    production, expected, _ = row
    known = {BLUE: FIRST, GREEN: at(S.BAKE_TIME)}
    assert expected == takeover.base_of(known[GREEN], known, production).id


# fmt: off
UNDER_WAY = [
    (at(S.RECONCILE_SERVICE), True),
    (replace(at(S.SCALE_UP), rollout_state=RolloutState.FAILED), True),
    (at(S.CLEAN_UP), False),
    (replace(at(S.BAKE_TIME), rollout_state=RolloutState.COMPLETED), False),
    (FIRST, False),
]
# fmt: on


@pytest.mark.parametrize(("deployment", "expected"), UNDER_WAY)
def test_which_have_two_sides(
    deployment: Deployment,
    expected: bool,  # noqa: FBT001
) -> None:
    assert expected == takeover.is_under_way(deployment)


def test_groups_of_a_service() -> None:
    assert {"blue", "green"} == takeover.groups_in(WEB)
    single = replace(WEB, load_balancers=(ServiceLoadBalancer("blue", "web", 8080),))
    assert set() == takeover.groups_in(single)


def test_a_return_within_the_same_groups_rolls() -> None:
    blue, green = in_group("blue", FIRST), in_group("green", at(S.BAKE_TIME))
    assert takeover.returning(blue, in_group("blue", green), NOW) is None
    back = takeover.returning(blue, green, NOW)
    assert back is not None
    assert (GREEN, S.SCALE_UP, True) == (back.source_id, back.stage, back.returns)


# --- what the load balancer is told ---------------------------------------------------

DEPLOYED = {
    BLUE: in_group("blue", FIRST),
    GREEN: in_group("green", at(S.BAKE_TIME)),
    "elsewhere": in_group("other", replace(FIRST, id="elsewhere")),
}

# fmt: off
WEIGHTS = [
    (BEFORE,    {"80/10": {"blue": 100, "green": 0}, "81/default": {"blue": 100, "green": 0}}),
    (part(5.0), {"80/10": {"blue": 95, "green": 5},  "81/default": {"blue": 0, "green": 100}}),
    (Traffic((("elsewhere", 100.0),), "elsewhere"), {}),
    (Traffic((("forgotten", 100.0),), ""), {}),
]
# fmt: on


def test_groups_without_an_alternate_are_left_alone() -> None:
    single = replace(WEB, load_balancers=(ServiceLoadBalancer("blue", "web", 8080),))
    assert single.load_balancers == takeover.resolved(single, FIRST)
    assert {} == takeover.weights_of(single, BEFORE, DEPLOYED)


@pytest.mark.parametrize(("traffic", "expected"), WEIGHTS)
def test_weights(traffic: Traffic, expected: dict[str, dict[str, float]]) -> None:
    assert expected == takeover.weights_of(WEB, traffic, DEPLOYED)


# --- whatever happens -----------------------------------------------------------------

SIGHTS = st.builds(
    Sight,
    now_unix_s=st.just(0.0),
    whole=st.booleans(),
    serves=st.booleans(),
    alone=st.booleans(),
    served=st.booleans(),
)


@given(
    sights=st.lists(st.tuples(SIGHTS, st.floats(0, 400)), max_size=80),
    strategy=st.sampled_from([B, L, C]),
    returns=st.booleans(),
)
def test_nobody_gets_requests_who_does_not_serve_and_nothing_goes_back(
    sights: list[tuple[Sight, float]],
    strategy: Strategy,
    returns: bool,  # noqa: FBT001
) -> None:
    stage = S.SCALE_UP if returns else S.RECONCILE_SERVICE
    deployment, traffic = at(stage, strategy, returns=returns), part(5.0)
    if returns:
        traffic = Traffic(((BLUE, 100.0),), BLUE)
    now, stages = NOW, [stage]
    for drawn, passed_s in sights:
        now += passed_s
        serves = drawn.serves or drawn.whole
        sight = replace(drawn, now_unix_s=now, serves=serves)
        if not takeover.is_under_way(deployment):
            break
        moved = takeover.advance(deployment, WEB.deployment, traffic, sight)
        before, after = traffic.share_of(GREEN), moved.traffic.share_of(GREEN)
        assert sum(percent for _, percent in moved.traffic.production) == 100
        if after > before:
            assert sight.whole or (returns and sight.serves)
        if moved.traffic.share_of(BLUE) > traffic.share_of(BLUE):
            assert stage is S.RECONCILE_SERVICE
        if moved.takeover.stage is S.CLEAN_UP:
            assert moved.traffic.share_of(GREEN) == 100
        deployment = replace(deployment, takeover=moved.takeover)
        traffic, stage = moved.traffic, moved.takeover.stage
        stages.append(stage)
    order = [takeover.STAGES.index(one) for one in stages]
    assert order == sorted(order)
    assert all(b - a <= 1 for a, b in pairwise(order))


@given(st.sampled_from([B, L, C]), st.booleans())
def test_where_nothing_goes_wrong_it_comes_to_its_end(
    strategy: Strategy,
    returns: bool,  # noqa: FBT001
) -> None:
    stage = S.SCALE_UP if returns else S.RECONCILE_SERVICE
    deployment, traffic = at(stage, strategy, returns=returns), BEFORE
    for minute in range(60):
        if not takeover.is_under_way(deployment):
            break
        moved = takeover.advance(
            deployment, WEB.deployment, traffic, later(60.0 * minute)
        )
        deployment = replace(deployment, takeover=moved.takeover)
        traffic = moved.traffic
    assert takeover.is_cleaning_up(deployment)
    assert AFTER == traffic
