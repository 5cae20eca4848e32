"""However a head is cut, mangled or spelled: one answer, and the one others read."""

from __future__ import annotations

import contextlib

import h11
import httptools
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alb.decide.head import HEAD_MAX, scan_request
from alb.decide.request import RequestHead
from alb.errors import Refused
from tests.support.examples import examples

METHODS = [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE"]
TARGETS = [
    b"/",
    b"/a?b",
    b"*",
    b"http://b:1/x",
    b"/a%20b",
    b"//c",
    b"http://b",
    b"/a b",
]
VERSIONS = [b"HTTP/1.1"] * 4 + [b"HTTP/1.0", b"HTTP/2.0", b"http/1.1"]
NAMES = [
    *(b"Content-Length", b"Transfer-Encoding", b"Connection", b"Host", b"Expect"),
    *(b"Upgrade", b"TE", b"X-A", b"x_b", b"Transfer_Encoding", b"Content-Length "),
    *(b"X-Forwarded-For", b"Cookie", b"content-length", b"-Transfer-Encoding", b""),
]
VALUES = [
    *(b"5", b"0", b"chunked", b"close", b"a", b"keep-alive, x-a", b"100-continue"),
    *(b"websocket", b"upgrade", b"", b"\xe9", b"5, 5", b"gzip", b"h2c", b"a b"),
]
ENDS = [b"\r\n"] * 20 + [b"\n", b"\r", b"\r\n ", b"\r\n\r\n"]
SPACES = [b" "] * 8 + [b"", b"\t", b"  "]

header = st.tuples(*map(st.sampled_from, (NAMES, SPACES, VALUES, SPACES, ENDS))).map(
    lambda h: h[0] + b":" + b"".join(h[1:])
)
spelled = st.tuples(
    st.sampled_from(METHODS),
    st.sampled_from(TARGETS),
    st.sampled_from(VERSIONS),
    st.sampled_from(ENDS),
    st.sampled_from([b"Host: a\r\n"] * 6 + [b""]),
    st.lists(header, max_size=4).map(b"".join),
).map(lambda h: b"%b %b %b%b%b%b\r\n" % h)


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """A spelled head with some bytes replaced, added or taken out."""
    head = bytearray(draw(spelled))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(head) - 1))
        head[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(head)


def answer(buffer: bytes) -> RequestHead | Refused | None:
    try:
        found = scan_request(buffer)
    except Refused as refused:
        return refused
    return found[0] if found else None


def facts(head: RequestHead) -> tuple[object, ...]:
    framing = (head.content_length, head.chunked, head.has_body, head.close_after)
    return (
        *(head.method, head.target, head.path, head.query, head.host, head.version),
        *(framing, head.keep_alive, head.upgrade, head.passed_on, head.size),
    )


@given(st.binary(max_size=300) | mangled())
@settings(max_examples=examples(200), deadline=None)
@example(b"\r\n" * 40_000)
@example(b"GET / HTTP/1.1\r\n" + b"x:y\r\n" * 20_000)
@example(b"G" * 200_000)
def test_bytes_are_read_refused_or_waited_for_and_nothing_else(data: bytes) -> None:
    found = answer(data)
    if isinstance(found, Refused):
        assert found.status in {400, 405, 414, 417, 501, 505}
        assert found.reason.isalpha()
    if found is None:
        assert len(data) <= HEAD_MAX + 16, "nobody waits for more than the limit"
    if isinstance(found, RequestHead):
        assert found.size <= HEAD_MAX


@given(mangled(), st.data())
@settings(max_examples=examples(150), deadline=None)
def test_where_a_head_is_cut_makes_no_difference(
    head: bytes, data: st.DataObject
) -> None:
    whole = answer(head)
    for end in data.draw(st.lists(st.integers(0, len(head) - 1), max_size=8)):
        part = answer(head[:end])
        if isinstance(whole, RequestHead):
            found = scan_request(head)
            assert found is not None
            if end < found[1]:
                assert part is None, "what is good is waited for"
            else:
                assert isinstance(part, RequestHead)
                assert facts(whole) == facts(part)
        elif whole is None:
            assert part is None, "what may become good is waited for"
        else:
            assert not isinstance(part, RequestHead), "what is refused never was good"


@given(spelled, st.binary(max_size=40))
@settings(deadline=None)
def test_what_follows_a_head_changes_nothing(head: bytes, after: bytes) -> None:
    alone, followed = answer(head), answer(head + after)
    if isinstance(alone, RequestHead):
        assert isinstance(followed, RequestHead)
        assert facts(alone) == facts(followed)


def header_lines(head: bytes) -> list[tuple[bytes, bytes]]:
    lines = head[: head.index(b"\r\n\r\n")].split(b"\r\n")[1:]
    return [
        (n.lower(), v.strip(b" \t")) for n, _, v in (x.partition(b":") for x in lines)
    ]


@given(mangled())
@settings(max_examples=examples(150), deadline=None)
def test_what_is_passed_on_is_what_came_without_our_lines(head: bytes) -> None:
    """Counted in a second, plainer way."""
    head = head.lstrip(b"\r\n")
    found = answer(head)
    if not isinstance(found, RequestHead):
        return
    came = header_lines(head)
    assert came == found.pairs()
    named = {
        t.strip() for n, v in came if n == b"connection" for t in v.lower().split(b",")
    }
    ours = {
        *(b"host", b"content-length", b"transfer-encoding", b"connection", b"expect"),
        *(b"upgrade", b"te", b"x-forwarded-for", b"x-amzn-trace-id", b"keep-alive"),
    }
    kept = [n for n, _ in came if n not in ours and (n not in named or n == b"cookie")]
    passed = [x.partition(b":")[0].lower() for x in found.passed_on.split(b"\r\n")[1:]]
    assert kept == passed


def by_h11(head: bytes) -> tuple[object, ...]:
    """(method, target, length or chunked, whole) as h11 reads it."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=2 * HEAD_MAX)
    connection.receive_data(head)
    event = connection.next_event()
    assert isinstance(event, h11.Request)
    headers = dict(event.headers)
    framing: object = int(headers.get(b"content-length", 0))
    if b"transfer-encoding" in headers:
        framing = "chunked"
    return event.method, event.target, framing


class Heard:
    """What httptools tells while it reads a head."""

    def __init__(self) -> None:
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.whole = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.whole = True


def by_httptools(head: bytes) -> tuple[object, ...]:
    heard = Heard()
    parser = httptools.HttpRequestParser(heard)
    with contextlib.suppress(httptools.HttpParserUpgrade):
        parser.feed_data(head)
    assert heard.whole
    headers = dict(heard.headers)
    framing: object = int(headers.get(b"content-length", 0))
    if b"transfer-encoding" in headers:
        framing = "chunked"
    return parser.get_method(), heard.target, framing


def differs_from_others(head: bytes) -> bool:
    """What we take and others do not, known and meant.

    Both refuse bytes beyond ASCII in a target, which browsers send; h11 refuses
    empty lines in front; httptools knows a closed list of methods.
    """
    line = head.partition(b"\r\n")[0]
    return not line.isascii() or head.startswith(b"\r\n")


@given(mangled())
@settings(max_examples=examples(300), deadline=None)
def test_what_is_read_others_read_alike(head: bytes) -> None:
    found = answer(head)
    if not isinstance(found, RequestHead) or differs_from_others(head):
        return
    whole = scan_request(head)
    assert whole is not None
    head = head[: whole[1]]
    framing: object = "chunked" if found.chunked else found.content_length
    method, target, version = head.partition(b"\r\n")[0].split(b" ")
    assert (method, target, framing) == by_h11(head)
    if method in METHODS:
        assert (method, target, framing) == by_httptools(head)
    assert version == b"HTTP/1.%d" % found.version
