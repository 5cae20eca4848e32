"""What passes arrives as it was sent; what ends here arrives nowhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alb.decide.head import HEADER_MAX, HEADERS_MAX
from alb.model import FixedResponse, HostHeader, Rule
from tests.support.wires import Wire, World

OK = b"HTTP/1.1 200 OK\r\n"
NO_BODY = b"Content-Length: 0\r\n\r\n"
EVERYTHING = [
    *(b"Accept: */*", b"accept: text/html", b"ACCEPT: z", b"X-Empty:", b"X-Blank: \t "),
    *(b"Cookie: a=1", b"Cookie: b=2", b"X-Latin: caf\xe9 \xff", b"X-Tight:v"),
    *(b"X-Wide:   v   ", b'X-Quoted: "a, b"', b"X_Under: 1", b"X.Dot~!: 1"),
    b"X-Large: " + b"y" * (HEADER_MAX - 20),
    *(b"X-Many-%d: %d" % (n, n) for n in range(120)),
]


@pytest.fixture
def world() -> Iterator[World]:
    one = World(targets=1)
    yield one
    one.close()


def asked(world: World, request: bytes) -> tuple[Wire, Wire]:
    client = world.client(request)
    target = world.connected()
    world.flush()
    return client, target


def lines_of(message: bytes) -> list[bytes]:
    return message.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]


def test_headers_of_a_request_pass_in_order_and_octet_by_octet(world: World) -> None:
    head = b"\r\n".join([b"GET / HTTP/1.1", b"Host: a", *EVERYTHING, b"\r\n"])
    assert len(EVERYTHING) < HEADERS_MAX
    _, target = asked(world, head)

    assert [one for one in lines_of(target.sent) if one in EVERYTHING] == EVERYTHING


def test_headers_of_an_answer_pass_in_order_and_octet_by_octet(world: World) -> None:
    sent = [
        *EVERYTHING,
        b"Set-Cookie: a=1; Path=/",
        b"Set-Cookie: b=2",
        b"set-cookie: c",
    ]
    client, target = asked(world, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    target.deliver(OK + b"\r\n".join(sent) + b"\r\n" + NO_BODY)
    world.flush()

    assert [one for one in lines_of(client.sent) if one in sent] == sent


@pytest.mark.parametrize(
    "trailers",
    [b"Content-Length: 9", b"X-Forwarded-For: 6.6.6.6", b"Host: evil", b"X-Evil: 1"],
)
def test_trailers_are_no_headers_and_end_here(world: World, trailers: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    client, target = asked(world, head + b"2\r\nhi\r\n0\r\n" + trailers + b"\r\n\r\n")
    target.deliver(
        OK
        + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
        + trailers
        + b"\r\n\r\n"
    )
    world.flush()

    assert trailers not in target.sent
    assert target.sent.endswith(b"\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
    assert client.sent.endswith(b"\r\n\r\n2\r\nok\r\n0\r\n\r\n")


@pytest.mark.parametrize(("version", "interims"), [(b"1.1", 1), (b"1.0", 0)])
def test_there_is_one_100_for_who_expects_it_and_knows_it(
    world: World, version: bytes, interims: int
) -> None:
    """Ours, at once; the target's own is not passed on as well."""
    head = b"POST / HTTP/%b\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    client, target = asked(world, head % version)
    assert client.sent.count(b"100 Continue") == interims
    client.deliver(b"hi")
    target.deliver(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + NO_BODY)
    world.flush()

    assert client.sent.count(b"100 Continue") == interims
    assert client.sent.count(b"200 OK") == 1
    assert b"xpect" not in target.sent


def test_an_early_answer_to_who_expects_100_ends_cleanly(world: World) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    client, target = asked(world, head)
    target.deliver(b"HTTP/1.1 401 Who\r\n" + NO_BODY)
    world.flush()
    client.deliver(b"body that was on its way")

    assert b"\r\nConnection: close\r\n" in client.sent
    assert client.ended
    assert not client.aborted, "a reset would take the answer with it"
    assert target.lost


@pytest.mark.parametrize(
    ("came", "sent"),
    [
        ([b"1.1.1.1", b"2.2.2.2"], b"1.1.1.1, 2.2.2.2, 192.0.2.7"),
        ([b"1.1.1.1 , 2.2.2.2", b"::1"], b"1.1.1.1 , 2.2.2.2, ::1, 192.0.2.7"),
        ([b"unknown", b""], b"unknown, , 192.0.2.7"),
        ([b""], b"192.0.2.7"),
        ([b"x" * 16_000], b"x" * 16_000 + b", 192.0.2.7"),
    ],
    ids=["two lines", "lists", "an empty line", "nothing", "one as large as may be"],
)
def test_forwarders_of_several_lines_are_one_list(
    world: World, came: list[bytes], sent: bytes
) -> None:
    lines = b"".join(b"X-Forwarded-For: %b\r\n" % one for one in came)
    _, target = asked(world, b"GET / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n")

    found = [
        x for x in lines_of(target.sent) if x.lower().startswith(b"x-forwarded-for")
    ]
    assert found == [b"X-Forwarded-For: " + sent]


def test_what_is_said_of_protocol_and_port_is_ours(world: World) -> None:
    spoofed = (
        b"x-forwarded-PROTO: https\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Port: 2\r\n"
    )
    _, target = asked(world, b"GET / HTTP/1.1\r\nHost: a\r\n" + spoofed + b"\r\n")

    ours = [x for x in lines_of(target.sent) if x.lower().startswith(b"x-forwarded-p")]
    assert ours == [b"X-Forwarded-Proto: http", b"X-Forwarded-Port: 8080"]


# fmt: off
HOSTS = [  # request line and Host lines, whether rule "a.example" takes it, Host sent
    (b"GET / HTTP/1.1\r\nHost: a.example",                  True,  b"a.example:8080", "a name"),
    (b"GET / HTTP/1.1\r\nHost: A.EXAMPLE",                  True,  b"a.example:8080", "in capitals"),
    (b"GET / HTTP/1.1\r\nHost: a.example:80",               True,  b"a.example:80",   "with a port"),
    (b"GET / HTTP/1.1\r\nHost: a.example.",                 True,  b"a.example.:8080", "with a dot at its end"),
    (b"GET http://a.example/ HTTP/1.1\r\nHost: b.example",  True,  b"a.example:8080", "an absolute target counts"),
    (b"GET http://b.example/ HTTP/1.1\r\nHost: a.example",  False, b"b.example:8080", "and the Host beside it does not"),
    (b"GET http://A.example:81/ HTTP/1.1\r\nHost: b",       True,  b"a.example:81",   "with its port"),
    (b"GET / HTTP/1.1\r\nHost: [::1]",                      False, b"[::1]:8080",     "an address in brackets"),
    (b"GET / HTTP/1.1\r\nHost:",                            False, b"127.0.0.1:8080", "an empty one is our address"),
]
# fmt: on


@pytest.mark.parametrize(
    ("start", "taken", "host"), [row[:-1] for row in HOSTS], ids=[r[-1] for r in HOSTS]
)
def test_the_host_that_rules_saw_is_the_one_that_is_sent(
    start: bytes,
    taken: bool,  # noqa: FBT001 - a column
    host: bytes,
) -> None:
    kept = Rule(2, (HostHeader(("a.example",)),), FixedResponse(403))
    for rules, answered in (((), False), ((kept,), taken)):
        world = World(targets=1, rules=rules)
        client = world.client(start + b"\r\n\r\n")
        if answered:
            assert client.unsent.startswith(b"HTTP/1.1 403 ")
        else:
            target = world.connected()
            world.flush()
            hosts = [x for x in lines_of(target.sent) if x.lower().startswith(b"host:")]
            assert hosts == [b"Host: " + host]
        world.close()
