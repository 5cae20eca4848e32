"""Healthy is what every group and every worker says; silence is no verdict."""

from dataclasses import replace

import pytest

from scheduler.container import HealthStatus
from scheduler.decide.fitness import Fitness, Verdicts, container_checks, fitness
from scheduler.model import (
    ContainerName,
    ContainerState,
    ContainerStatus,
    InstanceStatus,
    ServiceLoadBalancer,
    TaskStatus,
)
from scheduler.ports import TargetView
from tests.support.tasks import (
    HEALTHY,
    INITIAL,
    NOW,
    UNHEALTHY,
    container,
    definition,
    task,
)

BLUE, GREEN = "t/web/8080/blue", "t/web/8080/green"
TWO_GROUPS = (
    ServiceLoadBalancer("blue", "web", 8080),
    ServiceLoadBalancer("green", "web", 8080),
)


def known(views: dict[str, TargetView]) -> Verdicts:
    return Verdicts(views, {}, "c1")


UNUSED = replace(INITIAL, eligible_everywhere=False, unused=True)
NOT_EVERYWHERE = replace(HEALTHY, eligible_everywhere=False)

# fmt: off
VIEWS = [  # what each group says, grace period, verdict, because
    ({BLUE: HEALTHY, GREEN: HEALTHY},        0, Fitness.HEALTHY,   "healthy in every group"),
    ({BLUE: HEALTHY, GREEN: INITIAL},        0, Fitness.UNKNOWN,   "not yet in every group"),
    ({BLUE: HEALTHY},                        0, Fitness.UNKNOWN,   "nothing is known of one"),
    ({},                                     0, Fitness.UNKNOWN,   "the load balancer is silent"),
    ({BLUE: HEALTHY, GREEN: NOT_EVERYWHERE}, 0, Fitness.UNKNOWN,   "a worker does not know it"),
    ({BLUE: HEALTHY, GREEN: UNHEALTHY},      0, Fitness.UNHEALTHY, "one group is enough"),
    ({BLUE: HEALTHY, GREEN: UNUSED},         0, Fitness.HEALTHY,   "a group nobody uses has no say"),
    ({BLUE: INITIAL, GREEN: UNUSED},         0, Fitness.UNKNOWN,   "the other group has"),
    ({GREEN: UNHEALTHY},                    90, Fitness.UNHEALTHY, "the grace period is over"),
    ({BLUE: HEALTHY, GREEN: UNHEALTHY},     91, Fitness.UNKNOWN,   "within its grace period"),
]
# fmt: on


@pytest.mark.parametrize(
    ("views", "grace_s", "expected"),
    [row[:-1] for row in VIEWS],
    ids=[row[-1] for row in VIEWS],
)
def test_targets(
    views: dict[str, TargetView], grace_s: float, expected: Fitness
) -> None:
    member = replace(task(), load_balancers=TWO_GROUPS)
    assert expected is fitness(member, known(views), grace_s, NOW)


@pytest.mark.parametrize(
    ("running_s", "expected"), [(39.9, Fitness.UNKNOWN), (40.0, Fitness.HEALTHY)]
)
def test_without_a_load_balancer_forty_seconds_count(
    running_s: float, expected: Fitness
) -> None:
    alone = replace(task(), load_balancers=(), started_at_unix_s=NOW - running_s)
    assert expected is fitness(alone, known({}), 0, NOW)
    unused = replace(task(), started_at_unix_s=NOW - running_s)
    assert expected is fitness(unused, known({BLUE: UNUSED}), 0, NOW)


@pytest.mark.parametrize("status", [TaskStatus.PENDING, TaskStatus.ACTIVATING])
def test_what_does_not_run_is_starting(status: TaskStatus) -> None:
    starting = task(status=status)
    assert Fitness.STARTING is fitness(starting, known({BLUE: HEALTHY}), 0, NOW)


# fmt: off
CHECKS = [  # target, main, sidecar, logger (not essential), grace period, verdict, because
    (HEALTHY,   "H", "H", "U",  0, Fitness.HEALTHY,   "every essential container says so too"),
    (HEALTHY,   "H", " ", " ",  0, Fitness.HEALTHY,   "one without a health check has no say"),
    (HEALTHY,   "?", "H", " ",  0, Fitness.UNKNOWN,   "one has not said so yet"),
    (HEALTHY,   "H", "U", " ",  0, Fitness.UNHEALTHY, "one says otherwise"),
    (HEALTHY,   "U", "?", " ", 91, Fitness.UNKNOWN,   "its own grace period too"),
    (INITIAL,   "H", "H", " ",  0, Fitness.UNKNOWN,   "the target is not yet"),
    (UNHEALTHY, "H", "H", " ",  0, Fitness.UNHEALTHY, "the target is not"),
    (UNUSED,    "H", " ", " ",  0, Fitness.HEALTHY,   "its own check is enough, at once"),
]
# fmt: on
SAYS = {
    "H": HealthStatus.HEALTHY,
    "U": HealthStatus.UNHEALTHY,
    "?": HealthStatus.UNKNOWN,
    " ": None,
}


@pytest.mark.parametrize("row", CHECKS, ids=[row[-1] for row in CHECKS])
def test_container_checks(
    row: tuple[TargetView, str, str, str, float, Fitness, str],
) -> None:
    view, web, sidecar, logger, grace_s, expected, _ = row
    containers = (
        container("web", 8080),
        container("sidecar"),
        replace(container("logger"), essential=False),
    )
    member = replace(task(), load_balancers=(ServiceLoadBalancer("blue", "web", 8080),))
    member = replace(member, task_definition=definition(*containers))
    statuses = [
        ContainerStatus(
            ContainerName(f"alb-c1-t-{name}"),
            member.id,
            ContainerState.RUNNING,
            health=SAYS[letter],
        )
        for name, letter in (("web", web), ("sidecar", sidecar), ("logger", logger))
    ]
    seen = InstanceStatus(True, 4096, 8192, "10.0.0.1", tuple(statuses))  # noqa: FBT003
    verdicts = Verdicts({BLUE: view}, container_checks([seen]), "c1")
    assert expected is fitness(member, verdicts, grace_s, NOW)
