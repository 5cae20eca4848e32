"""CPUUtilization is what ECS means by it: used over reserved, every task alike."""

import pytest

from autoscaler.decide.utilization import cpu_metric
from controlplane.cpu_feed import TaskCpu, by_service, samples
from scheduler.model import InstanceStatus

WEB, API, ALL = cpu_metric("c", "web"), cpu_metric("c", "api"), cpu_metric("c")
HOST = InstanceStatus(connected=True, cpu=2048, memory_mib=1024, address="")
LOST = InstanceStatus(connected=False, cpu=4096, memory_mib=1024, address="")

# fmt: off
SECONDS: list[tuple[list[TaskCpu], list[object], str]] = [
    ([], [],
     "no task, no datapoint: missing, not 0"),
    ([("web", "a", 128.0, 256)], [(WEB, 50.0), (ALL, 6.25)],
     "a service's is of what it reserved, the cluster's of what is registered"),
    ([("web", "a", 512.0, 256)], [(WEB, 200.0), (ALL, 25.0)],
     "shares may be exceeded"),
    ([("web", "a", 0.0, 256), ("web", "b", 256.0, 256)],
     [(WEB, 0.0), (WEB, 100.0), (ALL, 12.5)],
     "each task is a sample of its own"),
    ([("web", "a", 64.0, 256), ("api", "b", 64.0, 128)],
     [(WEB, 25.0), (API, 50.0), (ALL, 6.25)],
     "services are apart"),
    ([("web", "a", 64.0, 0)], [(ALL, 3.125)],
     "nothing reserved, nothing to compare with"),
]
# fmt: on


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [row[:2] for row in SECONDS],
    ids=[row[2] for row in SECONDS],
)
def test_one_second(tasks: list[TaskCpu], expected: list[object]) -> None:
    assert expected == samples("c", tasks, [HOST, LOST])


def test_without_a_connected_host_the_cluster_has_no_datapoint() -> None:
    found = samples("c", [("web", "a", 128.0, 256)], [LOST])

    assert [(WEB, 50.0)] == found


def test_people_see_the_sum_over_a_service_s_tasks() -> None:
    tasks = [("web", "a", 0.0, 256), ("web", "b", 256.0, 256), ("x", "c", 1.0, 0)]

    assert {"web": 50.0} == by_service(tasks)
