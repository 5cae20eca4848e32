"""The answers we give ourselves are whole, canonical messages."""

import h11
import pytest

from alb.decide.fixed import (
    ERROR_ANSWERS,
    Answer,
    error_response,
    fixed_answer,
    own_lines,
    phrase,
)
from alb.model import FixedResponse, Listener

DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
LINES = own_lines(Listener(80, FixedResponse(404)))


def read(wire: bytes, method: bytes = b"GET") -> tuple[h11.Response, bytes, bool]:
    """Read with another parser: the head, the body, whether the connection stays."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target=b"/", headers=[(b"host", b"a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(wire)
    head = client.next_event()
    assert isinstance(head, h11.Response)
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert client.trailing_data == (b"", False)
    return head, body, client.their_state is h11.DONE


def header(head: h11.Response, name: bytes) -> bytes | None:
    return dict(head.headers.raw_items()).get(name)


def test_a_fixed_response_says_what_the_action_says() -> None:
    answer = fixed_answer(FixedResponse(404, "text/plain", "nö"))

    head, body, stays = read(answer.wire(DATE, LINES, keep_alive=True))

    assert (404, b"Not Found", "nö".encode()) == (head.status_code, head.reason, body)
    assert header(head, b"Content-Type") == b"text/plain; charset=utf-8"
    assert header(head, b"Server") == b"awselb/2.0"
    assert header(head, b"Date") == DATE
    assert stays
    assert 404 == answer.status


def test_a_listener_sets_headers_and_may_leave_out_server() -> None:
    headers = (("X-Frame-Options", "DENY"), ("Access-Control-Max-Age", "6\r\nA: b"))
    listener = Listener(
        80, FixedResponse(200), response_headers=headers, server_header=False
    )

    head, _, _ = read(
        fixed_answer(FixedResponse(200)).wire(
            DATE, own_lines(listener), keep_alive=True
        )
    )

    assert header(head, b"X-Frame-Options") == b"DENY"
    assert header(head, b"Access-Control-Max-Age") == b"6A: b"
    assert header(head, b"Server") is None


def test_a_connection_that_ends_says_so() -> None:
    *_, stays = read(
        fixed_answer(FixedResponse(200)).wire(DATE, LINES, keep_alive=False)
    )

    assert not stays


def test_head_gets_the_length_and_no_body() -> None:
    answer = fixed_answer(FixedResponse(200, message_body="four"))

    head, body, _ = read(
        answer.wire(DATE, LINES, keep_alive=True, head_only=True), method=b"HEAD"
    )

    assert (b"4", b"") == (header(head, b"Content-Length"), body)


def test_a_status_without_body_has_none() -> None:
    head, body, _ = read(
        fixed_answer(FixedResponse(204, message_body="x")).wire(
            DATE, LINES, keep_alive=True
        )
    )

    assert body == b""
    assert header(head, b"Content-Length") is None


def test_nothing_can_end_a_header_early() -> None:
    answer = Answer(301, b"text/html\r\nA: b", b"", b"http://a/\r\nSet-Cookie: x\x00")

    head, _, _ = read(answer.wire(DATE, LINES, keep_alive=True))

    assert header(head, b"Content-Type") == b"text/htmlA: b"
    assert header(head, b"Location") == b"http://a/Set-Cookie: x"
    assert header(head, b"Set-Cookie") is None


@pytest.mark.parametrize("status", sorted(ERROR_ANSWERS))
def test_every_error_is_a_page_that_closes(status: int) -> None:
    head, body, stays = read(error_response(status, DATE, LINES))

    assert status == head.status_code
    assert f"<h1>{status} {phrase(status)}</h1>".encode() in body
    assert header(head, b"Content-Type") == b"text/html"
    assert not stays


def test_a_status_nobody_named_has_no_words() -> None:
    assert phrase(299) == ""
    assert phrase(503) == "Service Temporarily Unavailable"
