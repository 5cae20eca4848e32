"""Events are the differences between two versions of the records."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from scheduler.configuration import LifecycleStage, Strategy
from scheduler.decide.chronicle import (
    deployment_lines,
    service_lines,
    takeover_lines,
    task_lines,
    traffic_lines,
)
from scheduler.model import (
    Deployment,
    RolloutState,
    Service,
    ServiceRecord,
    StopCode,
    Task,
    TaskStatus,
)
from scheduler.takeover import Takeover
from tests.support.tasks import NOW, definition, task

S = TaskStatus


def told(before: list[Task], after: list[Task]) -> list[str]:
    def by_id(tasks: list[Task]) -> Mapping[str, Task]:
        return {item.id: item for item in tasks}

    return [message for _, message in task_lines(by_id(before), by_id(after))]


ASKED = replace(task("t", S.STOPPED), stop_code=StopCode.SERVICE_SCHEDULER_INITIATED)
DIED = replace(
    task("t", S.DEACTIVATING),
    stop_code=StopCode.ESSENTIAL_CONTAINER_EXITED,
    stopped_reason="Essential container in task exited",
)
NEVER_RAN = replace(
    task("t", S.STOPPED),
    started_at_unix_s=None,
    stop_code=StopCode.TASK_FAILED_TO_START,
    stopped_reason="CannotPullContainerError: no such image",
)
DRAINING = "(service web, taskSet ecs-svc/1) has begun draining connections on 1 tasks."
DEREGISTERED = "(service web) deregistered 1 targets in (target-group blue)"

# fmt: off
LINES = [  # before, after, lines, because
    ([], [task("a", S.PENDING), task("b", S.PENDING)], ["(service web) has started 2 tasks: (task a) (task b)."], "made"),
    ([task("t", S.PENDING)], [task("t", S.ACTIVATING)], [], "started by its runtime"),
    ([task("t", S.ACTIVATING)], [task("t")], ["(service web) registered 1 targets in (target-group blue)"], "serving"),
    ([task("t")], [task("t")], [], "nothing changed"),
    ([task("t")], [task("t", S.DEACTIVATING)], [DRAINING], "asked to stop"),
    ([task("t")], [replace(task("t", S.DEACTIVATING), load_balancers=())], [], "asked to stop, without targets"),
    ([task("t")], [DIED], ["(service web) (task t) stopped: Essential container in task exited.", DRAINING], "died"),
    ([DIED], [replace(DIED, status=S.STOPPING)], [], "what was told is not told again"),
    ([DIED], [replace(DIED, status=S.STOPPED)], [DEREGISTERED], "buried"),
    ([task("t", S.STOPPING)], [ASKED], [DEREGISTERED, "(service web) has stopped 1 running tasks: (task t)."], "stopped"),
    ([task("t", S.PENDING)], [NEVER_RAN], ["(service web) (task t) stopped: CannotPullContainerError: no such image."], "never ran"),
]
# fmt: on


@pytest.mark.parametrize("row", LINES, ids=[row[-1] for row in LINES])
def test_tasks(row: tuple[list[Task], list[Task], list[str], str]) -> None:
    before, after, lines, _ = row
    assert lines == told(before, after)


def test_services_are_told_apart() -> None:
    other = replace(task("b", S.PENDING), service="api")
    after = {"a": task("a", S.PENDING), "b": other, "c": task("c", S.PENDING)}
    lines = dict(task_lines({}, after))
    assert lines["api"] == "(service api) has started 1 tasks: (task b)."
    assert lines["web"] == "(service web) has started 2 tasks: (task a) (task c)."


def test_a_steady_state_is_told_when_it_is_reached() -> None:
    calm = ServiceRecord(Service("web", definition(), 1), "d", NOW, steady=True)
    busy = replace(calm, steady=False)
    line = ("web", "(service web) has reached a steady state.")
    assert [line] == list(service_lines({"web": busy}, {"web": calm}))
    assert [line] == list(service_lines({}, {"web": calm}))
    assert [] == list(service_lines({"web": calm}, {"web": calm}))
    assert [] == list(service_lines({"web": calm}, {"web": busy}))
    later = replace(calm, steady_told_unix_s=NOW + 21_600)
    assert [line] == list(service_lines({"web": calm}, {"web": later}))


def test_a_completed_deployment_is_told_once() -> None:
    begun = Deployment("ecs-svc/1", "web", definition(), NOW)
    done = replace(begun, rollout_state=RolloutState.COMPLETED)
    text = "(service web) (deployment ecs-svc/1) deployment completed."
    was, now = {"ecs-svc/1": begun}, {"ecs-svc/1": done}
    assert [("web", text)] == list(deployment_lines(was, now))
    assert [] == list(deployment_lines(now, now))
    assert [] == list(deployment_lines({}, was))


def test_each_stage_is_told_and_whom_requests_reach() -> None:
    def at(stage: LifecycleStage) -> dict[str, Deployment]:
        taking = Takeover(Strategy.CANARY, "ecs-svc/1", stage, NOW)
        return {"d": Deployment("d", "web", definition(), NOW, takeover=taking)}

    bakes = at(LifecycleStage.BAKE_TIME)
    line = ("web", "(service web) (deployment d) is in BAKE_TIME.")
    assert [line] == list(takeover_lines(at(LifecycleStage.SCALE_UP), bakes))
    assert [line] == list(takeover_lines({}, bakes))
    assert [] == list(takeover_lines(bakes, bakes))

    first = ServiceRecord(Service("web", definition(), 1), "d", NOW)
    all_of_it = replace(first, production=(("c", 100.0),))
    canary = replace(first, production=(("d", 5.0), ("c", 95.0)))
    text = "(service web) (deployment {}) gets {} percent of production traffic."
    assert [("web", text.format("d", 5)), ("web", text.format("c", 95))] == list(
        traffic_lines({"web": all_of_it}, {"web": canary})
    )
    assert [] == list(traffic_lines({"web": first}, {"web": all_of_it}))
    assert [] == list(traffic_lines({}, {"web": canary}))
