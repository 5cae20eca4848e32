"""What a runtime is told is a function of what was recorded."""

from dataclasses import replace

import pytest

from scheduler.decide.specs import Surroundings, container_specs, seen_from
from scheduler.definition import ContainerDefinition
from scheduler.model import PortLease, RuntimeKind, Task
from tests.support.tasks import container, definition, task

AROUND = Surroundings("c1", "http://127.0.0.1:8080")
D, P = RuntimeKind.DOCKER, RuntimeKind.PROCESS


def two_containers() -> Task:
    leases = (
        PortLease("a", 20_000, "web", 8080),
        PortLease("a", 20_001, "web", 8081),
        PortLease("a", 20_002, "side", 9090),
    )
    both = definition(container("web", 8080, 8081), container("side", 9090))
    return replace(task(), task_definition=replace(both, cpu=512), leases=leases)


def test_each_container_gets_its_own_ports_and_its_part_of_the_quota() -> None:
    web, side = container_specs(two_containers(), D, AROUND)
    assert ("alb-c1-t-web", "alb-c1-t-side") == (web.name, side.name)
    assert [20_000, 20_001] == [lease.host_port for lease in web.leases]
    assert [20_002] == [lease.host_port for lease in side.leases]
    assert (256, "web", "c1") == (web.cpu_quota, web.service, web.cluster_uid)


@pytest.mark.parametrize(
    ("kind", "port", "url"),
    [
        (D, "8080", "http://host.docker.internal:8080"),
        (P, "20000", "http://127.0.0.1:8080"),
    ],
)
def test_a_container_learns_where_to_listen_and_where_the_front_door_is(
    kind: RuntimeKind, port: str, url: str
) -> None:
    web, _ = container_specs(two_containers(), kind, AROUND)
    variables = dict(web.environment)
    assert (port, url) == (variables["PORT"], variables["ALB_URL"])
    assert variables["PORT_8081"] == ("8081" if kind is D else "20001")
    assert (variables["ALB_SERVICE"], variables["ALB_TASK_ID"]) == ("web", "t")


def test_the_definitions_own_variables_win() -> None:
    mine: ContainerDefinition = replace(container(), environment=(("PORT", "1"),))
    one = replace(task(), task_definition=definition(mine))
    [spec] = container_specs(one, D, Surroundings("c1"))
    assert dict(spec.environment)["PORT"] == "1"
    assert "ALB_URL" not in dict(spec.environment)


def test_equal_specs_have_equal_hashes_and_others_do_not() -> None:
    [first] = container_specs(task(), D, AROUND)
    [again] = container_specs(task(), D, replace(AROUND, front_door="http://x:1"))
    [other] = container_specs(replace(task(), leases=()), D, AROUND)
    assert first.spec_hash == again.spec_hash, "a moved front door is no new task"
    assert first.spec_hash != other.spec_hash


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "10.1.1.1"])
def test_only_loopback_means_another_place_in_a_container(host: str) -> None:
    seen = seen_from(D, f"http://{host}:80")
    there = host if host == "10.1.1.1" else "host.docker.internal"
    assert seen == f"http://{there}:80"
