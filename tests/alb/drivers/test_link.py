"""Messages arrive whole and as they were sent, or the link is lost."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from alb.drivers.link import (
    BACKLOG_MAX,
    FRAME_MAX,
    Link,
    content_of,
    decode,
    encode,
    receive_socket,
    report_of,
    section_of,
    send_sockets,
    told_in,
)
from alb.model import (
    FixedResponse,
    Forward,
    GroupTargets,
    HealthReason,
    HealthState,
    HostHeader,
    HostHeaderRewrite,
    HttpHeader,
    HttpRequestMethod,
    Listener,
    PathPattern,
    QueryPair,
    QueryString,
    Redirect,
    Rule,
    RuleBlock,
    SourceIp,
    Target,
    TargetGroup,
    TargetHealth,
    TargetId,
    UrlRewrite,
    Version,
    WeightedGroup,
)
from alb.ports import (
    Acknowledged,
    Alive,
    Bound,
    Content,
    Counted,
    Counters,
    Doubted,
    Drain,
    Drained,
    FromWorker,
    HealthChange,
    HealthReport,
    Hello,
    Manifest,
    Message,
    Report,
    Section,
    SessionKey,
    SessionKeys,
    Stop,
    Superseded,
    Telemetry,
    TellAll,
    Welcome,
    WorkerExited,
    WorkerStarted,
    WorkerState,
)

RULES = (
    Rule(1, (HostHeader(("a",)), PathPattern(("/é*",))), Redirect(301), "named"),
    Rule(2, (HttpHeader("x", ("y",)), SourceIp(("::/0",))), FixedResponse(200)),
    Rule(
        3,
        (
            HttpRequestMethod(("GET",)),
            QueryString((QueryPair("v"), QueryPair("v", "k"))),
        ),
        Forward((WeightedGroup("a", 0), WeightedGroup("b", 999))),
        transforms=(UrlRewrite("^/a", "/b"), HostHeaderRewrite("^a", "b")),
    ),
)
FRONT = section_of(Listener(80, FixedResponse(503), RULES, addresses=("::1",)))
GROUP = section_of(
    GroupTargets(TargetGroup("web"), (Target(TargetId("t"), "h", 1, draining=True),))
)
TELEMETRY = Telemetry({"l": Counters({"a": 1}, ((2, 3),))}, {}, {}, {"t": 4}, 5)
SICK = TargetHealth(HealthState.UNHEALTHY, HealthReason.TIMEOUT, "slow")
WORKER = WorkerState(1, 2, 3, Version(4, 5))
MESSAGES: list[Message] = [
    *(FRONT, GROUP, Manifest(Version(1, 2), ("a",), {"http-80": (("::1", 80),)})),
    *(HealthReport({"t": SICK}), HealthChange({"t": SICK}, ("u",), 2), TellAll()),
    *(report_of(TELEMETRY), FromWorker(0, 1, report_of(TELEMETRY))),
    *(Acknowledged(Version(1, 2)), Drained("t", 1), Alive(), Drain(1.5)),
    *(FromWorker(0, 1, Acknowledged(Version(1, 2))), FromWorker(0, 1, Drained("t", 0))),
    *(WorkerStarted(WORKER), WorkerExited(0, 1, "killed"), Bound("::", 80, "in use")),
    *(Hello(3), Superseded(4), Stop(0.5), Doubted(("t", "u"))),
    SessionKeys((SessionKey("0000000a", "AA==", 7),)),
    Welcome(Manifest(Version(1, 2), ("a",)), (WORKER,), HealthReport({}), ()),
]
NOT_MESSAGES = [b"", b"{}", b"[]", b'{"is": "Nothing"}', b'{"is": "Hello"}', b"\xff"]


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Link, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(0)
    link = await Link.over(ours)
    yield link, theirs
    link.close()
    theirs.close()


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    frame = encode(message)
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    assert decode(frame[4:]) == message


CONTENTS = [
    Listener(80, FixedResponse(503), RULES, addresses=("::1",)),
    RuleBlock("http-80", RULES),
    GroupTargets(TargetGroup("web"), (Target(TargetId("t"), "h", 1),)),
]
REPORTS = [
    *(TELEMETRY, Counted({"g": Counters({"a": 2})}, {"t": Counters()}, fresh=True)),
    replace(TELEMETRY, anomalous=("t",), gone=("u",), waiting={"g": 1}),
]


@pytest.mark.parametrize("content", CONTENTS, ids=lambda c: type(c).__name__)
def test_what_is_in_a_section_is_read_by_who_needs_it(content: Content) -> None:
    assert content_of(section_of(content)) == content


@pytest.mark.parametrize("told", REPORTS, ids=lambda t: type(t).__name__)
def test_what_is_in_a_report_is_read_by_control(told: Counted | Telemetry) -> None:
    assert told_in(report_of(told)) == told


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"is": "Listener"}', '{"is": "X"}'])
def test_what_is_neither_loses_the_link(text: str) -> None:
    with pytest.raises(ConnectionError):
        content_of(Section("d", text))
    with pytest.raises(ConnectionError):
        told_in(Report(text))


@pytest.mark.parametrize("body", NOT_MESSAGES)
def test_what_is_no_message_loses_the_link(body: bytes) -> None:
    with pytest.raises(ConnectionError):
        decode(body)


def test_the_same_content_has_the_same_digest_and_no_other_has() -> None:
    again = section_of(Listener(80, FixedResponse(503), RULES, addresses=("::1",)))
    assert FRONT.digest == again.digest
    assert FRONT.digest != GROUP.digest
    assert FRONT.digest != section_of(Listener(80, FixedResponse(503))).digest


async def test_messages_arrive_in_order_however_they_are_cut(
    pair: tuple[Link, socket.socket],
) -> None:
    link, theirs = pair
    loop = asyncio.get_running_loop()
    wire = b"".join(map(encode, MESSAGES))

    async def trickle() -> None:
        for at in range(0, len(wire), 97):
            await loop.sock_sendall(theirs, wire[at : at + 97])

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(trickle())
        received = [await link.receive() for _ in MESSAGES]

    assert received == MESSAGES


# fmt: off
LOST = [
    (b"",                                   "nothing more comes"),
    (b"\0\0",                               "not even a length"),
    (b"\0\0\0\x09half",                     "half a message"),
    ((FRAME_MAX + 1).to_bytes(4, "big"),    "a message larger than any"),
    (b"\0\0\0\x02{}",                       "something that is none"),
]
# fmt: on


@pytest.mark.parametrize("wire", [r[0] for r in LOST], ids=[r[1] for r in LOST])
async def test_a_link_that_breaks_says_so(
    pair: tuple[Link, socket.socket], wire: bytes
) -> None:
    link, theirs = pair
    theirs.send(wire)
    theirs.close()
    with pytest.raises(ConnectionError):
        await link.receive()


async def test_one_who_never_reads_is_taken_for_dead(
    pair: tuple[Link, socket.socket],
) -> None:
    link, _ = pair
    frame = b"x" * (32 << 20)
    for _ in range(BACKLOG_MAX // len(frame) + 2):
        link.send_frame(frame)
    link.send(Alive())
    with pytest.raises(ConnectionError):
        await link.receive()


async def test_sending_into_a_link_that_ended_is_no_error(
    pair: tuple[Link, socket.socket],
) -> None:
    link, _ = pair
    link.close()
    link.send(Alive())


def test_listening_sockets_pass_with_their_names() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs, socket.create_server(("127.0.0.1", 0)) as server:
        name = f"127.0.0.1 {server.getsockname()[1]}"
        send_sockets(ours, [name], [server])
        received = receive_socket(theirs)
        assert received is not None
        with received[1] as sock:
            assert received[0] == name
            assert sock.getsockname() == server.getsockname()
            assert sock.fileno() != server.fileno()
