"""Clients stay with their target, or are given another and told so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alb.app.session_keys import keyring
from alb.errors import Failure
from alb.model import HealthState, TargetHealth, TargetId
from alb.policies import Concurrency, RetryPolicy
from tests.support.sticky import APP_COOKIE, KEYS, LB_COOKIE, Browser, StickyWorld
from tests.support.wires import World

TWINS = [b"AWSALB", b"AWSALBCORS"]
HEALTHY = TargetHealth(HealthState.HEALTHY)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
SICK = TargetHealth(HealthState.UNHEALTHY)


@pytest.fixture
def world() -> Iterator[StickyWorld]:
    one = StickyWorld({"web": 3})
    yield one
    one.close()


@pytest.fixture
def browser(world: StickyWorld) -> Browser:
    return Browser(world)


def non_sticky(world: World) -> int:
    return world.door.report().totals["nonSticky"]


# --- lb_cookie ----------------------------------------------------------------------


def test_a_client_stays_and_the_others_take_turns(
    world: StickyWorld, browser: Browser
) -> None:
    first = browser.ask()
    assert {first} == {browser.ask() for _ in range(10)}
    assert 3 == len({Browser(world).ask() for _ in range(3)})


def test_a_new_client_gets_a_pair_of_cookies_for_seven_days(browser: Browser) -> None:
    browser.ask()
    assert TWINS == browser.told
    assert browser.jar[b"AWSALB"] == browser.jar[b"AWSALBCORS"]
    lines = browser.answer.split(b"\r\n")
    (one,) = [line for line in lines if line.startswith(b"Set-Cookie: AWSALB=")]
    (twin,) = [line for line in lines if line.startswith(b"Set-Cookie: AWSALBCORS=")]
    # the worlds' clock: 1_700_000_000 + 1000 s, to the minute
    assert one.endswith(b"; Expires=Tue, 21 Nov 2023 22:30:00 GMT; Path=/")
    assert twin.endswith(b"GMT; Path=/; SameSite=None; Secure")


def test_the_value_shows_no_target(browser: Browser) -> None:
    first = browser.ask()
    value = browser.jar[b"AWSALB"]
    assert first == browser.ask()
    assert value != browser.jar[b"AWSALB"], "and it is another one each time"
    assert b"web" not in value


def test_the_duration_begins_anew_with_every_answer(
    world: StickyWorld, browser: Browser
) -> None:
    first = browser.ask()
    for _ in range(5):
        world.sweep(3000)
        assert first == browser.ask()
    Browser(world).ask()  # moves the turn on
    world.sweep(3601)
    before = non_sticky(world)
    browser.ask()
    assert before + 1 == non_sticky(world), "an hour without a request ends it"


def test_the_twin_alone_is_enough(browser: Browser) -> None:
    first = browser.ask()
    for _ in range(3):
        del browser.jar[b"AWSALB"]
        assert first == browser.ask()


# fmt: off
NOT_A_SESSION = [
    (b"",                        "empty"),
    (b"x",                       "not base64"),
    (b"A" * 5000,                "longer than any"),
    (b"\xff\x80",                "not text"),
    (b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "of no key of ours"),
]
# fmt: on


@pytest.mark.parametrize(
    "value", [r[0] for r in NOT_A_SESSION], ids=[r[1] for r in NOT_A_SESSION]
)
def test_a_cookie_that_means_nothing_leads_to_a_new_choice(
    world: StickyWorld, browser: Browser, value: bytes
) -> None:
    browser.jar[b"AWSALB"] = value
    stays = browser.ask()
    assert TWINS == browser.told
    assert 1 == non_sticky(world)
    assert stays == browser.ask()
    assert 1 == non_sticky(world)


def test_a_cookie_that_was_encoded_on_its_way_is_another(
    world: StickyWorld, browser: Browser
) -> None:
    browser.ask()
    browser.jar = {b"AWSALB": browser.jar[b"AWSALB"][:-1] + b"%3D"}
    browser.ask()
    assert 2 == non_sticky(world)


@pytest.mark.parametrize(
    ("about", "new"), [(b"AWSALB web", 0), (b"AWSALB api", 1), (b"AWSALBAPP-0 web", 1)]
)
def test_a_cookie_of_another_group_is_not_taken(
    world: StickyWorld, browser: Browser, about: bytes, new: int
) -> None:
    """Not even if it names a registration that is in this group too."""
    value = keyring(KEYS).seal(about, b"web/1", 1_700_001_000)
    browser.jar = {b"AWSALB": value}
    browser.ask()
    assert new == non_sticky(world)


def test_who_drains_or_has_left_or_is_ill_is_left_at_once(
    world: StickyWorld, browser: Browser
) -> None:
    first = browser.ask()
    world.change(draining=(first,))
    second = browser.ask()
    assert second != first
    world.change(gone=(second,))
    third = browser.ask()
    assert third != second
    everyone = [f"web/{n}" for n in range(3)]
    world.table.judge(
        {TargetId(one): SICK if one == third else HEALTHY for one in everyone},
        world.now_s,
    )
    assert third != browser.ask()
    assert 4 == non_sticky(world)


def test_a_session_that_moved_stays_moved(world: StickyWorld, browser: Browser) -> None:
    first = browser.ask()
    world.change(draining=(first,))
    second = browser.ask()
    world.change()
    assert {second} == {browser.ask() for _ in range(5)}


def test_an_address_that_is_another_registration_is_another_target(
    world: StickyWorld, browser: Browser
) -> None:
    first = browser.ask()
    world.change(gone=(first,))  # and a new one gets its port
    before = non_sticky(world)
    browser.ask()
    assert before + 1 == non_sticky(world)


def test_failing_open_keeps_sessions(world: StickyWorld, browser: Browser) -> None:
    first = browser.ask()
    world.table.judge({TargetId(f"web/{n}"): SICK for n in range(3)}, world.now_s)
    assert {first} == {browser.ask() for _ in range(5)}


def test_a_retried_request_gets_the_cookie_of_the_target_that_answered(
    world: StickyWorld, browser: Browser
) -> None:
    first = browser.ask()
    second = browser.ask(refused=2)
    assert second != first
    assert {second} == {browser.ask() for _ in range(3)}
    assert 2 == non_sticky(world), "a request counts once, however often it is tried"


def test_a_request_sent_again_gets_the_cookie_of_who_answered_at_last(
    world: StickyWorld, browser: Browser
) -> None:
    world.retry = RetryPolicy(on_status_codes=((503, 503),))
    world.change()
    first = browser.ask()
    client = browser.send()
    failing = world.connected()
    failing.deliver(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
    ((_, second),) = world.connects
    assert second.id != first
    world.connected().deliver(OK)
    browser.take(client)
    assert browser.answer.startswith(b"HTTP/1.1 200 ")
    assert 1 == browser.told.count(b"AWSALB")
    assert 2 == non_sticky(world), "it was not held to its target"
    for wire in world.upstreams:
        wire.lose()
    assert {second.id} == {browser.ask() for _ in range(3)}


def test_a_session_leaves_a_target_that_has_no_room_for_it(
    world: StickyWorld, browser: Browser
) -> None:
    world.concurrency = Concurrency(max_per_target=1)
    world.change()
    first = browser.ask()
    busy = browser.send()
    world.connected()
    second = browser.ask()
    assert second != first
    assert 2 == non_sticky(world)
    busy.lose()
    assert {second} == {browser.ask() for _ in range(3)}


def test_a_session_that_waits_for_room_may_still_have_its_target() -> None:
    world = StickyWorld({"web": 1})
    world.concurrency = Concurrency(max_per_target=1, queue_length=1)
    world.change()
    browser = Browser(world)
    browser.ask()
    busy = browser.send()
    waiting = browser.send()
    world.connected()
    assert [] == world.connects, "there is no room for the second"
    busy.lose()
    ((_, target),) = world.connects
    assert target.id == "web/0"
    world.connected().deliver(OK)
    browser.take(waiting)
    assert b" 200 " in browser.answer
    assert 1 == non_sticky(world)
    world.close()


def test_what_could_not_be_connected_to_by_our_fault_is_not_tried_again(
    world: StickyWorld, browser: Browser
) -> None:
    first = browser.ask()
    browser.send()
    exchange, _ = world.connects.pop()
    exchange.on_not_connected(Failure.NO_SOCKET)
    ((_, second),) = world.connects
    assert second.id != first


def test_a_target_that_refused_somebody_a_moment_ago_is_left(
    world: StickyWorld, browser: Browser
) -> None:
    first = browser.ask()
    while (other := Browser(world)).ask() != first:
        pass
    other.ask(refused=1)
    assert browser.ask() != first


def test_no_target_is_kept_by_an_answer_of_our_own(
    world: StickyWorld, browser: Browser
) -> None:
    world.change(gone=("web/0", "web/1", "web/2"))
    client = browser.send()
    browser.take(client)
    assert b" 503 " in browser.answer
    assert [] == browser.told


def test_cookies_pass_both_ways_untouched(world: StickyWorld, browser: Browser) -> None:
    browser.ask(b"\r\nSet-Cookie: theirs=1; Path=/a\r\nX: y")
    assert [b"theirs", *TWINS] == browser.told
    assert b"\r\nSet-Cookie: theirs=1; Path=/a\r\nX: y\r\n" in browser.answer
    value = browser.jar[b"AWSALB"]
    browser.send()
    sent = world.connected()
    sent.take()
    assert b"AWSALB=" + value in sent.sent


def test_an_upgrade_stays_too_and_is_told_where(
    world: StickyWorld, browser: Browser
) -> None:
    first = browser.ask()
    upgrade = b"Connection: upgrade\r\nUpgrade: websocket\r\n"
    client = browser.send(upgrade)
    assert first == world.connects[0][1].id
    wire = world.connected()
    wire.deliver(
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    browser.take(client)
    assert TWINS == browser.told
    assert browser.answer.endswith(b"\r\nConnection: upgrade\r\nUpgrade: websocket")
    client.deliver(b"Cookie: AWSALB=x")  # a frame is not a request
    wire.take()
    assert wire.sent.endswith(b"\r\n\r\nCookie: AWSALB=x")


def test_without_keys_nobody_stays_and_nothing_breaks(
    world: StickyWorld, browser: Browser
) -> None:
    world.sessions.sealing = None
    browser.ask()
    assert [] == browser.told


def test_where_nothing_is_sticky_no_cookie_is_set() -> None:
    world = StickyWorld({"web": 2}, type(LB_COOKIE)())
    browser = Browser(world)
    browser.jar = {b"AWSALB": b"x"}
    assert 2 == len({browser.ask() for _ in range(2)})
    assert [] == browser.told
    assert 0 == non_sticky(world)
    world.close()


# --- app_cookie ---------------------------------------------------------------------

SID = b"\r\nSet-Cookie: sid=7; Path=/"


@pytest.fixture
def app() -> Iterator[StickyWorld]:
    one = StickyWorld({"web": 3}, APP_COOKIE)
    yield one
    one.close()


def app_non_sticky(world: World) -> int:
    return world.door.report().totals["appCookieNonSticky"]


def test_a_session_begins_when_the_target_sets_its_cookie(app: StickyWorld) -> None:
    browser = Browser(app)
    assert 3 == len({browser.ask() for _ in range(3)})
    assert [] == browser.told
    first = browser.ask(SID)
    assert [b"sid", b"AWSALBAPP-0"] == browser.told
    assert {first} == {browser.ask() for _ in range(5)}
    assert [b"AWSALBAPP-0"] == browser.told, "its duration begins anew"
    assert 4 == app_non_sticky(app)
    assert 0 == non_sticky(app)


@pytest.mark.parametrize("lost", [b"sid", b"AWSALBAPP-0"])
def test_a_client_must_send_both_cookies(app: StickyWorld, lost: bytes) -> None:
    browser = Browser(app)
    browser.ask(SID)
    jar = dict(browser.jar)
    del jar[lost]
    asked = set()
    for _ in range(3):
        browser.jar = dict(jar)
        asked.add(browser.ask())
    assert 3 == len(asked)
    assert [] == browser.told


def test_another_cookie_of_the_target_begins_nothing(app: StickyWorld) -> None:
    browser = Browser(app)
    browser.ask(b"\r\nSet-Cookie: other=sid=7\r\nX-Set-Cookie: sid=7")
    assert [b"other"] == browser.told


def test_when_its_target_fails_a_session_moves_and_stays_moved(
    app: StickyWorld,
) -> None:
    browser = Browser(app)
    first = browser.ask(SID)
    app.change(draining=(first,))
    second = browser.ask()
    assert second != first
    assert [b"AWSALBAPP-0"] == browser.told, "though the new target set no cookie"
    app.change()
    assert {second} == {browser.ask() for _ in range(5)}


def test_a_session_of_the_application_lasts_its_duration(app: StickyWorld) -> None:
    browser = Browser(app)
    browser.ask(SID)
    app.sweep(3601)
    browser.ask()
    assert [] == browser.told
    assert 2 == app_non_sticky(app)


def test_two_workers_with_the_same_keys_keep_each_others_sessions() -> None:
    one, two = StickyWorld({"web": 5}), StickyWorld({"web": 5})
    browser = Browser(one)
    first = browser.ask()
    for _ in range(3):
        browser.world = two
        assert first == browser.ask()
        browser.world = one
        assert first == browser.ask()
    assert len(KEYS.keys) == 1
    one.close()
    two.close()
