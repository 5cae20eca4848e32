"""What people, files and the autoscaler wish, as records."""

from dataclasses import replace

import pytest

from scheduler.configuration import (
    AdvancedConfiguration,
    DeploymentConfiguration,
    LifecycleStage,
    Strategy,
)
from scheduler.decide import wording
from scheduler.decide.wishes import (
    ACTIVITIES_MAX,
    Return,
    wish_deployment,
    wish_desired,
    wish_failed,
    wish_removed,
    wish_rollback,
    wish_service,
    with_delays,
    with_traffic,
)
from scheduler.model import (
    Deployment,
    RolloutState,
    Service,
    ServiceLoadBalancer,
    ServiceRecord,
    ServiceStatus,
)
from tests.support.tasks import NOW, definition, task

WEB = Service("web", definition(), 2)
KEPT = ServiceRecord(WEB, "ecs-svc/1", NOW, version=5, steady=True)


def test_a_new_service_begins_with_a_deployment() -> None:
    wish = wish_service(WEB, None, "ecs-svc/9", NOW)
    assert ("ecs-svc/9", 1) == (wish.record.deployment_id, wish.record.version)
    [deployment] = wish.deployments
    text = "ECS deployment ecs-svc/9 in progress."
    assert deployment.rollout_state_reason == text


def test_so_does_one_that_was_being_removed() -> None:
    removed = wish_removed(KEPT)
    assert ServiceStatus.DRAINING is removed.status
    wish = wish_service(WEB, removed, "ecs-svc/9", NOW)
    assert wish.record.status is ServiceStatus.ACTIVE
    assert wish.deployments


def test_an_equal_service_stays_as_it_is() -> None:
    wish = wish_service(WEB, KEPT, "ecs-svc/9", NOW)
    assert (KEPT, ()) == (wish.record, wish.deployments)


def test_a_changed_count_is_a_new_version_without_a_deployment() -> None:
    wish = wish_service(replace(WEB, desired_count=3), KEPT, "ecs-svc/9", NOW)
    assert (6, ()) == (wish.record.version, wish.deployments)


def test_a_changed_definition_is_a_deployment() -> None:
    changed = replace(WEB, task_definition=definition(revision=2))
    wish = wish_service(changed, KEPT, "ecs-svc/9", NOW)
    assert ("ecs-svc/9", False) == (wish.record.deployment_id, wish.record.steady)
    [deployment] = wish.deployments
    assert deployment.task_definition.revision == 2


def test_a_deployment_can_be_forced() -> None:
    wish = wish_deployment(KEPT, "ecs-svc/9", NOW)
    assert (WEB, "ecs-svc/9") == (wish.record.service, wish.record.deployment_id)


def deployment(
    number: int, state: RolloutState, finished_at: float | None = None
) -> Deployment:
    return Deployment(
        f"ecs-svc/{number}",
        "web",
        definition(revision=number),
        NOW + number,
        rollout_state=state,
        finished_at_unix_s=finished_at,
        failed_tasks=number,
    )


FIRST = deployment(1, RolloutState.COMPLETED, NOW + 10)
SECOND = deployment(2, RolloutState.COMPLETED, NOW + 20)
THIRD = deployment(3, RolloutState.IN_PROGRESS)
BAD = deployment(3, RolloutState.FAILED, NOW + 30)

# fmt: off
BACK = [  # PRIMARY, all, back to, what becomes of PRIMARY, because
    (THIRD,  [FIRST, SECOND, THIRD], SECOND, RolloutState.FAILED,    "what was completed last"),
    (BAD,    [FIRST, SECOND, BAD],   SECOND, RolloutState.FAILED,    "so is one that has failed"),
    (SECOND, [FIRST, SECOND, BAD],   FIRST,  RolloutState.COMPLETED, "of a good one: what was before it"),
    (FIRST,  [FIRST, SECOND],        SECOND, RolloutState.COMPLETED, "back and forth"),
]
# fmt: on


@pytest.mark.parametrize(
    ("primary", "known", "to", "state"),
    [row[:-1] for row in BACK],
    ids=[row[-1] for row in BACK],
)
def test_a_rollback_makes_an_earlier_deployment_primary_again(
    primary: Deployment, known: list[Deployment], to: Deployment, state: RolloutState
) -> None:
    record = replace(KEPT, deployment_id=primary.id)
    wish = wish_rollback(record, known, NOW + 99)
    assert wish is not None
    assert (to.id, False) == (wish.record.deployment_id, wish.record.steady)
    assert wish.record.service == WEB, "what is wished does not change"
    after, resumed = wish.deployments
    assert (primary.id, state) == (after.id, after.rollout_state)
    assert (to.id, RolloutState.IN_PROGRESS) == (resumed.id, resumed.rollout_state)
    assert (0, primary.id) == (resumed.failed_tasks, resumed.rolls_back)
    assert resumed.task_definition == to.task_definition


@pytest.mark.parametrize("known", [[THIRD], [FIRST], [BAD, THIRD]])
def test_there_may_be_nothing_to_roll_back_to(known: list[Deployment]) -> None:
    record = replace(KEPT, deployment_id=known[-1].id)
    assert wish_rollback(record, known, NOW) is None


def test_a_failed_deployment_says_why_and_stays_or_is_rolled_back() -> None:
    record = replace(KEPT, deployment_id=THIRD.id)
    stays = wish_failed(record, THIRD, wording.TASKS_FAILED, None, NOW)
    [failed] = stays.deployments
    assert stays.record == record
    assert (
        "ECS deployment circuit breaker: tasks failed to start."
        == failed.rollout_state_reason
    )
    to = Return(SECOND, THIRD)
    back = wish_failed(record, THIRD, wording.TASKS_FAILED, to, NOW)
    failed, _ = back.deployments
    assert (
        "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/2."
        == failed.rollout_state_reason
    )
    assert ("tasks failed to start", "ecs-svc/2") == (
        failed.failure,
        failed.rolled_back_to,
    )


def test_a_count_is_set_on_the_version_it_was_decided_for() -> None:
    after = wish_desired(KEPT, 4, 5, "act-1")
    assert after is not None
    assert (4, 6) == (after.service.desired_count, after.version)
    assert wish_desired(after, 8, 5, "act-2") is None
    assert wish_desired(wish_removed(KEPT), 8, None, "act-2") is None


def test_an_activity_takes_effect_once() -> None:
    after = wish_desired(KEPT, 4, 5, "act-1")
    assert after is not None
    assert after is wish_desired(after, 4, 5, "act-1")


def test_a_person_has_no_activity_and_an_equal_count_no_new_version() -> None:
    after = wish_desired(KEPT, 2, None, "")
    assert after == KEPT


def test_activities_are_remembered_within_bounds() -> None:
    record: ServiceRecord | None = KEPT
    for number in range(ACTIVITIES_MAX + 5):
        assert record is not None
        record = wish_desired(record, number, None, f"act-{number}")
    assert record is not None
    assert len(record.activity_ids) == ACTIVITIES_MAX
    assert record.activity_ids[-1] == f"act-{ACTIVITIES_MAX + 4}"


def test_tasks_wait_as_long_as_their_groups_now_do() -> None:
    """Groups: a task keeps its own, whatever new tasks register in."""
    blue = ServiceLoadBalancer("blue", "web", 8080, 60.0)
    green = ServiceLoadBalancer("green", "web", 8080, 90.0)
    after = with_delays(task(), replace(WEB, load_balancers=(blue, green)))
    assert (blue,) == after.load_balancers
    assert task() == with_delays(task(), replace(WEB, load_balancers=(green,)))


PAIR = AdvancedConfiguration("green", "80/10", "", 90.0)
SHOP = replace(
    WEB,
    load_balancers=(ServiceLoadBalancer("blue", "web", 8080, 60.0, PAIR),),
    deployment=DeploymentConfiguration(strategy=Strategy.BLUE_GREEN),
)


def test_of_two_groups_each_has_its_own_delay() -> None:
    green = (ServiceLoadBalancer("green", "web", 8080, 1.0),)
    [after] = with_delays(replace(task(), load_balancers=green), SHOP).load_balancers
    assert ("green", 90.0) == (after.target_group, after.deregistration_delay_s)


def test_the_first_deployment_has_all_requests_and_the_next_none_yet() -> None:
    first = wish_service(SHOP, None, "ecs-svc/1", NOW)
    assert ((("ecs-svc/1", 100.0),), "ecs-svc/1") == (
        first.record.production,
        first.record.test_id,
    )
    assert first.deployments[0].load_balancers == SHOP.load_balancers
    second = wish_deployment(first.record, "ecs-svc/2", NOW, first.deployments)
    assert second.record.production == first.record.production
    [begun] = second.deployments
    assert begun.takeover is not None
    assert ("ecs-svc/1", LifecycleStage.RECONCILE_SERVICE) == (
        begun.takeover.source_id,
        begun.takeover.stage,
    )
    third = wish_deployment(
        second.record, "ecs-svc/3", NOW, [*first.deployments, *second.deployments]
    )
    assert third.deployments[0].takeover is not None
    assert "ecs-svc/1" == third.deployments[0].takeover.source_id, "2 is undone"


def test_a_rollback_goes_to_the_source_whether_that_was_completed_or_not() -> None:
    first = wish_service(SHOP, None, "ecs-svc/1", NOW)
    second = wish_deployment(first.record, "ecs-svc/2", NOW, first.deployments)
    known = [*first.deployments, *second.deployments]
    wish = wish_rollback(second.record, known, NOW)
    assert wish is not None
    assert "ecs-svc/1" == wish.record.deployment_id
    assert wish.record.production == first.record.production
    _, back = wish.deployments
    assert back.takeover is None, "it has all requests still"

    shifted = replace(second.record, production=(("ecs-svc/2", 100.0),))
    wish = wish_rollback(shifted, known, NOW)
    assert wish is not None
    assert wish.record.production == shifted.production, "until it is looked at"
    _, back = wish.deployments
    assert back.takeover is not None
    assert back.takeover.returns
    assert ("ecs-svc/2", LifecycleStage.SCALE_UP) == (
        back.takeover.source_id,
        back.takeover.stage,
    )


def test_a_rolling_deployment_gets_the_requests_of_its_group_at_once() -> None:
    first = wish_service(SHOP, None, "ecs-svc/1", NOW)
    record = replace(
        first.record, service=replace(SHOP, deployment=DeploymentConfiguration())
    )
    wish = wish_deployment(record, "ecs-svc/2", NOW, first.deployments)
    assert (("ecs-svc/2", 100.0),) == wish.record.production
    [begun] = wish.deployments
    assert begun.takeover is None
    assert begun.load_balancers == SHOP.load_balancers


def test_without_rules_of_its_own_nothing_is_said_of_requests() -> None:
    assert KEPT is with_traffic(KEPT)
