"""Healthy is what every group and every worker says; silence is no verdict."""

from dataclasses import replace

import pytest

from scheduler.decide.fitness import Fitness, fitness
from scheduler.model import ServiceLoadBalancer, TaskStatus
from scheduler.ports import TargetView
from tests.support.tasks import HEALTHY, INITIAL, NOW, UNHEALTHY, task

BLUE, GREEN = "t/web/8080/blue", "t/web/8080/green"
TWO_GROUPS = (
    ServiceLoadBalancer("blue", "web", 8080),
    ServiceLoadBalancer("green", "web", 8080),
)
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
    assert expected is fitness(member, views, grace_s, NOW)


@pytest.mark.parametrize(
    ("running_s", "expected"), [(39.9, Fitness.UNKNOWN), (40.0, Fitness.HEALTHY)]
)
def test_without_a_load_balancer_forty_seconds_count(
    running_s: float, expected: Fitness
) -> None:
    alone = replace(task(), load_balancers=(), started_at_unix_s=NOW - running_s)
    assert expected is fitness(alone, {}, 0, NOW)
    unused = replace(task(), started_at_unix_s=NOW - running_s)
    assert expected is fitness(unused, {BLUE: UNUSED}, 0, NOW)


@pytest.mark.parametrize("status", [TaskStatus.PENDING, TaskStatus.ACTIVATING])
def test_what_does_not_run_is_starting(status: TaskStatus) -> None:
    assert Fitness.STARTING is fitness(task(status=status), {BLUE: HEALTHY}, 0, NOW)
