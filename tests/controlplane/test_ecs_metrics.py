"""AWS/ECS is what ECS means by it: used over reserved, every task alike."""

import pytest

from controlplane.ecs_metrics import by_service, counts, of_cluster, of_services
from scheduler.model import InstanceStatus, Service, ServiceStatus, TaskStatus
from scheduler.told import ServiceView, TaskUse
from tests.support.tasks import definition, task

HOST = InstanceStatus(connected=True, cpu=2048, memory_mib=1024, address="")

# fmt: off
SECONDS: list[tuple[list[TaskUse], dict[str, list[float]], str]] = [
    ([], {},
     "no task, no datapoint: missing, not 0"),
    ([TaskUse("web", "a", 128.0, 256, 64.0, 128)],
     {"CPUUtilization web": [50.0], "MemoryUtilization web": [50.0],
      "CPUUtilization": [6.25], "MemoryUtilization": [6.25]},
     "a service's is of what it reserved, the cluster's of what is registered"),
    ([TaskUse("web", "a", 512.0, 256, 256.0, 128)],
     {"CPUUtilization web": [200.0], "MemoryUtilization web": [200.0],
      "CPUUtilization": [25.0], "MemoryUtilization": [25.0]},
     "shares and reservations may be exceeded"),
    ([TaskUse("web", "a", 0.0, 256, None, 0), TaskUse("web", "b", 256.0, 256, None, 0)],
     {"CPUUtilization web": [0.0, 100.0], "CPUUtilization": [12.5]},
     "each task is a sample of its own"),
    ([TaskUse("web", "a", 64.0, 256, None, 0), TaskUse("api", "b", 64.0, 128, None, 0)],
     {"CPUUtilization web": [25.0], "CPUUtilization api": [50.0], "CPUUtilization": [6.25]},
     "services are apart"),
    ([TaskUse("web", "a", 64.0, 0, 32.0, 0)],
     {"CPUUtilization": [3.125], "MemoryUtilization": [3.125]},
     "nothing reserved, nothing to compare with"),
    ([TaskUse("web", "a", 64.0, 256, None, 128)],
     {"CPUUtilization web": [25.0], "CPUUtilization": [3.125]},
     "memory that the runtime cannot tell is missing, not 0"),
]
# fmt: on


def found(
    uses: list[TaskUse], machines: list[InstanceStatus]
) -> dict[str, list[float]]:
    """Samples by name and service; reservations, which tasks make, apart."""
    told: dict[str, list[float]] = {}
    for sample in (*of_services("c", uses), *of_cluster("c", uses, machines, [])):
        assert (sample.metric.namespace, sample.unit) == ("AWS/ECS", "Percent")
        assert sample.metric.dimensions[0] == ("ClusterName", "c")
        if not sample.metric.name.endswith("Reservation"):
            names = [value for _, value in sample.metric.dimensions[1:]]
            key = " ".join((sample.metric.name, *names))
            told.setdefault(key, []).append(sample.value)
    return told


@pytest.mark.parametrize(
    ("uses", "expected"),
    [row[:2] for row in SECONDS],
    ids=[row[2] for row in SECONDS],
)
def test_one_second(uses: list[TaskUse], expected: dict[str, list[float]]) -> None:
    assert expected == found(uses, [HOST])


def test_without_a_connected_host_the_cluster_has_no_datapoint() -> None:
    uses = [TaskUse("web", "a", 128.0, 256, 64.0, 128)]

    assert {"CPUUtilization web": [50.0], "MemoryUtilization web": [50.0]} == found(
        uses, []
    )


def test_reservations_are_of_every_task_that_is_not_stopped() -> None:
    tasks = [task("a"), task("b", TaskStatus.PENDING), task("c", TaskStatus.STOPPED)]

    reserved = {
        sample.metric.name: sample.value
        for sample in of_cluster("c", [], [HOST], tasks)
    }

    assert reserved == {"CPUReservation": 25.0, "MemoryReservation": 25.0}


def test_the_counts_of_a_service() -> None:
    view = ServiceView(
        Service("web", definition(), 4),
        ServiceStatus.ACTIVE,
        desired=4,
        running=3,
        pending=1,
        healthy=2,
        deploying=False,
        reached=False,
        fulfilled=False,
        serving=2,
        version=1,
        deployments=(),
        history=(),
        events=(),
    )

    told = {
        sample.metric.name: (sample.value, sample.metric.dimensions[1], sample.unit)
        for sample in counts("c", {"web": view})
    }

    web = ("ServiceName", "web")
    assert told == {
        "DesiredTaskCount": (4.0, web, "Count"),
        "RunningTaskCount": (3.0, web, "Count"),
        "PendingTaskCount": (1.0, web, "Count"),
    }


def test_people_see_the_sum_over_a_service_s_tasks() -> None:
    uses = [
        TaskUse("web", "a", 0.0, 256, None, 0),
        TaskUse("web", "b", 256.0, 256, None, 0),
        TaskUse("x", "c", 1.0, 0, None, 0),
    ]

    assert {"web": 50.0} == by_service(uses)
