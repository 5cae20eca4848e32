"""The lines that people search for, as ECS writes them."""

import pytest

from scheduler.decide import wording
from scheduler.errors import CannotStart, ContainerError, ImageNotFound, NameTaken

GUIDE = (
    "For more information, see the Troubleshooting section of the Amazon ECS "
    "Developer Guide."
)
UNPLACEABLE = (
    "(service web) was unable to place a task because no container instance met all "
    "of its requirements."
)
# fmt: off
LINES = [
    (wording.unplaceable("web", wording.NO_INSTANCES),
     f"{UNPLACEABLE} Reason: No Container Instances were found in your cluster. {GUIDE}"),
    (wording.unplaceable("web", wording.closest("host-a", wording.NO_CPU)),
     f"{UNPLACEABLE} The closest matching (container-instance host-a) has insufficient CPU units available. {GUIDE}"),
    (wording.unhealthy("web", 32768, "blue", "Health checks failed with these codes: [502]"),
     "(service web) (port 32768) is unhealthy in (target-group blue) due to (reason Health checks failed with these codes: [502])."),
    (wording.throttled("web"), "(service web) is unable to consistently start tasks successfully."),
    (wording.stuck("web"),
     "service web was unable to stop or start tasks during a deployment because of the service deployment configuration. "
     "Update the minimumHealthyPercent or maximumPercent value and try again."),
    (wording.scaling("ecs-svc/1"), "Scaling activity initiated by (deployment ecs-svc/1)"),
    (wording.failed_health_checks(["a", "b"]), "Task failed ELB health checks in (target-group a) (target-group b)"),
    (wording.killed("web", "t", 5.0), "(service web) (task t) did not stop within 5 seconds of SIGTERM and was killed."),
    (wording.desired_changed("web", 3, "alarm out"), "(service web) updated desired count to 3: alarm out"),
    (wording.deployment_completed("ecs-svc/1"), "ECS deployment ecs-svc/1 completed."),
]
# fmt: on


@pytest.mark.parametrize(("line", "expected"), LINES)
def test_lines(line: str, expected: str) -> None:
    assert expected == line


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ImageNotFound, "CannotPullContainerError: why"),
        (NameTaken, "CannotCreateContainerError: why"),
        (CannotStart, "CannotStartContainerError: why"),
    ],
)
def test_start_errors_have_the_agents_names(
    error: type[ContainerError], reason: str
) -> None:
    assert reason == wording.cannot_start(error("a", "start", "why"))
    assert str(error("a", "start", "why")) == "start on a: why"


def test_a_runtime_that_knows_which_step_failed_is_believed() -> None:
    detail = "CannotPullContainerError: no space left on device"
    assert detail == wording.cannot_start(CannotStart("a", "start", detail))
