"""What is fuzzed: functions of bytes that raise where a promise is broken.

Hypothesis runs each for a moment in `make test`; `make fuzz` runs one with atheris,
guided by coverage, for as long as wanted. `WORDS` are what inputs are made of.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from alb.decide.chunked import ChunkDecoder, ChunksMalformed
from alb.decide.desync import MODES, scan
from alb.decide.head import scan_request
from alb.decide.regex import any_regex, capturing
from alb.decide.request import RequestHead
from alb.decide.response import scan_response
from alb.decide.rewrite import Rewrite, settle
from alb.decide.rules import compile_rules
from alb.errors import Malformed, Refused
from alb.model import FixedResponse, Forward, Listener, PathPattern, Rule, UrlRewrite
from foundation.regex import flaw_of
from tests.fuzz.cookies import WORDS as COOKIES
from tests.fuzz.cookies import cookies
from tests.fuzz.interleaving import WORDS as EVENTS
from tests.fuzz.interleaving import interleaving
from tests.fuzz.rule_sets import WORDS as RULES
from tests.fuzz.rule_sets import rule_sets
from tests.support.paths import NASTY, SERVERS

Head = tuple[bytes, ...] | str | None
_LINE: Final = re.compile(rb"(?:\r\n[^\r\n\0]+:[^\r\n\0]*)*")
_GUARDED: Final = compile_rules(
    Listener(
        80, Forward(()), (Rule(1, (PathPattern(("/admin*",)),), FixedResponse(403)),)
    )
)


def request_heads(data: bytes) -> None:
    """One meaning or none, wherever it is cut; what is sent on reads as it was read."""
    for mode in MODES.values():
        whole = _scanned(data, mode)
        if isinstance(whole, RequestHead):
            assert _LINE.fullmatch(whole.passed_on), whole.passed_on
            again = _again(whole)
            assert again.method == whole.method
            assert again.target == whole.target
            assert again.passed_on == whole.passed_on
            half = _scanned(data[: whole.size // 2], mode)
            assert not isinstance(half, RequestHead) or whole.size == half.size


def _scanned(data: bytes, mode: int) -> RequestHead | str | None:
    try:
        found = scan(data, mode)
    except Refused as refused:
        return str(refused)
    if found is None:
        return None
    head, end = found
    assert 0 < end <= len(data)
    return head


def _again(head: RequestHead) -> RequestHead:
    """Read a head as it leaves for a target, without what is ours to say."""
    line = b"%b %b HTTP/1.1\r\nHost: a" % (head.method, head.target)
    found = scan_request(line + head.passed_on + b"\r\n\r\n")
    assert found is not None
    assert found[0].content_length == 0
    assert not found[0].chunked
    return found[0]


def response_heads(data: bytes) -> None:
    whole = _answered(data)
    for cut in (len(data) // 3, len(data) // 2, max(len(data) - 1, 0)):
        part = _answered(data[:cut])
        if isinstance(part, tuple):
            assert part == whole
        elif part == "malformed":
            assert whole == "malformed"


def _answered(data: bytes) -> tuple[object, ...] | str | None:
    try:
        found = scan_response(data)
    except Malformed:
        return "malformed"
    if found is None:
        return None
    head, end = found
    assert _LINE.fullmatch(head.passed_on), head.passed_on
    assert not (head.chunked and head.content_length is not None)
    return end, head.status, head.content_length, head.chunked, head.keep_alive


def chunks(data: bytes) -> None:
    """The same however it is cut; never more than came."""
    whole = _decoded([data])
    for size in (1, 3, 17):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        cut = _decoded(pieces)
        assert cut == whole or whole[2] == cut[2] == "malformed"


def _decoded(pieces: list[bytes]) -> tuple[bytes, bytes, str]:
    decoder = ChunkDecoder()
    body, rest = b"", b""
    for at, piece in enumerate(pieces):
        try:
            body += decoder.feed(piece)
        except ChunksMalformed:
            return body, b"", "malformed"
        if decoder.ended:
            rest = decoder.rest + b"".join(pieces[at + 1 :])
            break
    assert len(body) + len(rest) <= sum(map(len, pieces))
    return body, rest, "ended" if decoder.ended else "waits"


def paths(data: bytes) -> None:
    """No server is led to /admin by any spelling."""
    try:
        found = scan_request(b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % data)
    except Refused:
        return
    if found is None or _GUARDED.match_request(found[0], (), "192.0.2.1") != -1:
        return
    head = found[0]
    if head.is_disputed:
        settle(head, None)
    for server in SERVERS.values():
        try:
            read = server(head.target.partition(b"?")[0])
        except ValueError:  # it refuses what it cannot split
            continue
        read = re.sub(rb"\A/+", b"/", read)
        assert read != b"/admin"
        assert not read.startswith(b"/admin/"), read


def expressions(data: bytes) -> None:
    """Taken or told with its place; what is taken matches and rewrites anything."""
    text, _, subject = data.partition(b"\0")
    written = text[:200].decode("ascii", "ignore")
    flaw = flaw_of(written)
    if flaw is not None:
        assert flaw.message
        assert flaw.at >= 1
        return
    matches = bool(any_regex([written], any_case=False)(subject[:2000]))
    found = capturing(written, any_case=False).search(subject[:2000])
    assert matches == (found is not None)
    try:
        head = scan_request(b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % subject[:200])
    except Refused:
        return
    if head is not None:
        done = Rewrite([UrlRewrite(written, "/$0/../x")]).apply(head[0], b"a")
        assert b"/../" not in (done.target or b"").partition(b"?")[0]


Target = Callable[[bytes], None]
FRAMING: Final = (
    *(
        b"Content-Length: ",
        b"Transfer-Encoding: ",
        b"chunked",
        b"gzip",
        b"Connection: ",
    ),
    *(b"close", b"keep-alive", b"Upgrade: ", b"websocket", b"h2c", b", ", b"0", b"5"),
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b"\0",
        b"\x0b",
        b"\xc5\xbf",
        b"_",
        b"-",
    ),
    *(b"X: y\r\n", b"\r\n\r\n", b"99999999999999999999"),
)
WORDS: Final[dict[Target, tuple[bytes, ...]]] = {
    request_heads: (
        *(b"GET / HTTP/1.1\r\nHost: a\r\n", b"POST ", b"GET", b" /x", b"?", b"#"),
        *(b" HTTP/1.1\r\n", b"Host: a\r\n", b"http://b", b"Expect: 100-continue\r\n"),
        *FRAMING,
    ),
    response_heads: (
        *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 ", b"204", b" No\r\n", b"HTTP/1.1 101 S"),
        *FRAMING,
    ),
    chunks: (
        *(b"0", b"1", b"5", b"a", b"F", b"\r\n", b"\n", b";", b"x=y", b"hello", b" "),
        *(
            b"0\r\n\r\n",
            b"5\r\nhello\r\n",
            b"A: b\r\n",
            b"fffffffffffffffff",
            b"+",
            b"-",
        ),
    ),
    paths: NASTY,
    expressions: (
        *(
            b"a",
            b".",
            b"*",
            b"+",
            b"?",
            b"(",
            b")",
            b"(?:",
            b"(?=",
            b"[",
            b"]",
            b"^",
            b"$",
        ),
        *(
            b"{2}",
            b"{9,}",
            b"|",
            b"\\",
            b"\\1",
            b"\\d",
            b"\\pL",
            b"/",
            b"\0",
            b"\0/aa",
            b"-",
        ),
    ),
    cookies: COOKIES,
    rule_sets: RULES,
    interleaving: EVENTS,
}
TARGETS: Final = {target.__name__: target for target in WORDS}
