"""What is registered is what was asked for, however often it was."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from alb.model import (
    FixedResponse,
    GroupTargets,
    Listener,
    LoadBalancer,
    Target,
    TargetGroup,
    TargetId,
)
from alb.state.registrations import Registrations

A = Target(TargetId("a"), "h", 1)
FIXED = Target(TargetId("f"), "h", 9)
WEB, API = TargetGroup("web"), TargetGroup("api")
FRONT = Listener(80, FixedResponse(200))
CONFIG = LoadBalancer(
    "lb", listeners=(FRONT,), groups=(WEB, API), fixed_targets={"web": (FIXED,)}
)


def configured() -> Registrations:
    wanted = Registrations()
    wanted.configure(CONFIG)
    return wanted


def test_the_snapshot_is_every_listener_and_every_group() -> None:
    wanted = configured()
    wanted.register(A, "web")
    assert wanted.contents() == (
        FRONT,
        GroupTargets(WEB, (FIXED, A)),
        GroupTargets(API),
    )


def test_what_is_said_twice_changes_nothing() -> None:
    wanted = configured()
    wanted.register(A, "web")
    wanted.deregister(A.id)
    before = wanted.changes
    wanted.configure(CONFIG)
    wanted.deregister(A.id)
    wanted.deregister(TargetId("never heard of"))
    wanted.forget(TargetId("never heard of"))
    assert wanted.changes == before


def test_a_group_that_is_removed_goes_when_its_last_target_is_drained() -> None:
    wanted = configured()
    wanted.register(A, "api")
    wanted.configure(LoadBalancer("lb", listeners=(FRONT,), groups=(WEB,)))
    wanted.deregister(A.id)
    draining = replace(A, draining=True)
    expected = (FRONT, GroupTargets(WEB), GroupTargets(API, (draining,)))
    assert wanted.contents() == expected
    before = wanted.changes
    wanted.configure(LoadBalancer("lb", listeners=(FRONT,), groups=(WEB,)))
    assert wanted.changes == before
    wanted.forget(A.id)
    assert wanted.contents() == (FRONT, GroupTargets(WEB))


def test_a_deregistered_target_stays_draining_until_it_is_forgotten() -> None:
    wanted = configured()
    wanted.register(A, "web")
    wanted.deregister(A.id)
    assert wanted.all()[A.id][1].draining
    wanted.forget(A.id)
    assert A.id not in wanted.all()


def test_registering_while_draining_ends_the_draining() -> None:
    wanted = configured()
    wanted.register(A, "web")
    wanted.deregister(A.id)
    before = wanted.changes
    wanted.register(A, "web")
    assert wanted.changes == before + 1
    assert not wanted.all()[A.id][1].draining


def test_a_configuration_leaves_registrations_alone_and_takes_fixed_ones_back() -> None:
    wanted = configured()
    wanted.register(A, "api")
    wanted.configure(LoadBalancer("lb", groups=(API,)))
    assert wanted.contents() == (GroupTargets(API, (A,)),)


def test_a_target_can_be_drained_from_a_group_that_is_not_known_any_more() -> None:
    wanted = Registrations()
    wanted.configure(LoadBalancer("lb", groups=(WEB,)))
    wanted.register(A, "api")
    wanted.deregister(A.id)
    draining = replace(A, draining=True)
    assert wanted.contents() == (GroupTargets(WEB), GroupTargets(API, (draining,)))
    wanted.forget(A.id)
    assert wanted.contents() == (GroupTargets(WEB),)


calls = st.tuples(
    st.sampled_from(["register", "move", "deregister", "forget"]),
    st.sampled_from("abc"),
)


@given(st.lists(calls))
def test_changes_grow_exactly_when_the_snapshot_does(
    happened: list[tuple[str, str]],
) -> None:
    wanted, unread = configured(), configured()
    for happening in happened:
        before, changes = wanted.contents(), wanted.changes
        happens(wanted, *happening)
        happens(unread, *happening)
        assert (wanted.contents() != before) == (wanted.changes != changes)
    assert unread.contents() == wanted.contents()


def happens(wanted: Registrations, what: str, name: str) -> None:
    if what == "register":
        wanted.register(Target(TargetId(name), "h", 1), "web")
    elif what == "move":
        wanted.register(Target(TargetId(name), "h", 1), "api")
    elif what == "deregister":
        wanted.deregister(TargetId(name))
    else:
        wanted.forget(TargetId(name))
