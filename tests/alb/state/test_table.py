"""A registration keeps what is its own through every swap, and nothing longer."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.decide.fixed import Answer
from alb.decide.redirect import CompiledRedirect
from alb.decide.rules import CompiledRules, compile_steps
from alb.model import (
    FixedResponse,
    Forward,
    GroupTargets,
    HealthState,
    HttpHeader,
    Listener,
    Redirect,
    Rule,
    Target,
    TargetGroup,
    TargetHealth,
    TargetId,
    Version,
    WeightedGroup,
)
from alb.policies import Concurrency
from alb.state.shared_counts import ROWS, SIZE, SharedCounts, cells_of
from alb.state.table import ForwardTo, Swapped, Table
from alb.state.targets import TargetState

HEALTHY = TargetHealth(HealthState.HEALTHY)
SICK = TargetHealth(HealthState.UNHEALTHY)


def compiled(listener: Listener) -> CompiledRules:
    steps = compile_steps(listener)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            rules: CompiledRules = done.value
            return rules


def target(name: str, port: int = 1, *, draining: bool = False) -> Target:
    return Target(TargetId(name), "h", port, draining)


class Waiting:
    """A connection in a pool."""

    def __init__(self, owner: TargetState, *, ended: bool = False) -> None:
        self.owner = owner
        self.idle_since = 0.0
        self.ended = ended
        self.discarded = False

    def has_ended(self) -> bool:
        return self.ended

    def discard(self) -> None:
        self.discarded = True
        self.owner.lose(self)


class Node:
    """A table, and the snapshots it is told."""

    def __init__(self, slot: int = 0) -> None:
        self.table = Table(slot)
        self.version = 0

    def swap(
        self, *targets: Target, now_s: float = 0.0, delay_s: float = 30.0
    ) -> Swapped:
        group = TargetGroup("web", deregistration_delay_s=delay_s)
        return self.swap_groups(GroupTargets(group, targets), now_s=now_s)

    def swap_groups(
        self,
        *groups: GroupTargets,
        listener: Listener | None = None,
        now_s: float = 0.0,
    ) -> Swapped:
        self.version += 1
        listeners = [(listener, compiled(listener))] if listener else []
        return self.table.swap(Version(1, self.version), groups, listeners, now_s)

    def state(self, name: str) -> TargetState:
        return self.table.groups["web"].targets[TargetId(name)]

    def pick(self, now_s: float = 0.0, *tried: str) -> str | None:
        group = self.table.groups["web"]
        found = group.pick(now_s, frozenset(map(TargetId, tried)))
        return found.id if found else None


def test_a_registration_keeps_its_state_while_others_come_and_go() -> None:
    node = Node()
    node.swap(target("a"), target("b"))
    before = node.state("a")
    swapped = node.swap(target("c"), target("a"))
    assert node.state("a") is before
    assert [state.id for state in swapped.left] == ["b"]
    assert not swapped.left[0].wanted


def test_another_address_is_another_place_with_other_connections() -> None:
    node = Node()
    node.swap(target("a", 1))
    before = node.state("a")
    swapped = node.swap(target("a", 2))
    assert swapped.left == (before,)
    assert not before.wanted
    assert node.state("a").port == 2


def test_the_targets_of_a_group_that_is_gone_have_left() -> None:
    node = Node()
    node.swap(target("a"))
    (left,) = node.swap_groups().left
    assert (left.id, left.wanted) == ("a", False)


def test_draining_begins_once_and_ends_with_a_new_registration() -> None:
    node = Node()
    node.swap(target("a"))
    node.swap(target("a", draining=True), now_s=100)
    assert node.state("a").cut_at_s == 130
    again = node.swap(target("a", draining=True), target("b"), now_s=110)
    assert node.state("a").cut_at_s == 130, "another snapshot does not put it off"
    assert [state.id for state in again.draining] == ["a"], "it is told again"
    node.swap(target("a"), target("b"), now_s=120)
    assert node.state("a").cut_at_s is None
    node.swap(target("a", draining=True), now_s=200)
    assert node.state("a").cut_at_s == 230, "and then it begins anew"


def test_a_new_worker_drains_what_drains() -> None:
    node = Node()
    swapped = node.swap(target("a", draining=True))
    assert [state.id for state in swapped.draining] == ["a"]
    assert node.pick() is None


def test_a_draining_target_is_never_picked_not_even_alone() -> None:
    node = Node()
    node.swap(target("a"), target("b"))
    node.table.judge({TargetId("a"): HEALTHY, TargetId("b"): HEALTHY}, 0.0)
    node.swap(target("a"), target("b", draining=True))
    assert {node.pick() for _ in range(4)} == {"a"}
    node.swap(target("b", draining=True))
    assert node.pick() is None


def test_health_that_came_before_a_target_counts_for_it() -> None:
    node = Node()
    node.table.judge({TargetId("a"): SICK, TargetId("b"): HEALTHY}, 0.0)
    node.swap(target("a"), target("b"))
    assert {node.pick() for _ in range(4)} == {"b"}


def test_workers_begin_apart() -> None:
    first = []
    for slot in range(3):
        node = Node(slot)
        node.swap(target("a"), target("b"), target("c"))
        first.append(node.pick())
    assert sorted(map(str, first)) == ["a", "b", "c"]


def test_one_that_could_not_be_reached_is_passed_over_for_a_moment() -> None:
    node = Node()
    node.swap(target("a"), target("b"))
    node.state("a").avoid_until_s = 5.0
    assert {node.pick(4.0) for _ in range(6)} == {"b"}
    assert {node.pick(5.0) for _ in range(6)} == {"a", "b"}


def test_but_never_the_last_one() -> None:
    node = Node()
    node.swap(target("a"), target("b"))
    for name in "ab":
        node.state(name).avoid_until_s = 5.0
    assert {node.pick(4.0) for _ in range(6)} == {"a", "b"}
    assert node.pick(4.0, "a") == "b"
    assert node.pick(4.0, "a", "b") is None


names = st.lists(st.sampled_from("abcdef"), min_size=1, unique=True)


@given(st.lists(names, min_size=1, max_size=6))
def test_turns_go_on_through_swaps(snapshots: list[list[str]]) -> None:
    """After each swap the next round picks every target exactly once."""
    node = Node()
    for present in snapshots:
        node.swap(*map(target, sorted(present)))
        node.pick()
        round_of_picks = Counter(node.pick() for _ in present)
        assert round_of_picks == Counter(present)


def test_a_swap_that_changes_nothing_takes_nobodys_turn() -> None:
    node = Node()
    picks = []
    for _ in range(9):
        node.swap(target("a"), target("b"), target("c"))
        node.table.judge({}, 0.0)
        picks.append(node.pick())
    assert picks == ["a", "b", "c"] * 3


# --- pools ------------------------------------------------------------------------


@pytest.fixture
def state() -> TargetState:
    return TargetState(target("a"))


def kept(state: TargetState, now_s: float, *, ended: bool = False) -> Waiting:
    connection = Waiting(state, ended=ended)
    state.give_back(connection, now_s)
    return connection


def test_the_connection_used_last_is_used_next(state: TargetState) -> None:
    kept(state, 1.0)
    newest = kept(state, 2.0)
    assert state.take_idle(3.0) is newest


def test_connections_that_ended_are_not_used(state: TargetState) -> None:
    alive = kept(state, 1.0)
    dead = kept(state, 1.0, ended=True)
    assert state.take_idle(3.0) is alive
    assert dead.discarded
    assert state.take_idle(3.0) is None


@pytest.mark.parametrize("why", ["draining", "not wanted"])
def test_nothing_is_kept_for_a_target_that_goes(state: TargetState, why: str) -> None:
    state.draining = why == "draining"
    state.wanted = why != "not wanted"
    assert kept(state, 1.0).discarded
    assert state.idle == []


def test_connections_idle_for_too_long_are_closed(state: TargetState) -> None:
    old, new = kept(state, 1.0), kept(state, 3.0)
    state.close_idle(2.0)
    assert (old.discarded, new.discarded) == (True, False)
    assert state.idle == [new]


def test_losing_what_is_not_kept_changes_nothing(state: TargetState) -> None:
    connection = kept(state, 1.0)
    state.lose(Waiting(state))
    assert state.idle == [connection]


# --- listeners --------------------------------------------------------------------

WEB, API = TargetGroup("web"), TargetGroup("api")
SPLIT = Forward((WeightedGroup("web", 1), WeightedGroup("api", 1)))


def test_a_listener_knows_what_each_rule_does() -> None:
    rules = (
        Rule(1, (HttpHeader("x", ("y",)),), Redirect(301)),
        Rule(2, (), FixedResponse(200)),
    )
    node = Node()
    node.swap_groups(GroupTargets(WEB), listener=Listener(80, SPLIT, rules))
    state = node.table.listeners["http-80"]
    assert [type(act) for act in state.acts] == [CompiledRedirect, Answer, ForwardTo]
    assert state.needs_headers


def test_weighted_turns_go_on_through_swaps() -> None:
    node = Node()
    chosen = []
    for _ in range(6):
        groups = (GroupTargets(WEB), GroupTargets(API))
        node.swap_groups(*groups, listener=Listener(80, SPLIT))
        (act,) = node.table.listeners["http-80"].acts
        assert isinstance(act, ForwardTo)
        group = act.choose()
        chosen.append(group and group.content and group.content.group.name)
    assert not node.table.listeners["http-80"].needs_headers
    assert chosen == ["web", "api"] * 3


def test_a_group_that_is_missing_or_weighs_nothing_is_not_chosen() -> None:
    node = Node()
    for action in (
        Forward((WeightedGroup("no"),)),
        Forward((WeightedGroup("web", 0),)),
    ):
        node.swap_groups(GroupTargets(WEB), listener=Listener(80, action))
        (act,) = node.table.listeners["http-80"].acts
        assert isinstance(act, ForwardTo)
        assert act.choose() is None


# --- counters ---------------------------------------------------------------------


def test_what_targets_that_left_had_counted_stays_in_their_groups_total() -> None:
    node = Node()
    node.swap(target("a"), target("b"))
    leaving = node.state("a")
    leaving.counters.requests = 5
    leaving.in_flight = 1
    node.state("b").counters.requests = 2
    node.swap(target("b"))
    group = node.table.groups["web"]
    assert group.report().totals["requests"] == 7
    leaving.counters.requests += 1
    leaving.in_flight = 0
    assert [group.report().totals["requests"] for _ in range(3)] == [8, 8, 8]


def test_what_is_sent_while_too_few_are_healthy_is_counted_apart() -> None:
    node = Node()
    node.swap(target("a"), target("b"))
    counted = []
    # fmt: off
    for health in (
        {"a": HEALTHY, "b": HEALTHY}, {"a": SICK, "b": SICK}, {"a": SICK, "b": SICK},
        {"a": HEALTHY, "b": SICK}, {"a": SICK, "b": SICK},
    ):
        # fmt: on
        node.table.judge({TargetId(name): how for name, how in health.items()}, 0.0)
        for _ in range(3):
            node.state(node.pick() or "").counters.requests += 1
        counted.append(node.table.groups["web"].report().totals["unhealthyRouting"])
    assert counted == [0, 3, 6, 6, 9]

    node.swap(target("b"))
    totals = node.table.groups["web"].report().totals
    assert (totals["requests"], totals["unhealthyRouting"]) == (15, 9)


def test_groups_that_come_and_go_leave_no_rows_of_the_shared_counts_behind() -> None:
    """Neither of their targets nor of their queues."""
    memory = cells_of(memoryview(bytearray(SIZE)))
    table = Table(0, SharedCounts(memory, 0))
    capped = TargetGroup("web", concurrency=Concurrency(1, 9))
    content = GroupTargets(capped, (target("a"),))
    for number in range(ROWS + 1):
        table.swap(Version(1, 2 * number + 1), [content], [], 0.0)
        table.swap(Version(1, 2 * number + 2), [], [], 0.0)
        table.tick(0.5)
    table.swap(Version(2, 1), [content], [], 0.0)
    (state,) = table.groups["web"].targets.values()
    assert state.tally is not None
