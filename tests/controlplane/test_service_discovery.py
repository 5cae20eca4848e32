"""Prometheus finds the ports of the tasks that run, and knows whose they are."""

from dataclasses import replace

from controlplane.service_discovery import targets_of
from scheduler.model import PortLease, TaskStatus
from tests.support.tasks import task


def test_each_port_of_a_running_task_is_a_target() -> None:
    [found] = targets_of("demo", [task("t1")], {"a": "zone-a"})

    assert found == {
        "targets": ["10.0.0.1:20000"],
        "labels": {
            "__meta_alb_cluster": "demo",
            "__meta_alb_service": "web",
            "__meta_alb_task_id": "t1",
            "__meta_alb_task_family": "web",
            "__meta_alb_task_revision": "1",
            "__meta_alb_container_instance": "a",
            "__meta_alb_availability_zone": "zone-a",
            "__meta_alb_container_name": "web",
            "__meta_alb_container_port": "8080",
        },
    }


def test_an_address_of_ipv6_is_written_as_prometheus_reads_it() -> None:
    [found] = targets_of("demo", [replace(task("t1"), address="fd00::1")], {})

    assert found["targets"] == ["[fd00::1]:20000"]


def test_what_does_not_run_is_not_scraped() -> None:
    quiet = PortLease("a", 20_001, "web", 53, protocol="udp")
    tasks = [
        task("a", TaskStatus.PENDING),
        task("b", TaskStatus.STOPPED),
        replace(task("c"), leases=(quiet,)),
    ]

    assert targets_of("demo", tasks, {}) == []
