"""Redirects go where their template says, and carry nothing a client slipped in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.decide.redirect import LOCATION_MAX_BYTES, CompiledRedirect
from alb.model import Redirect

# fmt: off
TEMPLATES = [  # of http://old.example:8080/a/b?c=d
    (Redirect(301, protocol="HTTPS", port="443"), b"https://old.example:443/a/b?c=d", "to TLS; the port is always written"),
    (Redirect(301, host="new.example"),  b"http://new.example:8080/a/b?c=d",  "to another host"),
    (Redirect(301, host="new.#{host}"),  b"http://new.old.example:8080/a/b?c=d", "beside this one"),
    (Redirect(301, path="/"),            b"http://old.example:8080/?c=d",     "to another path"),
    (Redirect(301, path="/new/#{path}"), b"http://old.example:8080/new/a/b?c=d", "below another path"),
    (Redirect(301, path="/#{host}/#{port}/#{path}"), b"http://old.example:8080/old.example/8080/a/b?c=d", "host and port in the path"),
    (Redirect(301, path="/x", query=""), b"http://old.example:8080/x",        "without the query"),
    (Redirect(301, query="x=y"),         b"http://old.example:8080/a/b?x=y",  "with another query"),
    (Redirect(301, query="#{query}&p=#{protocol}&h=#{host}&o=#{port}&r=#{path}"),
     b"http://old.example:8080/a/b?c=d&p=http&h=old.example&o=8080&r=a/b",    "every keyword in the query"),
    (Redirect(301, path="/#{query}"),    b"http://old.example:8080/%23{query}?c=d".replace(b"%23", b"#"), "a keyword elsewhere is text"),
    (Redirect(301, query="#{nothing}"),  b"http://old.example:8080/a/b?#{nothing}", "as is one that is none"),
    (Redirect(301, path="/ä b"),         b"http://old.example:8080/%C3%A4%20b?c=d", "what no header may hold is escaped"),
]
# fmt: on


@pytest.mark.parametrize(
    ("action", "expected"),
    [row[:2] for row in TEMPLATES],
    ids=[row[2] for row in TEMPLATES],
)
def test_location(action: Redirect, expected: bytes) -> None:
    asked = (b"http", b"old.example", b"8080", b"/a/b", b"c=d")

    assert expected == CompiledRedirect(action).location(*asked)


def test_without_a_query_there_is_no_question_mark() -> None:
    compiled = CompiledRedirect(Redirect(302, port="81"))

    assert b"http://[::1]:81/" == compiled.location(b"http", b"[::1]", b"80", b"/", b"")


def test_an_escaped_path_stays_as_it_was_written() -> None:
    compiled = CompiledRedirect(Redirect(302, port="81"))

    assert b"http://a:81/%61%2F?b=%26" == compiled.location(
        b"http", b"a", b"80", b"/%61%2F", b"b=%26"
    )


def test_a_location_that_is_too_long_is_refused() -> None:
    compiled = CompiledRedirect(Redirect(302))
    room = LOCATION_MAX_BYTES - len(b"http://a:80/")

    exact = compiled.location(b"http", b"a", b"80", b"/" + b"x" * room, b"")
    assert exact is not None
    assert len(exact) == LOCATION_MAX_BYTES
    longer = compiled.location(b"http", b"a", b"80", b"/x" + b"x" * room, b"")
    assert longer is None


@given(*[st.binary(max_size=8)] * 4)
def test_nothing_that_came_can_end_the_header(
    host: bytes, port: bytes, path: bytes, query: bytes
) -> None:
    location = CompiledRedirect(Redirect(301)).location(
        b"http", host, port, path, query
    )

    assert location is not None
    assert all(0x21 <= octet <= 0x7E for octet in location)


def test_the_answer_carries_the_location_and_names_the_status() -> None:
    answer = CompiledRedirect(Redirect(301, port="81")).answer(b"http://a:81/")

    wire = answer.wire(b"-", b"", keep_alive=True)

    assert wire.startswith(b"HTTP/1.1 301 Moved Permanently\r\n")
    assert b"\r\nLocation: http://a:81/\r\n" in wire
