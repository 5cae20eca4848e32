"""A request that a target may have seen, and that another one gets as well."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from alb.decide.retry import KEPT_MAX
from alb.model import LoadBalancerAttributes, LogFiles, TargetGroup
from alb.policies import RetryPolicy
from tests.support.wires import TIMEOUTS, Wire, World

GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"
PUT = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"
POLICY = RetryPolicy(on_reset=True, on_status_codes=((503, 503),))

Make = Callable[..., World]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[World] = []

    def one(
        targets: int = 2,
        policy: RetryPolicy = POLICY,
        attributes: LoadBalancerAttributes = TIMEOUTS,
    ) -> World:
        group = TargetGroup("web", retry=policy)
        made.append(World(targets, attributes, group=group))
        return made[-1]

    yield one
    for world in made:
        world.close()


def asked(world: World, request: bytes) -> tuple[Wire, Wire]:
    client = world.client(request)
    target = world.connected()
    world.flush()
    return client, target


def requests_at(wire: Wire) -> int:
    return wire.sent.count(b" HTTP/1.1\r\n")


def at_rest(world: World) -> bool:
    return not sum(target.in_flight for target in world.targets)


def retries(world: World) -> int:
    return sum(target.counters.retries for target in world.targets)


def test_a_listed_status_is_answered_by_another_target(make: Make) -> None:
    world = make()
    client, first = asked(world, GET % b"x")
    first.deliver(BUSY)
    second = world.connected()
    world.flush()

    assert second.sent == first.sent, "the same request, trace id and all"
    second.deliver(OK)
    world.flush()
    assert client.sent.endswith(b"\r\n\r\nok")
    assert b"busy" not in client.sent
    assert at_rest(world)
    assert retries(world) == 1
    assert [len(target.idle) for target in world.targets] == [1, 1]


def test_each_attempt_goes_to_a_target_that_was_not_tried(make: Make) -> None:
    world = make(targets=5)
    client, wire = asked(world, GET % b"x")
    seen = []
    while not client.sent:
        seen.append(next(t.port for t in world.targets if t.in_flight))
        wire.deliver(BUSY)
        if world.connects:
            wire = world.connected()
        world.flush()

    assert len(set(seen)) == len(seen) == 3
    assert client.sent.endswith(b"busy"), "the last answer is passed on"
    assert at_rest(world)


def test_where_there_is_no_other_target_the_answer_is_passed_on(make: Make) -> None:
    world = make(targets=1)
    client, target = asked(world, GET % b"x")
    target.deliver(BUSY)
    world.flush()
    assert client.sent.endswith(b"busy")
    assert retries(world) == 0


@pytest.mark.parametrize("head", [b"Content-Length: 99\r\n\r\nha", b"\r\nha"])
def test_the_rest_of_an_answer_that_is_not_passed_on_reaches_nobody(
    make: Make, head: bytes
) -> None:
    world = make()
    client, first = asked(world, GET % b"x")
    first.deliver(b"HTTP/1.1 503 Busy\r\n" + head)
    assert first.aborted
    world.connected().deliver(OK)
    world.flush()
    assert client.sent.count(b"HTTP/1.1") == 1
    assert client.sent.endswith(b"ok")


def test_a_chunked_answer_is_not_passed_on_either(make: Make) -> None:
    world = make()
    client, first = asked(world, GET % b"x")
    first.deliver(
        b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"
    )
    world.connected().deliver(OK)
    world.flush()
    assert client.sent.endswith(b"\r\n\r\nok")
    assert at_rest(world)


def test_a_body_is_sent_again_as_far_as_it_came_and_then_goes_on(make: Make) -> None:
    world = make()
    client, first = asked(world, PUT % 6)
    client.deliver(b"abc")
    first.deliver(BUSY)
    client.deliver(b"def")
    second = world.connected()
    world.flush()
    assert second.sent.endswith(b"\r\n\r\nabcdef")
    second.deliver(OK)
    world.flush()
    assert client.sent.endswith(b"ok")


def test_a_chunked_body_is_sent_again(make: Make) -> None:
    world = make()
    put = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    _, first = asked(world, put + b"3\r\nabc\r\n0\r\n\r\n")
    first.deliver(BUSY)
    second = world.connected()
    world.flush()
    assert second.sent == first.sent


@pytest.mark.parametrize(
    ("size", "again"), [(KEPT_MAX, True), (KEPT_MAX + 1, False)], ids=str
)
def test_a_large_body_is_sent_once(make: Make, size: int, *, again: bool) -> None:
    world = make()
    client, first = asked(world, PUT % size)
    client.deliver(b"x" * size)
    world.flush()
    first.deliver(BUSY)
    assert bool(world.connects) is again


def test_a_post_is_sent_again_only_if_the_group_says_so(make: Make) -> None:
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
    for opted_in in (False, True):
        world = make(
            policy=RetryPolicy(on_status_codes=((503, 503),), non_idempotent=opted_in)
        )
        _, first = asked(world, post)
        first.deliver(BUSY)
        assert bool(world.connects) is opted_in


# --- connections that end ---------------------------------------------------------


def reused(world: World, request: bytes = GET % b"y") -> tuple[Wire, Wire]:
    """A second request on the connection that carried a first."""
    client, target = asked(world, GET % b"x")
    target.deliver(OK)
    world.flush()
    for other in world.targets[1:]:  # its turn comes round
        other.avoid_until_s = world.now_s + 99
    client.deliver(request)
    world.flush()
    assert b"/y" in target.sent
    return client, target


def test_what_a_used_connection_lost_goes_to_another_target(make: Make) -> None:
    world = make()
    client, target = reused(world)
    target.lose()
    second = world.connected()
    second.deliver(OK)
    world.flush()
    assert client.sent.count(b"200 OK") == 2
    assert at_rest(world)
    assert retries(world) == 1


def test_or_on_a_new_connection_to_the_only_one(make: Make) -> None:
    world = make(targets=1)
    client, target = reused(world)
    target.lose()
    world.connected().deliver(OK)
    world.flush()
    assert client.sent.count(b"200 OK") == 2


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /y HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        b"PUT /y HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
    ],
    ids=["it may have been acted on", "it has a body"],
)
def test_what_may_have_been_acted_on_is_not_sent_again(
    make: Make, request_bytes: bytes
) -> None:
    world = make()
    client, target = reused(world, request_bytes)
    target.lose()
    world.flush()
    assert not world.connects
    assert b"HTTP/1.1 502" in client.sent


@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_nor_what_an_answer_had_begun_to(make: Make, begun: bytes) -> None:
    world = make()
    client, target = reused(world)
    target.deliver(begun)
    target.lose()
    world.flush()
    assert not world.connects
    assert b"HTTP/1.1 502" in client.sent


def test_nor_what_a_new_connection_lost(make: Make) -> None:
    """That is no race: the target fails."""
    world = make()
    client, target = asked(world, GET % b"x")
    target.lose()
    world.flush()
    assert not world.connects
    assert client.sent.startswith(b"HTTP/1.1 502")


def test_nothing_is_sent_again_once_the_client_has_a_byte(make: Make) -> None:
    world = make()
    client, target = reused(world)
    target.deliver(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    world.flush()
    target.lose()
    assert not world.connects
    assert client.aborted


def test_the_access_log_lists_each_attempt(make: Make) -> None:
    world = make(attributes=replace(TIMEOUTS, access_log=LogFiles("", "", json=True)))
    client, first = asked(world, GET % b"x")
    first.deliver(BUSY)
    world.connected().deliver(OK)
    world.flush()
    assert client.sent.endswith(b"ok")

    assert world.door.access_log is not None
    told = json.loads(world.door.access_log.lines.take()[0])
    assert told["target:port_list"] == "h:0 h:1"
    assert told["target_status_code_list"] == "503 200"
    assert (told["target:port"], told["target_status_code"]) == ("h:1", "200")
    assert told["elb_status_code"] == "200"
    counted = [target.counters.report().totals for target in world.targets]
    assert [one["requests"] for one in counted] == [1, 1]
    assert [one["target.5xx"] for one in counted] == [1, 0]


# --- time, and how much -----------------------------------------------------------


def test_attempts_share_the_time_of_one_request(make: Make) -> None:
    world = make()
    client, first = asked(world, GET % b"x")
    world.sweep(40)
    first.deliver(BUSY)
    world.connected()
    world.flush()
    world.sweep(19)
    assert not client.sent
    world.sweep(2)
    world.flush()
    assert client.sent.startswith(b"HTTP/1.1 504")
    assert at_rest(world)


def test_a_client_that_leaves_between_attempts_leaves_nothing(make: Make) -> None:
    world = make()
    client, first = asked(world, GET % b"x")
    first.deliver(BUSY)
    client.lose()
    assert at_rest(world)
    world.connected()
    world.flush()
    assert at_rest(world)


def test_when_all_targets_fail_they_get_a_fifth_more_to_do(make: Make) -> None:
    """Beyond the three that are free in a second."""
    world = make(targets=4)
    clients = [asked(world, GET % b"%d" % n)[0] for n in range(200)]
    answered: Counter[Wire] = Counter()
    while busy := [w for w in world.upstreams if requests_at(w) > answered[w]]:
        answered[busy[0]] += 1
        busy[0].deliver(BUSY)
        while world.connects:
            world.connected()
        world.flush()

    assert sum(map(requests_at, world.upstreams)) == 200 * 1.2 + 3
    assert all(client.sent.endswith(b"busy") for client in clients)
    refused = sum(target.counters.retries_refused for target in world.targets)
    assert refused > 0
    assert at_rest(world)
