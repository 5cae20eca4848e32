"""Answers that the load balancer gives itself, made once and sent many times.

Floor 1: pure, over bytes. Fixed responses, the page under a redirect, and ALB's
own errors: a short HTML page, ``Server: awselb/2.0``.

    Answer.wire(date, lines) = status line, headers, Date, lines, Connection, body

Absent: any byte of a request. Nothing that a client sent is ever shown back here
but a redirect's Location, which `redirect` has made safe.

Source: ALB user guide, "Fixed-response actions", "Troubleshoot your ALB".
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from alb.model import FixedResponse, Listener

SERVER: Final = b"awselb/2.0"

_PHRASES: Final = {
    405: "Not Allowed",
    408: "Request Time-out",
    413: "Request Entity Too Large",
    414: "Request-URI Too Large",
    463: "Too Many Forwarded Addresses",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}
"""Where AWS's words, or a code that only AWS knows, differ from the standard's."""

_PRINTABLE: Final = bytes(range(0x20, 0x7F))
_OTHERS: Final = bytes(set(range(256)) - set(_PRINTABLE))

_BODILESS: Final = frozenset({204, 304})
"""Statuses whose answer ends with its head (RFC 9110, 6.4.1)."""


class Answer:
    """One whole response, but for the Date and whether the connection stays.

    Its parts are joined per request: 0.3 microseconds.
    """

    __slots__ = ("_body", "_close", "_keep", "_start", "status")

    def __init__(
        self, status: int, content_type: bytes, body: bytes, location: bytes = b""
    ) -> None:
        self.status = status
        lines = [b"HTTP/1.1 %d %b" % (status, phrase(status).encode())]
        if status in _BODILESS:
            body = b""
        else:
            lines.append(b"Content-Type: " + _clean(content_type))
            lines.append(b"Content-Length: %d" % len(body))
        if location:
            lines.append(b"Location: " + _clean(location))
        self._start = b"\r\n".join([*lines, b"Date: "])
        self._keep = b"\r\nConnection: keep-alive\r\n\r\n"
        self._close = b"\r\nConnection: close\r\n\r\n"
        self._body = body

    def wire(
        self, date: bytes, lines: bytes, *, keep_alive: bool, head_only: bool = False
    ) -> bytes:
        """Return all bytes to send. `date` is an IMF-fixdate; HEAD gets no body.

        `lines` are the listener's own, see `own_lines`.
        """
        end = self._keep if keep_alive else self._close
        body = b"" if head_only else self._body
        return b"".join((self._start, date, lines, end, body))


def own_lines(listener: Listener) -> bytes:
    """Return the header lines that every answer of a listener has behind its date."""
    server = b"\r\nServer: " + SERVER if listener.server_header else b""
    return server + added_lines(listener.response_headers)


def added_lines(headers: Iterable[tuple[str, str]]) -> bytes:
    """Return header lines, each behind its CRLF."""
    return b"".join(
        b"\r\n%b: %b" % (name.encode(), _clean(value.encode()))
        for name, value in headers
    )


def phrase(status: int) -> str:
    """Return the words behind a status; none where nobody has agreed on any."""
    if status in _PHRASES:
        return _PHRASES[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def fixed_answer(action: FixedResponse) -> Answer:
    """Return what a fixed-response action says, as UTF-8."""
    content_type = action.content_type.encode("ascii", "ignore")
    body = action.message_body.encode()
    return Answer(action.status_code, content_type + b"; charset=utf-8", body)


def page_answer(status: int, location: bytes = b"") -> Answer:
    """Return the short page that names a status."""
    title = f"{status} {phrase(status)}".strip()
    page = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    return Answer(status, b"text/html", page.encode(), location)


def _clean(value: bytes) -> bytes:
    """Drop what cannot stand in a header line."""
    return value.translate(None, _OTHERS)


ERROR_ANSWERS: Final = {
    status: page_answer(status)
    for status in (
        400,
        404,
        405,
        408,
        413,
        414,
        417,
        463,
        500,
        501,
        502,
        503,
        504,
        505,
        507,
    )
}


def error_response(
    status: int,
    date: bytes,
    lines: bytes,
    *,
    keep_alive: bool = False,
    head_only: bool = False,
) -> bytes:
    """Return all bytes of one of ALB's own errors. KeyError: it has no such error."""
    answer = ERROR_ANSWERS[status]
    return answer.wire(date, lines, keep_alive=keep_alive, head_only=head_only)
