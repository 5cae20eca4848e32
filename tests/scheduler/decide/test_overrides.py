"""What a task that is run once says differently, and why it may find no place."""

import pytest

from scheduler.decide import wording
from scheduler.decide.overrides import (
    ContainerOverride,
    RunTask,
    failure_code,
    overridden,
)
from tests.support.tasks import container, definition


def test_what_is_not_said_stays() -> None:
    both = definition(container("web", 8080), container("side"))
    override = ContainerOverride("side", ("x",), (("A", "b"),), 1, 7, 6)

    found = overridden(RunTask(both, overrides=(override,), cpu=512, memory_mib=99))

    web, side = found.containers
    assert web == both.containers[0]
    assert (("x",), (("A", "b"),), 1, 7, 6) == (
        side.command,
        side.environment,
        side.cpu,
        side.memory_mib,
        side.memory_reservation_mib,
    )
    assert (512, 99, "web:1") == (found.cpu, found.memory_mib, found.name)
    assert both == overridden(RunTask(both, overrides=(ContainerOverride("web"),)))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (wording.NO_INSTANCES, "MISSING"),
        (wording.closest("a", wording.NO_CPU), "RESOURCE:CPU"),
        (wording.closest("a", wording.NO_MEMORY), "RESOURCE:MEMORY"),
        (wording.closest("a", wording.PORT_IN_USE), "RESOURCE:PORTS"),
        (wording.closest("a", wording.AGENT), "AGENT"),
        (
            wording.closest("a", wording.NO_MEMBER),
            "MemberOf placement constraint unsatisfied.",
        ),
        (
            wording.closest("a", wording.NOT_DISTINCT),
            "DistinctInstance placement constraint unsatisfied.",
        ),
        ("is missing an attribute required by your task.", "ATTRIBUTE"),
    ],
)
def test_a_failure_has_ecss_code(text: str, code: str) -> None:
    assert code == failure_code(text)
