"""What is new since the last look is told once, in the words of who saw it."""

import pytest

from autoscaler.model import Activity, ActivityStatus
from controlplane.events_feed import (
    bound_lines,
    instance_lines,
    of_activity,
    worker_lines,
)
from scheduler.model import InstanceStatus

# fmt: off
WORKERS = [
    ({},           {},           [], "nothing"),
    ({0: 10},      {0: 10},      [], "the same"),
    ({},           {0: 10},      [("worker 0", "started as pid 10")], "the first"),
    ({0: 10},      {},           [("worker 0", "pid 10 ended")], "one that died"),
    ({0: 10, 1: 11}, {0: 12, 1: 11},
     [("worker 0", "pid 10 ended"), ("worker 0", "started as pid 12")],
     "one that was replaced"),
]
BOUND = [
    ({}, {("::1", 80): ""}, [("listener ::1:80", "open")], "opened"),
    ({("::1", 80): ""}, {("::1", 80): ""}, [], "still open"),
    ({}, {("::1", 80): "taken"}, [("listener ::1:80", "cannot be opened: taken")],
     "refused"),
    ({("::1", 80): "taken"}, {("::1", 80): "taken"}, [], "refused again"),
    ({("::1", 80): "taken"}, {("::1", 80): ""}, [("listener ::1:80", "open")],
     "opened in the end"),
]
CONNECTED = [
    ({},            True,  [("a", "container instance connected")], "seen"),
    ({"a": True},   True,  [], "still there"),
    ({"a": True},   False, [("a", "container instance not connected: gone")], "lost"),
    ({"a": False},  False, [], "still lost"),
    ({},            False, [], "never seen"),
]
# fmt: on


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [row[:3] for row in WORKERS],
    ids=[row[3] for row in WORKERS],
)
def test_workers(
    before: dict[int, int], after: dict[int, int], told: list[tuple[str, str]]
) -> None:
    assert told == list(worker_lines(before, after))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [row[:3] for row in BOUND],
    ids=[row[3] for row in BOUND],
)
def test_listeners(
    before: dict[tuple[str, int], str],
    after: dict[tuple[str, int], str],
    told: list[tuple[str, str]],
) -> None:
    assert told == list(bound_lines(before, after))


@pytest.mark.parametrize(
    ("before", "connected", "told"),
    [row[:3] for row in CONNECTED],
    ids=[row[3] for row in CONNECTED],
)
def test_container_instances(
    before: dict[str, bool],
    connected: bool,  # noqa: FBT001
    told: list[tuple[str, str]],
) -> None:
    status = InstanceStatus(
        connected=connected, cpu=1, memory_mib=1, address="", detail="gone"
    )

    assert told == list(instance_lines(before, {"a": status}))


def test_a_scaling_activity_of_an_earlier_life_is_still_told() -> None:
    activity = Activity(
        activity_id="1",
        resource="web",
        policy="out",
        cause="monitor alarm web-out in state ALARM triggered policy out",
        details="CPUUtilization 80",
        from_capacity=1,
        to_capacity=2,
        if_version=1,
        status=ActivityStatus.SUCCESSFUL,
        start_unix_s=7.0,
    )

    told = of_activity(activity)

    assert ("scaling", "web", 7.0) == (told.source, told.subject, told.unix_s)
    assert "Setting desired count to 2. Cause: monitor alarm web-out" in told.message
