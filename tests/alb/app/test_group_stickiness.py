"""Clients stay with their group of a weighted forward; empty groups may spill over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from alb.decide.sealing import Keyring
from alb.model import (
    GroupStickiness,
    HealthState,
    LogFiles,
    Stickiness,
    TargetHealth,
    TargetId,
)
from tests.support.sticky import (
    LB_COOKIE,
    STICKY_HOUR,
    Browser,
    StickyWorld,
)
from tests.support.wires import TIMEOUTS

NOT_STICKY = Stickiness()
TWINS = [b"AWSALBTG", b"AWSALBTGCORS"]


def world_of(
    how: Stickiness = NOT_STICKY,
    *,
    weights: dict[str, int] | None = None,
    stickiness: GroupStickiness = STICKY_HOUR,
    spill_over: bool = False,
) -> StickyWorld:
    return StickyWorld(
        {"blue": 3, "green": 3},
        how,
        weights=weights or {"blue": 1, "green": 1},
        group_stickiness=stickiness,
        spill_over=spill_over,
    )


@pytest.fixture
def world() -> Iterator[StickyWorld]:
    one = world_of()
    yield one
    one.close()


def group(target: str) -> str:
    return target.partition("/")[0]


def status(browser: Browser) -> bytes:
    """Ask where nobody may answer; return the status line."""
    browser.take(browser.send())
    return browser.answer[:13]


def test_a_client_stays_in_its_group_and_not_with_a_target(world: StickyWorld) -> None:
    browser = Browser(world)
    asked = [browser.ask() for _ in range(9)]
    assert TWINS == browser.told
    assert 1 == len(set(map(group, asked)))
    assert 3 == len(set(asked))


def test_new_clients_are_shared_by_weight_whatever_old_ones_ask() -> None:
    world = world_of(weights={"blue": 9, "green": 1})
    old = Browser(world)
    old.ask()
    new = Counter()  # type: ignore[var-annotated]
    for _ in range(19):
        new[group(Browser(world).ask())] += 1
        old.ask()
    assert {"blue": 17, "green": 2} == new
    world.close()


def test_both_kinds_of_stickiness_keep_group_and_target() -> None:
    world = world_of(LB_COOKIE)
    browser = Browser(world)
    first = browser.ask()
    assert [*TWINS, b"AWSALB", b"AWSALBCORS"] == browser.told
    assert {first} == {browser.ask() for _ in range(8)}
    world.close()


def test_a_group_that_weighs_nothing_now_keeps_the_clients_it_has(
    world: StickyWorld,
) -> None:
    browser = Browser(world)
    mine = group(browser.ask())
    other = "green" if mine == "blue" else "blue"
    world.weights = {mine: 0, other: 1}
    world.change()
    assert {mine} == {group(browser.ask()) for _ in range(4)}
    assert {other} == {group(Browser(world).ask()) for _ in range(4)}


def test_a_group_that_the_action_has_no_more_is_left(world: StickyWorld) -> None:
    browser = Browser(world)
    mine = group(browser.ask())
    other = "green" if mine == "blue" else "blue"
    world.weights = {other: 1}
    world.change()
    assert other == group(browser.ask())
    world.weights = {mine: 1, other: 1}
    world.change()
    assert {other} == {group(browser.ask()) for _ in range(4)}


def test_a_session_with_a_group_lasts_its_duration(world: StickyWorld) -> None:
    browsers = [Browser(world) for _ in range(4)]
    at_first = [group(one.ask()) for one in browsers]
    world.sweep(3599)
    assert at_first == [group(one.ask()) for one in browsers]
    world.sweep(3601)
    Browser(world).ask()  # moves the turn on
    assert at_first != [group(one.ask()) for one in browsers]


def test_a_cookie_for_a_target_is_none_for_a_group(world: StickyWorld) -> None:
    ring: Keyring = world.sessions.sealing  # type: ignore[assignment]
    browser = Browser(world)
    browser.jar = {b"AWSALBTG": ring.seal(b"AWSALB blue", b"blue", 1_700_001_000)}
    asked = set()
    for _ in range(2):
        jar = dict(browser.jar)
        asked.add(group(browser.ask()))
        browser.jar = jar
    assert {"blue", "green"} == asked


@pytest.mark.parametrize(
    ("value", "reason"), [(b"x%3D", b"AWSALBTGCookieInvalid"), (b"", b"-")]
)
def test_a_group_cookie_that_is_not_ours_is_told_of_in_the_log(
    world: StickyWorld, value: bytes, reason: bytes
) -> None:
    world.attributes = replace(TIMEOUTS, access_log=LogFiles("d", "front"))
    world.change()
    browser = Browser(world)
    browser.jar = {b"AWSALBTG": value} if value else {}
    browser.ask()
    assert world.door.access_log is not None
    (line,) = world.door.access_log.lines.take()
    assert b'"forward" "-" "%b" ' % reason in line


def test_a_group_without_targets_keeps_its_clients_and_its_share(
    world: StickyWorld,
) -> None:
    browser = Browser(world)
    mine = group(browser.ask())
    world.change(gone=tuple(f"{mine}/{n}" for n in range(3)))
    assert b"HTTP/1.1 503 " == status(browser)
    shares = Counter(status(Browser(world)) for _ in range(4))
    assert 2 == shares[b"HTTP/1.1 503 "]


# --- spilling over ------------------------------------------------------------------


def test_what_an_empty_group_cannot_serve_goes_to_the_others_by_weight() -> None:
    world = StickyWorld(
        {"a": 1, "b": 1, "c": 1, "spare": 1},
        NOT_STICKY,
        weights={"a": 2, "b": 3, "c": 1, "spare": 0},
        spill_over=True,
    )
    world.change(gone=("a/0",))
    asked = Counter(group(Browser(world).ask()) for _ in range(24))
    # of 24: a's 8 are shared 3 to 1
    assert {"b": 12 + 6, "c": 4 + 2} == asked
    world.change()
    asked = Counter(group(Browser(world).ask()) for _ in range(24))
    assert {"a": 8, "b": 12, "c": 4} == asked
    world.close()


def test_a_draining_group_spills_over_and_its_sessions_move() -> None:
    world = world_of(LB_COOKIE, spill_over=True)
    browser = Browser(world)
    mine = group(browser.ask())
    world.change(draining=tuple(f"{mine}/{n}" for n in range(3)))
    moved = browser.ask()
    assert mine != group(moved)
    world.change()
    assert {moved} == {browser.ask() for _ in range(4)}
    world.close()


def test_where_no_group_has_targets_there_is_nowhere_to_spill() -> None:
    world = world_of(stickiness=GroupStickiness(), spill_over=True)
    world.change(
        gone=tuple(f"{one}/{n}" for one in ("blue", "green") for n in range(3))
    )
    assert b"HTTP/1.1 503 " == status(Browser(world))
    assert [] == world.connects
    world.close()


def test_unhealthy_targets_are_targets_and_spill_nothing() -> None:
    world = world_of(stickiness=GroupStickiness(), spill_over=True)
    sick = TargetHealth(HealthState.UNHEALTHY)
    world.table.judge({TargetId(f"blue/{n}"): sick for n in range(3)}, world.now_s)
    asked = Counter(group(Browser(world).ask()) for _ in range(6))
    assert {"blue": 3, "green": 3} == asked
    world.close()
