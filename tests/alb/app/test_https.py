"""HTTPS listeners on a real node: who gets in, by which certificate, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import ssl
import warnings
import weakref
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

import pytest

from alb.drivers.tls import TlsTransport
from alb.model import LoadBalancerAttributes, LogFiles
from tests.support.certificates import Pair, careless, kept, serving
from tests.support.node import Handler, Node, Origin, answer_ok, until
from tests.support.tls_client import TlsClient
from tests.support.wires import TIMEOUTS, Wire, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

Origins = Callable[..., Awaitable[Origin]]

DEFAULT = kept("localhost")
WILD = kept("*.example.com")
EXACT = kept("a.example.com")
EITHER_EC = kept("both.test")
EITHER_RSA = kept("both.test", rsa_bits=2048)
POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
MIB = 1024 * 1024


async def serve(
    node: Node,
    origins: Origins,
    *pairs: Pair,
    policy: str = POLICY,
    handler: Handler | None = None,
    attributes: LoadBalancerAttributes | None = None,
) -> Origin:
    origin = await origins(handler)
    node.certify(*(pairs or (DEFAULT,)))
    await node.serve(
        {"web": [origin.port]},
        listener={"protocol": "HTTPS", "ssl_policy": policy},
        attributes=attributes,
    )
    await node.healthy(f"web-{origin.port}")
    return origin


def tls_errors(node: Node) -> int:
    """Return the count, as the last report has it."""
    name = f"https-{node.port}"
    totals = node.balancer.statistics().totals.listeners
    return totals[name].totals["tlsErrors"] if name in totals else 0


def at(version: ssl.TLSVersion) -> ssl.SSLContext:
    """Return a client of this version alone, with every cipher there is."""
    context = careless()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    return context


# fmt: off
NAMES = [
    (None,             DEFAULT, "no name: the default"),
    ("localhost",      DEFAULT, "the default's own name"),
    ("b.example.com",  WILD,    "a wildcard"),
    ("a.example.com",  EXACT,   "the name itself before the wildcard"),
    ("example.com",    DEFAULT, "a wildcard is no parent"),
    ("unknown.test",   DEFAULT, "a name nobody has"),
]
# fmt: on


@pytest.mark.parametrize(
    ("server_name", "expected"),
    [row[:2] for row in NAMES],
    ids=[row[2] for row in NAMES],
)
async def test_the_certificate_is_the_one_for_the_name(
    node: Node, origins: Origins, server_name: str | None, expected: Pair
) -> None:
    await serve(node, origins, DEFAULT, WILD, EXACT)

    client = await TlsClient.to(node.port, server_name=server_name)

    assert expected.serial == client.serial
    client.send(LAST)
    assert (await client.read_all()).endswith(b"/x")
    client.close()


async def test_of_two_types_of_key_a_client_gets_the_one_it_can_verify(
    node: Node, origins: Origins
) -> None:
    await serve(node, origins, DEFAULT, EITHER_RSA, EITHER_EC)
    old = at(ssl.TLSVersion.TLSv1_2)
    old.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")

    new = await TlsClient.to(node.port, server_name="both.test")
    only_rsa = await TlsClient.to(node.port, old, "both.test")

    assert EITHER_EC.serial == new.serial
    assert EITHER_RSA.serial == only_rsa.serial
    new.close()
    only_rsa.close()


# fmt: off
AGREED, REFUSED = "agreed", "refused"
VERSIONS = [
    ("ELBSecurityPolicy-TLS13-1-2-2021-06", ssl.TLSVersion.TLSv1_3, AGREED),
    ("ELBSecurityPolicy-TLS13-1-2-2021-06", ssl.TLSVersion.TLSv1_2, AGREED),
    ("ELBSecurityPolicy-TLS13-1-2-2021-06", ssl.TLSVersion.TLSv1_1, REFUSED),
    ("ELBSecurityPolicy-TLS13-1-3-2021-06", ssl.TLSVersion.TLSv1_3, AGREED),
    ("ELBSecurityPolicy-TLS13-1-3-2021-06", ssl.TLSVersion.TLSv1_2, REFUSED),
    ("ELBSecurityPolicy-FS-1-2-Res-2020-10", ssl.TLSVersion.TLSv1_3, REFUSED),
    ("ELBSecurityPolicy-FS-1-2-Res-2020-10", ssl.TLSVersion.TLSv1_2, AGREED),
    ("ELBSecurityPolicy-2016-08", ssl.TLSVersion.TLSv1, AGREED),
    ("ELBSecurityPolicy-TLS13-1-1-2021-06", ssl.TLSVersion.TLSv1, REFUSED),
    ("ELBSecurityPolicy-TLS13-1-1-2021-06", ssl.TLSVersion.TLSv1_1, AGREED),
]
# fmt: on


@pytest.mark.parametrize(("policy", "version", "agreed"), VERSIONS)
async def test_a_policy_agrees_to_its_versions_and_no_others(
    node: Node, origins: Origins, policy: str, version: ssl.TLSVersion, agreed: str
) -> None:
    await serve(node, origins, policy=policy)
    before = tls_errors(node)

    if agreed == AGREED:
        client = await TlsClient.to(node.port, at(version))
        client.send(LAST)
        assert (await client.read_all()).endswith(b"/x")
        client.close()
        return
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol version"):
        await TlsClient.to(node.port, at(version))
    await until(lambda: tls_errors(node) > before, "the refusal is counted")


async def test_a_restricted_policy_agrees_to_no_cipher_that_it_does_not_list(
    node: Node, origins: Origins
) -> None:
    await serve(node, origins, policy="ELBSecurityPolicy-TLS13-1-2-Res-2021-06")
    cbc = at(ssl.TLSVersion.TLSv1_2)
    cbc.set_ciphers("ECDHE-ECDSA-AES128-SHA256")

    with pytest.raises(ssl.SSLError, match=r"(?i)handshake failure"):
        await TlsClient.to(node.port, cbc)


@pytest.mark.parametrize(
    ("offered", "agreed"), [(["h2", "http/1.1"], "http/1.1"), (["h2"], None)]
)
async def test_only_http_1_1_is_agreed_on(
    node: Node, origins: Origins, offered: list[str], agreed: str | None
) -> None:
    await serve(node, origins)
    context = careless()
    context.set_alpn_protocols(offered)

    client = await TlsClient.to(node.port, context)

    assert agreed == client.session.selected_alpn_protocol()
    client.close()


async def test_targets_hear_that_the_client_came_by_https(
    node: Node, origins: Origins
) -> None:
    origin = await serve(node, origins)
    client = await TlsClient.to(node.port)

    client.send(LAST)
    await client.read_all()

    assert b"\r\nX-Forwarded-Proto: https\r\n" in origin.heads[-1]
    assert b"x-amzn-tls" not in origin.heads[-1].lower()
    client.close()


async def test_targets_hear_version_and_cipher_from_us_alone(
    node: Node, origins: Origins
) -> None:
    told = LoadBalancerAttributes(tls_headers=True)
    origin = await serve(node, origins, attributes=told)
    client = await TlsClient.to(node.port)
    claim = b"X-Amzn-TLS-Version: SSLv2\r\nx-amzn-tls-cipher-suite: NULL\r\n\r\n"

    client.send(LAST.replace(b"\r\n\r\n", b"\r\n" + claim))
    await client.read_all()

    cipher = client.session.cipher()
    assert cipher is not None
    lines = [n for n in origin.heads[-1].split(b"\r\n") if b"amzn-tls" in n.lower()]
    assert lines == [
        b"x-amzn-tls-version: TLSv1.3",
        b"x-amzn-tls-cipher-suite: " + cipher[0].encode(),
    ]
    client.close()


async def test_the_headers_that_tell_of_tls_may_have_other_names(
    node: Node, origins: Origins
) -> None:
    origin = await origins()
    node.certify(DEFAULT)
    listener = {"protocol": "HTTPS", "ssl_policy": POLICY}
    names = {"tls_header_names": ("X-Version", "X-Suite")}
    told = LoadBalancerAttributes(tls_headers=True)
    await node.serve(
        {"web": [origin.port]}, listener={**listener, **names}, attributes=told
    )
    await node.healthy(f"web-{origin.port}")
    client = await TlsClient.to(node.port)

    client.send(LAST.replace(b"\r\n\r\n", b"\r\nx-version: 0\r\n\r\n"))
    await client.read_all()

    lines = [n for n in origin.heads[-1].split(b"\r\n") if n.lower().startswith(b"x-")]
    assert b"X-Version: TLSv1.3" in lines
    assert 1 == sum(line.lower().startswith(b"x-version:") for line in lines)
    assert any(line.startswith(b"X-Suite: TLS_") for line in lines)
    client.close()


async def test_many_requests_and_pipelined_ones_share_a_connection(
    node: Node, origins: Origins
) -> None:
    origin = await serve(node, origins)
    client = await TlsClient.to(node.port)

    for _ in range(3):
        client.send(GET)
        assert (await client.read_until(b"/x")).startswith(b"HTTP/1.1 200")
    client.send(GET + GET + LAST)
    answers = await client.read_all()

    assert 3 == answers.count(b"HTTP/1.1 200")
    assert 6 == len(origin.heads)
    client.close()


async def test_a_head_may_come_byte_by_byte_in_records_of_its_own(
    node: Node, origins: Origins
) -> None:
    await serve(node, origins)
    client = await TlsClient.to(node.port)

    for byte in LAST:
        client.send(bytes([byte]))
    answer = await client.read_all()

    assert answer.startswith(b"HTTP/1.1 200")
    client.close()


async def test_large_bodies_pass_both_ways_whole(node: Node, origins: Origins) -> None:
    await serve(node, origins)
    body = bytes(range(256)) * (8 * MIB // 256)
    client = await TlsClient.to(node.port)
    head = b"POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"

    async def upload() -> None:
        client.send(head % len(body))
        for start in range(0, len(body), 65536):
            client.send(body[start : start + 65536])
            await client.writer.drain()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(upload())
        answer = tasks.create_task(client.read_all())

    assert answer.result().endswith(b"\r\n\r\n" + body)
    client.close()


async def test_a_client_that_does_not_read_holds_its_target_back(
    node: Node, origins: Origins
) -> None:
    written = 0
    piece, pieces = b"x" * 65536, 1024

    async def flood(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
        for _ in range(pieces):
            writer.write(piece)
            await writer.drain()
            written += len(piece)
        return True

    await serve(node, origins, handler=flood)
    client = await TlsClient.to(node.port)
    client.writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's
    client.send(LAST)

    await until(lambda: written > 0, "the target began")
    seen = -1
    while seen != written:
        seen = written
        await asyncio.sleep(0.3)
    assert written < 32 * MIB
    client.writer.transport.resume_reading()  # type: ignore[attr-defined]
    answer = await client.read_all()
    assert 64 * MIB == len(answer.partition(b"\r\n\r\n")[2])
    client.close()


async def test_a_response_cut_short_is_no_proper_end(
    node: Node, origins: Origins
) -> None:
    async def stumble(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()
        writer.transport.abort()
        return False

    await serve(node, origins, handler=stumble)
    client = await TlsClient.to(node.port)
    client.send(GET)

    with pytest.raises(ConnectionError):
        await client.read_all()
    client.close()


async def echo(
    head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Become an echo after a 101, and say goodbye after the other side's end."""
    if b"\r\nUpgrade: " not in head:
        return await answer_ok(head, reader, writer)
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
        b"Upgrade: websocket\r\n\r\n"
    )
    while data := await reader.read(65536):
        writer.write(data)
    writer.write(b"goodbye")
    await writer.drain()
    return False


async def test_a_websocket_is_a_tunnel_that_may_end_one_way_first(
    node: Node, origins: Origins
) -> None:
    await serve(node, origins, handler=echo)
    client = await TlsClient.to(node.port)
    upgrade = b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"

    client.send(GET[:-2] + upgrade + b"ahead")
    assert (await client.read_until(b"ahead")).startswith(b"HTTP/1.1 101")
    client.send(b"frame")
    assert b"frame" == await client.read_until(b"frame")
    client.say_the_end()

    assert b"goodbye" == await client.read_all()
    client.close()


async def test_what_is_no_tls_is_told_or_ended_and_hurts_nobody(
    node: Node, origins: Origins
) -> None:
    await serve(node, origins)
    before = tls_errors(node)
    well = await TlsClient.to(node.port)

    plain = await node.ask(GET)
    garbage = await node.ask(b"\x00" * 100)
    cut = TlsClient(*await node.connect())
    cut.writer.write(cut.begin_handshake()[:40])
    await cut.writer.drain()
    cut.writer.close()
    silent = await node.connect()
    silent[1].close()

    assert plain.startswith(b"HTTP/1.1 400 ")
    assert b"HTTP" not in garbage
    well.send(LAST)
    assert (await well.read_all()).endswith(b"/x")
    well.close()
    await until(lambda: tls_errors(node) >= before + 3, "what failed is counted")


async def test_new_certificates_are_for_new_connections_and_old_ones_stay(
    node: Node, origins: Origins
) -> None:
    await serve(node, origins, DEFAULT)
    before = await TlsClient.to(node.port)

    node.certify(EXACT)
    await node.ready()
    after = await TlsClient.to(node.port)

    assert (DEFAULT.serial, EXACT.serial) == (before.serial, after.serial)
    before.send(LAST)
    assert (await before.read_all()).endswith(b"/x")
    before.close()
    after.close()


async def test_certificates_that_openssl_does_not_take_leave_the_former_ones(
    node: Node, origins: Origins
) -> None:
    await serve(node, origins, DEFAULT)

    node.certify(Pair(("bad",), DEFAULT.certificate, EXACT.key, "EC"))
    await node.ready()
    client = await TlsClient.to(node.port)

    assert DEFAULT.serial == client.serial
    client.close()


async def test_a_port_changes_from_http_to_https_and_back(
    node: Node, origins: Origins
) -> None:
    origin = await serve(node, origins)
    (await TlsClient.to(node.port)).close()

    await node.serve({"web": [origin.port]})
    await node.healthy(f"web-{origin.port}")
    assert (await node.ask(LAST)).endswith(b"/x")
    await serve(node, origins)

    (await TlsClient.to(node.port)).close()


# --- handshakes under a clock of our own ----------------------------------------------


@pytest.fixture
def world() -> Iterator[World]:
    made = World(protocol="HTTPS")
    made.door.handshakes.take(POLICY, serving("https-8080", DEFAULT))
    yield made
    made.close()


def accepted(world: World) -> Wire:
    return Wire(world.door.handshakes.accept())


def hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        careless().wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


@pytest.mark.parametrize(("sent", "counted"), [(hello(), 1), (b"", 0)])
async def test_a_handshake_has_ten_seconds(
    world: World, sent: bytes, counted: int
) -> None:
    wire = accepted(world)
    if sent:
        wire.deliver(sent)

    world.sweep(9.5)
    assert not wire.closing
    world.sweep(1.0)

    assert wire.aborted
    assert not world.door.is_busy
    assert counted == world.door.counters.tls_errors


async def test_a_handshake_that_goes_on_is_no_connection_yet(world: World) -> None:
    wire = accepted(world)

    assert not world.door.clients
    assert world.door.is_busy
    world.door.abort()

    assert wire.aborted
    assert not world.door.is_busy


async def test_nothing_is_accepted_without_a_certificate() -> None:
    world = World(protocol="HTTPS")

    wire = Wire(world.door.handshakes.accept())

    assert wire.aborted
    world.close()


async def test_a_connection_that_is_over_leaves_no_memory_to_be_collected(
    world: World,
) -> None:
    gc.collect()
    gc.disable()
    try:
        wire, _ = shaken(world)
        assert isinstance(wire.protocol, TlsTransport)
        session = weakref.ref(wire.protocol.session)
        wire.lose()
        assert session() is None
    finally:
        gc.enable()
    assert not world.door.clients


async def test_a_refused_request_is_told_and_the_connection_properly_ended(
    node: Node, origins: Origins
) -> None:
    await serve(node, origins)
    client = await TlsClient.to(node.port)

    client.send(b"nonsense\r\n\r\n" + b"x" * 100_000)

    assert (await client.read_all()).startswith(b"HTTP/1.1 400 ")
    client.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_session_may_be_resumed_whatever_certificate_it_began_with(
    node: Node, origins: Origins, version: ssl.TLSVersion
) -> None:
    await serve(node, origins, DEFAULT, EXACT)
    context = at(version)
    first = await TlsClient.to(node.port, context, "a.example.com")
    first.send(GET)
    await first.read_until(b"/x")

    again = TlsClient(
        *await node.connect(), context, "a.example.com", first.session.session
    )
    await again.shake()
    again.send(LAST)

    assert (await again.read_all()).endswith(b"/x")
    assert again.session.session_reused
    first.close()
    again.close()


# --- logs -----------------------------------------------------------------------------

LOGGED = replace(
    TIMEOUTS,
    access_log=LogFiles("nowhere", "front", json=True),
    connection_log=LogFiles("nowhere", "front"),
)


@pytest.fixture
def logged() -> Iterator[World]:
    made = World(attributes=LOGGED, protocol="HTTPS")
    made.door.handshakes.take(POLICY, serving("https-8080", DEFAULT))
    yield made
    made.close()


def shaken(world: World, server_name: str = "localhost") -> tuple[Wire, ssl.SSLObject]:
    """Return a connection whose handshake is complete, and its client's session."""
    wire = accepted(world)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = careless().wrap_bio(incoming, outgoing, server_hostname=server_name)
    for _ in range(3):
        with contextlib.suppress(ssl.SSLWantReadError):
            session.do_handshake()
        if data := outgoing.read():
            wire.deliver(data)
        wire.take()
        incoming.write(wire.sent)
        wire.sent = b""
    session.write(b"GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.deliver(outgoing.read())
    return wire, session


def told(world: World) -> dict[str, str]:
    assert world.door.access_log is not None
    (line,) = world.door.access_log.lines.take()
    entry: dict[str, str] = json.loads(line)
    return entry


async def test_the_access_log_tells_of_tls(logged: World) -> None:
    _, session = shaken(logged)

    entry = told(logged)

    cipher = session.cipher()
    assert cipher is not None
    assert "https" == entry["type"]
    assert (cipher[0], "TLSv1.3") == (entry["ssl_cipher"], entry["ssl_protocol"])
    assert "localhost" == entry["domain_name"]
    assert "localhost" == entry["chosen_cert_arn"]
    assert entry["request"].startswith("GET https://a:8080/fixed ")


async def test_the_connection_log_tells_of_handshakes(logged: World) -> None:
    _, session = shaken(logged)
    accepted(logged).deliver(b"\x00" * 100)

    (lines,) = [log.lines.take() for log in logged.door.logs() if log.kind]

    fields = [line.split() for line in lines]
    cipher = session.cipher()
    assert cipher is not None
    assert [b"TLSv1.3", cipher[0].encode(), b"0.000"] == fields[0][4:7]
    assert [b"-", b"-", b"-"] == fields[1][4:7]
