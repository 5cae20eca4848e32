"""What people, files and the autoscaler wish, as records."""

from dataclasses import replace

from scheduler.decide.wishes import (
    ACTIVITIES_MAX,
    wish_deployment,
    wish_desired,
    wish_removed,
    wish_service,
    with_delays,
)
from scheduler.model import (
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
    assert wish.deployment is not None
    text = "ECS deployment ecs-svc/9 in progress."
    assert wish.deployment.rollout_state_reason == text


def test_so_does_one_that_was_being_removed() -> None:
    removed = wish_removed(KEPT)
    assert ServiceStatus.DRAINING is removed.status
    wish = wish_service(WEB, removed, "ecs-svc/9", NOW)
    assert wish.record.status is ServiceStatus.ACTIVE
    assert wish.deployment is not None


def test_an_equal_service_stays_as_it_is() -> None:
    wish = wish_service(WEB, KEPT, "ecs-svc/9", NOW)
    assert (KEPT, None) == (wish.record, wish.deployment)


def test_a_changed_count_is_a_new_version_without_a_deployment() -> None:
    wish = wish_service(replace(WEB, desired_count=3), KEPT, "ecs-svc/9", NOW)
    assert (6, None) == (wish.record.version, wish.deployment)


def test_a_changed_definition_is_a_deployment() -> None:
    changed = replace(WEB, task_definition=definition(revision=2))
    wish = wish_service(changed, KEPT, "ecs-svc/9", NOW)
    assert ("ecs-svc/9", False) == (wish.record.deployment_id, wish.record.steady)
    assert wish.deployment is not None
    assert wish.deployment.task_definition.revision == 2


def test_a_deployment_can_be_forced() -> None:
    wish = wish_deployment(KEPT, "ecs-svc/9", NOW)
    assert (WEB, "ecs-svc/9") == (wish.record.service, wish.record.deployment_id)


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
