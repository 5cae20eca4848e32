"""A port that had a tenant rests before it gets the next one."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scheduler.decide.leases import (
    Ports,
    are_dynamic,
    lease,
    origin,
    quarantined,
    released,
)
from scheduler.definition import PortMapping
from scheduler.instance import PortRecord
from scheduler.model import PortLease
from tests.support.tasks import NOW, container, definition, instance, task

A = instance("a", ports=(20_000, 20_004))
TWO = definition(container("web", 8080, 8081))


def record(port: int, released_at: float, free_at: float = NOW) -> PortRecord:
    return PortRecord("a", port, released_at, free_at)


def ports(found: tuple[PortLease, ...] | None) -> list[int]:
    assert found is not None
    return [item.host_port for item in found]


def test_each_mapping_gets_a_port_never_used_before() -> None:
    found = lease(TWO, A, Ports({20_000}, {20_001: record(20_001, 0)}), NOW)
    assert [20_002, 20_003] == ports(found)
    assert found is not None
    assert [("web", 8080), ("web", 8081)] == [
        (item.container_name, item.container_port) for item in found
    ]


def test_each_cluster_begins_elsewhere_and_comes_round() -> None:
    begun = [ports(lease(TWO, A, Ports((), {}, at), NOW)) for at in (3, 4, 5 + 3)]

    assert begun == [[20_003, 20_004], [20_004, 20_000], [20_003, 20_004]]
    assert origin("c0ffee") == origin("c0ffee") != origin("c0ffef")


def test_then_the_least_recently_released_that_has_rested() -> None:
    used = {
        20_000: record(20_000, NOW - 100, free_at=NOW - 30),
        20_001: record(20_001, NOW - 300, free_at=NOW + 0.1),
        20_002: record(20_002, NOW - 200, free_at=NOW),
        20_003: record(20_003, NOW - 400),
        20_004: record(20_004, NOW - 500),
    }
    assert [20_004, 20_002] == ports(lease(TWO, A, Ports({20_003}, used), NOW))
    assert lease(TWO, A, Ports({20_002, 20_003, 20_004}, used), NOW) is None


def test_a_static_port_is_taken_as_it_is_and_never_leased_twice() -> None:
    mappings = (PortMapping(8080), PortMapping(53, 20_000, "udp"))
    both = definition(replace(container(), port_mappings=mappings))
    found = lease(both, A, Ports(set(), {}), NOW)
    assert not are_dynamic(both)
    assert are_dynamic(TWO)
    assert [20_001, 20_000] == ports(found)
    assert found is not None
    assert found[1].protocol == "udp"


def test_a_released_port_rests_for_the_drain_and_a_minute() -> None:
    [rested] = released(task(), NOW)
    assert PortRecord("a", 20_000, NOW, NOW + 10 + 60) == rested
    [alone] = released(replace(task(), load_balancers=()), NOW)
    assert alone.free_at_unix_s == NOW + 60


def test_a_port_that_could_not_be_bound_rests_longer() -> None:
    [rested] = quarantined(task(), NOW)
    assert rested.free_at_unix_s == NOW + 600


@given(
    held=st.sets(st.integers(19_998, 20_006)),
    rests=st.dictionaries(st.integers(19_998, 20_006), st.integers(-100, 100)),
    begin=st.integers(0, 1 << 32),
)
def test_what_is_leased_is_free_and_in_range(
    held: set[int], rests: dict[int, int], begin: int
) -> None:
    used = {port: record(port, NOW - 1, NOW + rest) for port, rest in rests.items()}
    found = lease(TWO, A, Ports(held, used, begin), NOW)
    free = {
        port
        for port in range(20_000, 20_005)
        if port not in held and rests.get(port, 0) <= 0
    }
    if found is None:
        assert len(free) < 2
    else:
        assert len(set(ports(found)) & free) == 2
