"""A target's head has one meaning, or it is no answer."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alb.decide.response import HEAD_MAX, ResponseHead, has_body, scan_response
from alb.errors import Malformed
from tests.support.examples import examples

OK = b"HTTP/1.1 200 OK\r\n"


def read(head: bytes) -> ResponseHead:
    found = scan_response(head)
    assert found is not None, "not whole"
    return found[0]


# fmt: off
READ = [
    (OK + b"\r\n",                           "status",         200,    "a status"),
    (OK + b"\r\n",                           "reason",         b"OK",  "and its reason"),
    (b"HTTP/1.1 200\r\n\r\n",                "reason",         b"",    "which may be missing"),
    (b"HTTP/1.1 200 \r\n\r\n",               "reason",         b"",    "or empty"),
    (b"HTTP/1.1 999 caf\xe9 x\r\n\r\n",      "reason",         b"caf\xe9 x", "or anything"),
    (OK + b"\r\n",                           "keep_alive",     True,   "HTTP/1.1 stays"),
    (OK + b"Connection: Close\r\n\r\n",      "keep_alive",     False,  "unless it says otherwise"),
    (OK + b"Connection: keep-alive\r\n\r\n", "keep_alive",     True,   "or says so"),
    (b"HTTP/1.0 200 OK\r\n\r\n",             "keep_alive",     False,  "HTTP/1.0 closes"),
    (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n", "keep_alive", True, "unless it says otherwise"),
    (b"HTTP/1.0 200 OK\r\nConnection: x, Keep-Alive\r\n\r\n", "keep_alive", True, "among others too"),
    (OK + b"Connection: keep-alive, close\r\n\r\n", "keep_alive", False, "close wins"),
    (OK + b"Connection: x\r\n\r\n",          "keep_alive",     True,   "what we do not know changes nothing"),
    (OK + b"Content-Length: 5\r\n\r\n",      "content_length", 5,      "a length"),
    (OK + b"Content-Length: 5\r\nContent-Length:05\r\n\r\n", "content_length", 5, "twice the same is the same"),
    (OK + b"\r\n",                           "content_length", None,   "none: until the target closes"),
    (OK + b"content-length:\t0 \r\n\r\n",    "content_length", 0,      "in any case and space"),
    (b"HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n", "content_length", 5, "304 tells what there would be"),
    (b"HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\n", "content_length", None, "204 has none to tell"),
    (OK + b"Transfer-Encoding: Chunked\r\n\r\n", "chunked",    True,   "chunked"),
    (OK + b"\r\n",                           "chunked",        False,  "or not"),
    (OK + b"Upgrade: x \r\n\r\n",            "upgrade",        b"x",   "an upgrade"),
    (OK + b"A: 1\r\nb:  2 \r\nA:\r\n\r\n",   "passed_on",      b"\r\nA: 1\r\nb:  2 \r\nA:", "lines pass unchanged, in order"),
    (OK + b"A: 1\r\nKeep-Alive: x\r\nTE: x\r\nB: 2\r\n\r\n", "passed_on", b"\r\nA: 1\r\nB: 2", "but for those of this connection"),
    (OK + b"A: 1\r\nB: 2\r\nConnection: a\r\n\r\n", "passed_on", b"\r\nB: 2", "or named to be"),
    (OK + b"Date: 1\r\nConnection: date\r\n\r\n", "passed_on", b"\r\nDate: 1", "unless they must not go missing"),
    (OK + b"X_y.z!: caf\xe9\r\n\r\n",        "passed_on",      b"\r\nX_y.z!: caf\xe9", "odd names and bytes pass"),
]
MALFORMED = [
    (b"nonsense",                                "what is no HTTP"),
    (b"HTTP/2 200\r\n\r\n",                      "another version"),
    (b"HTTP/1.2 200 OK\r\n\r\n",                 "a minor one we do not know"),
    (b"HTTP/1.1 20 OK\r\n\r\n",                  "two digits"),
    (b"HTTP/1.1 2000 OK\r\n\r\n",                "four"),
    (b"HTTP/1.1 099 OK\r\n\r\n",                 "a status of nothing"),
    (b"HTTP/1.1  200 OK\r\n\r\n",                "two spaces"),
    (b"HTTP/1.1 200 O\0K\r\n\r\n",               "NUL in the reason"),
    (b"HTTP/1.1 200 OK\nX: y\r\n\r\n",           "a bare LF"),
    (OK + b"X: a\rb\r\n\r\n",                    "a bare CR"),
    (OK + b"X: a\r\n b\r\n\r\n",                 "a folded line"),
    (OK + b"X : a\r\n\r\n",                      "a space before the colon"),
    (OK + b"X\r\n\r\n",                          "no colon"),
    (OK + b": a\r\n\r\n",                        "no name"),
    (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "two lengths"),
    (OK + b"Content-Length: 5, 5\r\n\r\n",       "a list of them"),
    (OK + b"Content-Length: -1\r\n\r\n",         "less than nothing"),
    (OK + b"Content-Length:\r\n\r\n",            "none where one is told"),
    (OK + b"Content-Length: " + b"1" * 19 + b"\r\n\r\n", "more than fits anywhere"),
    (OK + b"Transfer-Encoding: gzip\r\n\r\n",    "a coding we did not ask for"),
    (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "or a list"),
    (OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "chunked twice"),
    (OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "two framings"),
    (OK + b"X: " + b"y" * HEAD_MAX + b"\r\n\r\n", "a head of more than 32 K"),
    (OK + b"X: " + b"y" * HEAD_MAX,              "told before it ends"),
]
BODIES = [
    (b"GET",  200, b"Content-Length: 5", True,  "counted"),
    (b"GET",  200, b"Content-Length: 0", False, "empty"),
    (b"GET",  200, b"Transfer-Encoding: chunked", True, "chunked"),
    (b"GET",  200, b"X: y",              True,  "until the target closes"),
    (b"HEAD", 200, b"Content-Length: 5", False, "HEAD has none"),
    (b"HEAD", 200, b"Transfer-Encoding: chunked", False, "of any framing"),
    (b"GET",  204, b"Content-Length: 5", False, "204 has none"),
    (b"GET",  304, b"Content-Length: 5", False, "nor has 304"),
]
# fmt: on


@pytest.mark.parametrize(
    ("head", "name", "value"), [r[:-1] for r in READ], ids=[r[-1] for r in READ]
)
def test_what_has_one_meaning_is_read(head: bytes, name: str, value: object) -> None:
    assert value == getattr(read(head), name)


@pytest.mark.parametrize(
    "head", [r[0] for r in MALFORMED], ids=[r[1] for r in MALFORMED]
)
def test_what_is_no_answer_is_malformed(head: bytes) -> None:
    with pytest.raises(Malformed):
        scan_response(head)


@pytest.mark.parametrize(
    ("method", "status", "line", "expected"),
    [r[:-1] for r in BODIES],
    ids=[r[-1] for r in BODIES],
)
def test_which_answers_have_a_body(
    method: bytes, status: int, line: bytes, expected: object
) -> None:
    head = read(b"HTTP/1.1 %d X\r\n%b\r\n\r\n" % (status, line))
    assert has_body(head, method) == expected


def test_a_head_of_32_k_is_read() -> None:
    filler = HEAD_MAX - len(OK) - len(b"X: \r\n\r\n")
    found = scan_response(OK + b"X: " + b"y" * filler + b"\r\n\r\nbody")
    assert found is not None
    assert found[1] == HEAD_MAX


NAMES = [
    b"Content-Length",
    b"Transfer-Encoding",
    b"Connection",
    b"X-A",
    b"Upgrade",
    b"X ",
]
VALUES = [b"5", b"0", b"chunked", b"close", b"x-a", b"", b"\xe9", b"gzip"]
ENDS = [b"\r\n"] * 12 + [b"\n", b"\r", b"\r\n "]
header = st.tuples(*map(st.sampled_from, (NAMES, VALUES, ENDS))).map(
    lambda h: b"%b: %b%b" % h
)
start = st.sampled_from([OK] * 5 + [b"HTTP/1.0 404 No\r\n", b"HTTP/1.1 200\r\n"])
spelled = st.tuples(start, st.lists(header, max_size=4).map(b"".join)).map(
    lambda h: h[0] + h[1] + b"\r\n"
)


def answer(data: bytes) -> tuple[object, ...] | type[Malformed] | None:
    try:
        found = scan_response(data)
    except Malformed:
        return Malformed
    if found is None:
        return None
    head, end = found
    framing = (head.content_length, head.chunked, head.keep_alive, head.upgrade)
    return (end, head.status, head.reason, framing, head.passed_on)


@given(st.binary(max_size=200) | spelled, st.data())
@settings(max_examples=examples(150))
def test_where_a_head_is_cut_makes_no_difference(
    wire: bytes, data: st.DataObject
) -> None:
    whole = answer(wire)
    for end in data.draw(st.lists(st.integers(0, len(wire)), max_size=6)):
        part = answer(wire[:end])
        if isinstance(whole, tuple):
            assert part == (whole if end >= whole[0] else None)  # type: ignore[operator]  # where the head ends
        elif whole is None:
            assert part is None
        else:
            assert not isinstance(part, tuple)


@given(spelled)
@settings(max_examples=examples(150))
def test_what_is_read_h11_reads_alike(wire: bytes) -> None:
    """Also where a target says the same length twice."""
    try:
        found = scan_response(wire)
    except Malformed:
        return
    if found is None:
        return
    head = found[0]
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(wire)
    event = connection.next_event()
    assert isinstance(event, h11.Response)
    headers = dict(event.headers)
    assert (event.status_code, event.reason) == (head.status, head.reason)
    assert head.chunked == (b"transfer-encoding" in headers)
    length = headers.get(b"content-length")
    assert head.content_length == (None if length is None else int(length))
