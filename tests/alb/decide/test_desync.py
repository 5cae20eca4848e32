"""What the modes make of requests that are not compliant: one reading, or none."""

from __future__ import annotations

import contextlib

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alb.decide.desync import (
    DEFENSIVE,
    MODES,
    MONITOR,
    STRICTEST,
    refusal_tier,
    scan,
)
from alb.decide.request import RequestHead
from alb.errors import Refused
from tests.alb.decide.test_head_properties import mangled
from tests.support.examples import examples

START = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


def read(text: bytes, mode: int) -> RequestHead:
    found = scan(text, mode)
    assert found is not None
    return found[0]


# fmt: off
SERVED = [
    (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",  DEFENSIVE, "Acceptable", "SpaceInUri",          b"/a%20b", b""),
    (b"GET /a\x01b HTTP/1.1\r\nHost: a\r\n\r\n", DEFENSIVE, "Ambiguous", "AmbiguousUri",      b"/a%01b", b""),
    (b"GET / HTTP/1.4\r\nHost: a\r\n\r\n",     DEFENSIVE, "Acceptable", "NonCompliantVersion", b"/", b""),
    (START + b"X Y: 1\r\nZ: 2\r\n\r\n",        DEFENSIVE, "Acceptable", "NonCompliantHeader",  b"/", b"\r\nZ: 2"),
    (START + b"X: a\x07b\r\nZ: 2\r\n\r\n",     DEFENSIVE, "Acceptable", "NonCompliantHeader",  b"/", b"\r\nZ: 2"),
    (START + b": 1\r\nZ: 2\r\n\r\n",           DEFENSIVE, "Ambiguous",  "EmptyHeader",         b"/", b"\r\nZ: 2"),
    (START + b"nothing\r\nZ: 2\r\n\r\n",       DEFENSIVE, "Ambiguous",  "MissingHeaderColon",  b"/", b"\r\nZ: 2"),
    (START + b"X: 1\r\n\t2\r\n  3\r\n\r\n",    DEFENSIVE, "Ambiguous",  "MultilineHeader",     b"/", b"\r\nX: 1 2 3"),
    (START + b"X: 1\r\n \r\n\r\n",              DEFENSIVE, "Ambiguous",  "MultilineHeader",     b"/", b"\r\nX: 1"),
    (POST + b"Transfer_Encoding: chunked\r\n\r\n", MONITOR, "Ambiguous", "SuspiciousHeader",    b"/", b""),
    (POST + b"Content-Length : 5\r\n\r\n",       MONITOR,   "Ambiguous",  "SuspiciousHeader",    b"/", b""),
    (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", MONITOR, "Ambiguous", "BothTeClPresent", b"/", b""),
    (POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\n", MONITOR, "Ambiguous", "DuplicateContentLength", b"/", b""),
    (b"GET / HTTP/1.1\nHost: a\nX: 1\n\n",       MONITOR,   "Acceptable", "NonCrLfLineTermination", b"/", b"\r\nX: 1"),
    (START + b"Content-Length: 0\r\n\r\n",       DEFENSIVE, "Acceptable", "GetHeadZeroContentLength", b"/", b""),
    (START + b"Content-Length: 4\r\n\r\n",       DEFENSIVE, "Ambiguous",  "UndefinedContentLengthSemantics", b"/", b""),
    (START + b"Transfer-Encoding: chunked\r\n\r\n", DEFENSIVE, "Ambiguous", "UndefinedTransferEncodingSemantics", b"/", b""),
]
# fmt: on
FRAMING = {
    "SuspiciousHeader",
    "BothTeClPresent",
    "DuplicateContentLength",
    "UndefinedContentLengthSemantics",
    "UndefinedTransferEncodingSemantics",
}


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize(
    ("text", "strictest", "tier", "reason", "target", "passed_on"), SERVED
)
def test_what_a_mode_allows_is_written_anew_and_the_rest_refused(  # noqa: PLR0913, PLR0917 - one column each
    text: bytes,
    strictest: int,
    tier: str,
    reason: str,
    target: bytes,
    passed_on: bytes,
    mode: int,
) -> None:
    if mode > strictest:
        with pytest.raises(Refused) as refused:
            read(text, mode)
        assert tier == refusal_tier(refused.value.reason)
        return
    head = read(text + b"GET /next", mode)
    closes = tier == "Ambiguous" and (mode == DEFENSIVE or reason in FRAMING)

    assert (tier, reason) == (head.classification, head.reason)
    assert (target, passed_on) == (head.target, head.passed_on)
    assert closes == head.close_after
    assert len(text) == head.size, "what follows is not read"


# fmt: off
SEVERE = [
    (START + b"Host: b\r\n\r\n",                          "two Hosts"),
    (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",              "a Host in disguise"),
    (START + b"X: a\rb\r\n\r\n",                          "a bare carriage return"),
    (START + b"X: a\0b\r\n\r\n",                          "a NUL"),
    (b"\n\n",                                             "line feeds and nothing else"),
    (b"\n\nGET / HTTP/1.1\nHost: a\n\n",                  "line feeds in front"),
    (START + b"X: 1\nY: 2\r\n\r\n",                       "one line feed among CRLFs"),
    (POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n", "two lengths"),
    (POST + b"Content-Length: 3\r\n 4\r\n\r\n",           "a folded length"),
    (POST + b"Content-Length: +3\r\n\r\n",                "a length with a sign"),
    (POST + b"Transfer-Encoding: chunked\x0b\r\n\r\n",    "a coding with a control character"),
    (POST + b"Transfer-Encoding: xchunked\r\n\r\n",       "a coding nobody knows"),
    (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "chunks for HTTP/1.0"),
    (b"GET / HTTP/1.1\r\n folded: 1\r\nHost: a\r\n\r\n",  "folded onto the request line"),
    (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",               "another major version"),
    (b"GET HTTP/1.1\r\nHost: a\r\n\r\n",                 "no target"),
    (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",             "TRACE"),
]
# fmt: on


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize(
    "text", [row[0] for row in SEVERE], ids=[row[1] for row in SEVERE]
)
def test_what_has_no_single_reading_is_refused_in_every_mode(
    text: bytes, mode: int
) -> None:
    with pytest.raises(Refused):
        read(text, mode)


def test_the_worst_tier_counts_and_in_it_what_was_found_first() -> None:
    head = read(b"GET /a b HTTP/1.1\r\nHost: a\r\n: 1\r\nX\r\n\r\n", DEFENSIVE)

    assert ("Ambiguous", "EmptyHeader") == (head.classification, head.reason)
    assert head.close_after


@pytest.mark.parametrize("text", [row[0] for row in SERVED])
def test_a_head_that_may_still_be_mended_is_waited_for(text: bytes) -> None:
    for end in range(len(text)):
        assert scan(text[:end], MONITOR) is None, text[:end]


@given(mangled(), st.sampled_from([MONITOR, DEFENSIVE]))
@settings(max_examples=examples(300), deadline=None)
def test_what_is_sent_on_is_read_alike_by_others(text: bytes, mode: int) -> None:
    """The lines that pass, in the head we write, are one request to h11 too."""
    head = None
    with contextlib.suppress(Refused):
        found = scan(text, mode)
        head = found[0] if found else None
    if head is None or not head.target.isascii():
        return  # octets beyond ASCII pass in a target; h11 takes none
    server = h11.Connection(h11.SERVER)
    server.receive_data(
        b"%b %b HTTP/1.1\r\nHost: a%b\r\n\r\n"
        % (head.method, head.target, head.passed_on)
    )
    event = server.next_event()

    assert isinstance(event, h11.Request)
    assert (head.method, head.target) == (event.method, event.target)
    names = [name for name, _ in event.headers]
    assert names.count(b"host") == 1
    assert not {b"content-length", b"transfer-encoding", b"upgrade"} & {*names}
    assert isinstance(server.next_event(), h11.EndOfMessage)
    assert server.trailing_data == (b"", False)


@given(mangled())
@settings(max_examples=examples(200), deadline=None)
def test_a_stricter_mode_serves_nothing_that_a_laxer_one_refuses(text: bytes) -> None:
    served = []
    for mode in (MONITOR, DEFENSIVE, STRICTEST):
        with contextlib.suppress(Refused):
            scan(text, mode)
            served.append(mode)

    assert served == list(range(len(served)))
