"""A chunked body ends where it ends, however it arrives; all else is malformed."""

from __future__ import annotations

import itertools

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alb.decide.chunked import (
    LAST_CHUNK,
    SIZE_LINE_MAX,
    TRAILERS_MAX,
    ChunkDecoder,
    ChunksMalformed,
    chunk,
)
from tests.support.examples import examples

# fmt: off
BODIES = [
    (b"5\r\nhello\r\n0\r\n\r\n",               b"hello",  b"",     "one chunk"),
    (b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\nGET",   b"hello",  b"GET",  "what follows is left alone"),
    (b"0\r\n\r\n",                             b"",       b"",     "no chunk at all"),
    (b"000\r\n\r\n\r\n",                       b"",       b"\r\n", "zeros are zero"),
    (b"A\r\n0123456789\r\n0\r\n\r\n",          b"0123456789", b"", "sizes are hexadecimal"),
    (b"a\r\n\r\n0\r\n\r\n\r\nX\r\n0\r\n\r\n",  b"\r\n0\r\n\r\n\r\nX", b"", "content that looks like framing"),
    (b"1;a=b\r\nx\r\n0;c\r\n\r\n",             b"x",      b"",     "extensions are dropped"),
    (b"1 \t;a\r\nx\r\n0\r\n\r\n",              b"x",      b"",     "with space in front"),
    (b"0\r\nA: b\r\nC:\r\n\r\nrest",           b"",       b"rest", "and so are trailers"),
    (b"1;" + b"e" * (SIZE_LINE_MAX - 4) + b"\r\nx\r\n0\r\n\r\n", b"x", b"", "up to 4 K of one"),
    (b"0\r\nA:" + b"b" * (TRAILERS_MAX - 4) + b"\r\n\r\n", b"", b"", "up to 16 K of the other"),
]
MALFORMED = [
    (b"\r\n",                       "a size must be told"),
    (b"x\r\n",                      "in hexadecimal"),
    (b"5 \r\nhello\r\n",            "without space behind"),
    (b" 5\r\nhello\r\n",            "or in front"),
    (b"+5\r\nhello\r\n",            "or a sign"),
    (b"0x5\r\nhello\r\n",           "or a prefix"),
    (b"5_0\r\nhello\r\n",           "or an underscore"),
    (b"f" * 16 + b"\r\n",           "within what fits anywhere"),
    (b"5\nhello\r\n",               "a line ends in CRLF"),
    (b"5;a\nb\r\nhello\r\n",        "an extension too"),
    (b"5;a\rb\r\nhello\r\n",        "and holds no bare CR"),
    (b"5;a\0\r\nhello\r\n",         "nor NUL"),
    (b"5\r\nhello0\r\n\r\n",        "a chunk ends where it said"),
    (b"5\r\nhello\n0\r\n\r\n",      "in CRLF"),
    (b"5\r\nhello\rX",              "in both of it"),
    (b"0\r\nA b: c\r\n\r\n",        "a trailer's name is a token"),
    (b"0\r\nA\r\n\r\n",             "before a colon"),
    (b"0\r\nA: b\n\r\n",            "its line ends in CRLF"),
    (b"0\r\n\n",                    "and the empty one too"),
    (b"1;" + b"e" * (SIZE_LINE_MAX - 3) + b"\r\n",  "an extension of more than 4 K"),
    (b"1;" + b"e" * SIZE_LINE_MAX,                  "told before it ends"),
    (b"0\r\nA:" + b"b" * (TRAILERS_MAX - 3) + b"\r\n", "trailers of more than 16 K"),
    (b"0\r\nA:" + b"b" * TRAILERS_MAX,              "told before they end"),
    (b"0\r\n" + b"A:b\r\n" * (TRAILERS_MAX // 5 + 1), "together, not each"),
]
# fmt: on


def decoded(data: bytes, cuts: list[int] | None = None) -> tuple[bytes, bytes, bool]:
    """(body, rest, ended), fed in pieces cut at `cuts`."""
    decoder = ChunkDecoder()
    body = b""
    edges = [0, *sorted(cuts or ()), len(data)]
    for start, end in itertools.pairwise(edges):
        body += decoder.feed(data[start:end])
        if decoder.ended:
            return body, decoder.rest + data[end:], True
    return body, decoder.rest, decoder.ended


@pytest.mark.parametrize(
    ("data", "body", "rest"), [r[:-1] for r in BODIES], ids=[r[-1] for r in BODIES]
)
def test_a_body_is_taken_apart(data: bytes, body: bytes, rest: bytes) -> None:
    assert decoded(data) == (body, rest, True)
    assert decoded(data, list(range(len(data)))) == (body, rest, True)


@pytest.mark.parametrize(
    "data", [r[0] for r in MALFORMED], ids=[r[1] for r in MALFORMED]
)
def test_what_is_no_chunk_is_malformed(data: bytes) -> None:
    with pytest.raises(ChunksMalformed):
        decoded(data)
    with pytest.raises(ChunksMalformed):
        decoded(data, list(range(len(data))))


def test_after_its_end_nothing_more_is_taken() -> None:
    decoder = ChunkDecoder()
    decoder.feed(LAST_CHUNK)
    assert decoder.feed(b"next") == b""
    assert decoder.rest == b"next"


pieces = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
lines = [b"0", b"1", b"a", b"\r\n", b"\n", b"\r", b";x", b" ", b"A: b", b"xx", b"5"]
noise = st.binary(max_size=60) | st.lists(st.sampled_from(lines), max_size=12).map(
    b"".join
)


@given(pieces, st.binary(max_size=20), st.data())
def test_what_we_chunk_is_read_back_however_it_is_cut(
    parts: list[bytes], rest: bytes, data: st.DataObject
) -> None:
    wire = b"".join(map(chunk, parts)) + LAST_CHUNK + rest
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=10))
    assert decoded(wire, cuts) == (b"".join(parts), rest, True)


@given(noise, st.data())
@settings(max_examples=examples(200))
def test_noise_is_malformed_or_waited_for_and_cuts_do_not_matter(
    wire: bytes, data: st.DataObject
) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=10))
    try:
        whole = decoded(wire)
    except ChunksMalformed:
        with pytest.raises(ChunksMalformed):
            decoded(wire, cuts)
    else:
        assert whole == decoded(wire, cuts)


HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def by_h11(wire: bytes) -> tuple[bytes, bytes]:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=100_000)
    connection.receive_data(HEAD + wire)
    assert isinstance(connection.next_event(), h11.Request)
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    return body, connection.trailing_data[0]


@given(noise)
@settings(max_examples=examples(200))
@example(b"1;a=b\r\nx\r\n0\r\nA: b\r\n\r\nrest")
def test_what_is_read_h11_reads_alike(wire: bytes) -> None:
    """But for space before an extension, which RFC 9112 lets us bear with."""
    if b" ;" in wire or b"\t;" in wire:
        return
    try:
        body, rest, ended = decoded(wire)
    except ChunksMalformed:
        return
    if ended:
        assert (body, rest) == by_h11(wire)


def fed_until_refused(unit: bytes) -> int:
    decoder = ChunkDecoder()
    for fed in range(0, 100 * len(unit), 100):
        at = fed % len(unit)
        try:
            decoder.feed(unit[at : at + 100])
        except ChunksMalformed:
            return fed
    raise AssertionError("fed for ever")


@pytest.mark.parametrize("unit", [b"0\r\n" + b"A: b\r\n" * 9999, b"1;" + b"e" * 9998])
def test_what_is_kept_between_feeds_is_bounded(unit: bytes) -> None:
    """A line, or all trailers, at most."""
    assert fed_until_refused(unit) <= TRAILERS_MAX + 200
