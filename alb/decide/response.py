"""Read the head of a target's response. Floor 1: pure.

    bytes -> scan_response -> ResponseHead | None (more is needed) | Malformed

Stricter than browsers, as lenient as a balancer may be: framing has one
meaning or the response is refused (502). What speaks of the connection to the
target alone is taken out; everything else passes unchanged and in order.

Source: RFC 9112 6.3 (which responses have a body, and how long it is); ALB
user guide (32 K of response head).
"""

from __future__ import annotations

import re
from typing import Final

from alb.decide.head import without
from alb.errors import Malformed

HEAD_MAX: Final = 32 * 1024
CONTENT_LENGTH_DIGITS_MAX: Final = 18

_HEAD: Final = re.compile(
    rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([\t -~\x80-\xff]*+))?"
    rb"((?>(?:\r\n[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t -~\x80-\xff]*+)*))\r\n\r\n"
)

_LENGTH: Final = 0
_CODING: Final = 1
_CONNECTION: Final = 2
_UPGRADE: Final = 3
_DROP: Final = 4
_MEANING: Final = {
    b"content-length": _LENGTH,
    b"transfer-encoding": _CODING,
    b"connection": _CONNECTION,
    b"upgrade": _UPGRADE,
    b"keep-alive": _DROP,
    b"proxy-connection": _DROP,
    b"te": _DROP,
    b"trailer": _DROP,
}
_OURS: Final = re.compile(
    rb"\r\n(" + b"|".join(map(re.escape, _MEANING)) + rb"):[ \t]*+([^\r]*+)",
    re.IGNORECASE,
)
"""Splits a block of headers into what is passed on, and names and values of ours."""

_NO_CONTENT: Final = 204
NO_BODY: Final = frozenset({_NO_CONTENT, 304})


class ResponseHead:
    """One response's head. What most do not have stands on the class."""

    status: int
    reason: bytes
    keep_alive: bool
    """The target's wish; whether it may be granted also depends on the body."""
    content_length: int | None = None
    """None: chunked, or until the target closes. Kept for HEAD and 304."""
    chunked: bool = False
    upgrade: bytes = b""
    passed_on: bytes
    """The lines that are sent on unchanged, each behind its CRLF."""

    def __init__(self, status: int, reason: bytes, *, keep_alive: bool) -> None:
        self.status = status
        self.reason = reason
        self.keep_alive = keep_alive


def scan_response(buffer: bytes) -> tuple[ResponseHead, int] | None:
    """Return the head at the start of `buffer` and where it ends, or None: not whole.

    Raises Malformed for what is not HTTP/1, or has two meanings.
    """
    found = _HEAD.match(buffer)
    if found is None:
        if len(buffer) > HEAD_MAX or b"\r\n\r\n" in buffer:
            raise Malformed("not an HTTP/1 response head of at most 32 K")
        if not b"HTTP/1.".startswith(buffer[:7]):
            raise Malformed("not an HTTP/1 response")
        return None
    if found.end() > HEAD_MAX:
        raise Malformed("a response head of more than 32 K")
    minor, status, reason, block = found.groups()
    head = ResponseHead(int(status), reason or b"", keep_alive=minor == b"1")
    _read_headers(head, block)
    if head.chunked and minor == b"0":  # RFC 9112 6.1: not to be relied on
        head.keep_alive = False
    if head.status == _NO_CONTENT:  # RFC 9110 8.6: it has no length to tell
        head.content_length = None
    return head, found.end()


def _read_headers(head: ResponseHead, block: bytes) -> None:
    """Set apart what is passed on (every third part) from what is ours."""
    parts = _OURS.split(block)
    head.passed_on = b"".join(parts[::3])
    connection = b""
    for at in range(1, len(parts), 3):
        meaning = _MEANING[parts[at].lower()]
        value = parts[at + 1]
        if meaning == _LENGTH:
            _read_length(head, value.rstrip(b" \t"))
        elif meaning == _CONNECTION:
            connection = connection + b"," + value if connection else value
        elif meaning == _CODING:
            _read_coding(head, value.rstrip(b" \t").lower())
        elif meaning == _UPGRADE:
            head.upgrade = value.rstrip(b" \t")
    if connection:
        _read_connection(head, connection.lower())
    if head.chunked and head.content_length is not None:
        raise Malformed("both Content-Length and Transfer-Encoding")


def _read_length(head: ResponseHead, value: bytes) -> None:
    if not value.isdigit() or len(value) > CONTENT_LENGTH_DIGITS_MAX:
        raise Malformed("a Content-Length that is no number")
    length = int(value)
    if head.content_length not in (None, length):
        raise Malformed("two Content-Lengths that differ")
    head.content_length = length


def _read_coding(head: ResponseHead, value: bytes) -> None:
    if value != b"chunked" or head.chunked:
        raise Malformed("a Transfer-Encoding other than chunked, once")
    head.chunked = True


def _read_connection(head: ResponseHead, value: bytes) -> None:
    if value == b"keep-alive":
        head.keep_alive = True
        return
    tokens = {token.strip(b" \t") for token in value.split(b",")}
    if b"close" in tokens:
        head.keep_alive = False
    elif b"keep-alive" in tokens:
        head.keep_alive = True
    named = tokens - {b"close", b"keep-alive", b"upgrade", b"content-type", b"date"}
    if named:
        head.passed_on = without(head.passed_on, named)


def has_body(head: ResponseHead, method: bytes) -> bool:
    """Whether body bytes follow this head, by RFC 9112 6.3 rules 1 and 2."""
    if method == b"HEAD" or head.status in NO_BODY:
        return False
    return head.content_length != 0
