"""A node's word is that of all its workers; what the dead said stays counted."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from alb.model import NO_VERSION, Version
from alb.ports import (
    Acknowledged,
    Counted,
    Counters,
    Drained,
    Telemetry,
    WorkerState,
)
from alb.state.fleet import Fleet

V1, V2, V3 = Version(1, 1), Version(1, 2), Version(1, 3)


def worker(
    slot: int, incarnation: int = 1, version: Version = NO_VERSION
) -> WorkerState:
    return WorkerState(slot, incarnation, 100 + slot, version)


def report(requests: int, in_flight: int = 0) -> Telemetry:
    counters = Counters({"requests": requests}, ((3, requests),) if requests else ())
    held = {"t": in_flight} if in_flight else {}
    return Telemetry({"l": counters}, {"g": counters}, {"t": counters}, held, in_flight)


def tell(fleet: Fleet, slot: int, incarnation: int, told: Telemetry) -> None:
    """Have a worker tell all of this, as its first report."""
    fleet.said(slot, incarnation, Counted(told.groups, told.targets, fresh=True))
    fleet.said(slot, incarnation, replace(told, groups={}, targets={}))


def test_a_version_is_served_once_all_workers_acknowledged_it() -> None:
    fleet = Fleet([worker(0), worker(1)])
    fleet.said(0, 1, Acknowledged(V2))
    assert not fleet.all_serve(V2)
    fleet.said(1, 1, Acknowledged(V3))
    assert fleet.all_serve(V2)
    assert [state.acknowledged for state in fleet.states()] == [V2, V3]


def test_the_end_of_a_worker_is_its_acknowledgement() -> None:
    fleet = Fleet([worker(0, version=V2), worker(1, version=V1)])
    fleet.said(0, 1, Drained("t", 0))
    assert not fleet.none_serves_before(V2)
    assert not fleet.all_drained("t", V2)
    fleet.exited(1, 1)
    assert fleet.none_serves_before(V2)
    assert fleet.all_drained("t", V2)


def test_one_that_starts_acts_on_nothing_but_has_not_drained_either() -> None:
    fleet = Fleet([worker(0)])
    assert fleet.none_serves_before(V2)
    assert not fleet.all_serve(V2)
    assert not fleet.all_drained("t", V2)


def test_a_target_is_anomalous_where_any_worker_that_lives_sees_it() -> None:
    fleet = Fleet([worker(0), worker(1)])
    fleet.said(0, 1, replace(report(1), anomalous=("a", "b"), mitigated=("b",)))
    fleet.said(1, 1, replace(report(1), mitigated=("c",)))
    assert [fleet.is_anomalous(target) for target in "abc"] == [True, True, False]
    assert [fleet.is_mitigated(target) for target in "abc"] == [False, True, True]
    assert fleet.totals().mitigated == ("b", "c")
    fleet.exited(0, 1)
    assert not fleet.is_anomalous("a")
    assert fleet.totals().anomalous == ()


def test_what_a_former_incarnation_says_counts_no_more() -> None:
    fleet = Fleet([worker(0, 1, V1)])
    fleet.exited(0, 1)
    fleet.started(worker(0, 2))
    fleet.said(0, 1, Acknowledged(V3))
    fleet.exited(0, 1)
    assert [state.incarnation for state in fleet.states()] == [2]
    assert not fleet.all_serve(V1)


def test_who_drained_once_has_not_drained_for_ever() -> None:
    """A target registered again while it drained, and then deregistered again."""
    fleet = Fleet([worker(0, version=V1)])
    fleet.said(0, 1, Drained("t", 2))
    assert fleet.all_drained("t", V1)
    fleet.said(0, 1, Acknowledged(V3))
    assert not fleet.all_drained("t", V3)
    fleet.said(0, 1, Drained("t", 3))
    assert fleet.all_drained("t", V3)
    assert fleet.cut("t") == 3


def test_a_forgotten_target_leaves_nothing() -> None:
    fleet = Fleet([worker(0, version=V1)])
    fleet.said(0, 1, Drained("t", 2))
    fleet.forget("t")
    assert not fleet.all_drained("t", V1)
    assert fleet.cut("t") == 0


def test_requests_in_flight_are_those_of_the_living() -> None:
    fleet = Fleet([worker(0), worker(1)])
    tell(fleet, 0, 1, report(5, in_flight=2))
    tell(fleet, 1, 1, report(5, in_flight=3))
    assert (fleet.in_flight("t"), fleet.totals().connections) == (5, 5)
    fleet.exited(1, 1)
    assert (fleet.in_flight("t"), fleet.totals().connections) == (2, 2)
    assert fleet.totals().targets["t"] == Counters({"requests": 10}, ((3, 10),))


ONE, TWO = (Counters({"requests": n}) for n in (1, 2))
END = Telemetry({}, {}, {}, {}, 0)


def test_a_report_tells_what_has_grown_and_counts_once_it_has_ended() -> None:
    fleet = Fleet([worker(0)])
    fleet.said(0, 1, Counted({"g": ONE}, {"t": ONE, "u": ONE}, fresh=True))
    assert {} == fleet.totals().targets
    fleet.said(0, 1, END)
    fleet.said(0, 1, Counted({}, {"u": TWO}))
    fleet.said(0, 1, Counted({"g": TWO}, {"v": ONE}))
    fleet.said(0, 1, replace(END, gone=("t",)))
    assert {"u": TWO, "v": ONE} == fleet.totals().targets
    assert {"g": TWO} == fleet.totals().groups
    fleet.said(0, 1, replace(END, gone_groups=("g",)))
    assert {} == fleet.totals().groups


def test_a_report_that_tells_only_part_is_not_taken_for_all() -> None:
    """A new control hears the end of what was told to the last one."""
    fleet = Fleet([worker(0)])
    fleet.said(0, 1, Counted({"g": TWO}, {"t": TWO}))
    fleet.said(0, 1, END)
    assert {} == fleet.totals().groups
    fleet.said(0, 1, Counted({"g": TWO, "h": ONE}, {}, fresh=True))
    fleet.said(0, 1, END)
    assert {"g": TWO, "h": ONE} == fleet.totals().groups


def total(fleet: Fleet) -> int:
    counters = fleet.totals().listeners.get("l")
    return counters.totals["requests"] if counters else 0


events = st.tuples(
    st.sampled_from(["says", "dies", "starts", "dies unheard"]), st.integers(0, 2)
)


@given(st.lists(events, max_size=30))
def test_totals_never_decrease_and_lose_nothing_that_was_said(
    happened: list[tuple[str, int]],
) -> None:
    fleet = Fleet([])
    living: dict[int, tuple[int, int]] = {}
    said = before = 0
    for incarnation, (what, slot) in enumerate(happened):
        if what in ("starts", "dies unheard") and (
            slot not in living or what != "starts"
        ):
            fleet.started(worker(slot, incarnation))
            living[slot] = (incarnation, 0)
        elif slot in living:
            alive, count = living[slot]
            if what == "says":
                living[slot] = (alive, count + 3)
                said += 3
                fleet.said(slot, alive, report(count + 3))
            else:
                fleet.exited(slot, alive)
                del living[slot]
        assert before <= total(fleet) == said
        before = total(fleet)


def test_a_share_is_that_of_the_workers_on_average() -> None:
    fleet = Fleet([worker(0), worker(1)])
    assert (fleet.ramp("a"), fleet.weight("a")) == (1.0, 1.0)
    fleet.said(0, 1, replace(report(1), ramps={"a": 0.5}, weights={"b": 0.1}))
    fleet.said(1, 1, replace(report(1), weights={"b": 0.3}))
    assert [fleet.ramp(target) for target in "ab"] == [0.75, 1.0]
    assert [round(fleet.weight(target), 9) for target in "ab"] == [1.0, 0.2]
    fleet.exited(0, 1)
    fleet.exited(1, 1)
    assert fleet.ramp("a") == 1.0
    assert fleet.totals().ramps == {}
