"""What a rule's transforms make of the request that it chose. Floor 1.

    head --> Rewrite.apply --> head of what to send, and Rewritten: what was done

An expression sees the request as rules do, whatever the client wrote for it: the
host in lower case, without its port; the path decoded, resolved and escaped anew,
with its query as it came. So a client cannot spell a request in a way that a rule
takes and its transform does not, nor climb out of what a transform put in front.
Only the first match is replaced. What comes out is held to what a received host
or target is held to, and may not lead up and down the path; otherwise the
transform has failed (HTTP 500) and nothing is sent.

Source: ALB user guide, "Transforms for listener rules"; status words: "Access
logs for your Application Load Balancer", request_transform_status.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from alb.decide.access_log import AccessEntry
from alb.decide.head import HEADER_MAX, REQUEST_LINE_MAX, TARGET, host_name
from alb.decide.regex import capturing
from alb.decide.request import RequestHead
from alb.decide.spelling import sole_spelling
from alb.decide.uri import canonical_target, leads_elsewhere
from alb.errors import Refused
from alb.model import HostHeaderRewrite, Transform
from foundation.regex import Flaw

SUCCESS: Final = "TransformSuccess"
INVALID_HOST: Final = "TransformInvalidHost"
INVALID_PATH: Final = "TransformInvalidPath"
TOO_LONG: Final = "TransformBufferTooSmall"

HOST_MAX: Final = HEADER_MAX - len("Host: ")
_AROUND_TARGET: Final = len("  HTTP/1.1")
_TARGET: Final = re.compile(TARGET)
_GROUP: Final = re.compile(r"\$([0-9]{1,2})")
_ASTERISK: Final = b"*"

Template = tuple[bytes | int, ...]
"""Text, and the numbers of groups that are put between."""


class Rewritten:
    """`host` and `target` are None where nothing of theirs changes.

    `status` is in AWS's words, empty where no expression matched; `received` is
    what a log tells of the request as it came.
    """

    __slots__ = ("host", "received", "status", "target")

    def __init__(
        self,
        received: RequestHead,
        status: str,
        host: bytes | None = None,
        target: bytes | None = None,
    ) -> None:
        self.received = received
        self.status = status
        self.host = host
        self.target = target

    @property
    def failed(self) -> bool:
        return self.status not in ("", SUCCESS)

    def note_in(self, entry: AccessEntry) -> None:
        entry.head = self.received
        entry.transform_status = self.status.encode()
        entry.transformed_host = self.host or b"-"
        entry.transformed_uri = self.target or b"-"


class Rewrite:
    """The transforms of one rule."""

    __slots__ = ("_host", "_url")

    def __init__(self, transforms: Iterable[Transform]) -> None:
        self._host: _Replacing | None = None
        self._url: _Replacing | None = None
        for transform in transforms:
            if isinstance(transform, HostHeaderRewrite):
                self._host = _Replacing(transform, any_case=True)
            else:
                self._url = _Replacing(transform, any_case=False)

    def apply(self, head: RequestHead, host: bytes) -> Rewritten:
        """Make of `head` what is to be sent; `host` is its name, or one in place.

        A transform that fails leaves it as it is.
        """
        new_host = new_target = None
        received = _as_received(head)
        if self._host is not None:
            new_host = self._host.replaced(host.removesuffix(b"."))
            if problem := _host_problem(new_host):
                return Rewritten(received, problem)
        if self._url is not None and head.target != _ASTERISK:
            new_target = self._url.replaced(canonical_target(head.target))
            most = REQUEST_LINE_MAX - len(head.method) - _AROUND_TARGET
            if problem := _target_problem(new_target, most):
                return Rewritten(received, problem)
        if new_host is not None:
            head.host_field = new_host
            head.host = host_name(new_host)
        if new_target is not None:
            head.target = new_target
        changed = new_host is not None or new_target is not None
        return Rewritten(received, SUCCESS if changed else "", new_host, new_target)


class _Replacing:
    """One expression and what its match is replaced by."""

    __slots__ = ("_expression", "_template")

    def __init__(self, transform: Transform, *, any_case: bool) -> None:
        self._expression: Any = capturing(transform.regex, any_case=any_case)
        self._template = template_of(transform.replace, self._expression.groups)

    def replaced(self, text: bytes) -> bytes | None:
        """Return `text` with its first match replaced, or None: there is none.

        No longer than REQUEST_LINE_MAX and some: what goes beyond is cut, since
        it is refused anyway.
        """
        found = self._expression.search(text)
        if found is None:
            return None
        parts: list[bytes] = [text[: found.start()]]
        size = len(text)
        for piece in self._template:
            part = piece if isinstance(piece, bytes) else found.group(piece) or b""
            parts.append(part)
            size += len(part)
            if size > REQUEST_LINE_MAX + HEADER_MAX:
                break
        parts.append(text[found.end() :])
        return b"".join(parts)


def _host_problem(host: bytes | None) -> str:
    if host is None:
        return ""
    if len(host) > HOST_MAX:
        return TOO_LONG
    try:
        return "" if host_name(host) else INVALID_HOST
    except Refused:
        return INVALID_HOST


def _target_problem(target: bytes | None, most: int) -> str:
    if target is None:
        return ""
    if len(target) > most:
        return TOO_LONG
    path = target.partition(b"?")[0]
    if path[:1] != b"/" or _TARGET.fullmatch(target) is None or leads_elsewhere(path):
        return INVALID_PATH
    return ""


def settle(head: RequestHead, entry: AccessEntry | None) -> None:
    """Leave one path to read where servers differ: that which the rules looked at.

    `entry`, where there is a log, tells of both.
    """
    if entry is not None and entry.head is head:
        entry.head = _as_received(head)
    head.target = sole_spelling(head.target)
    if entry is not None:
        entry.transformed_uri = head.target


def _as_received(head: RequestHead) -> RequestHead:
    """Return what a log tells of `head`, untouched by what is done to it later."""
    copy = RequestHead(head.method, head.target, head.version)
    copy.host_field = head.host_field
    copy.block = head.block
    return copy


def template_of(text: str, groups: int) -> Template:
    """Read a replacement: ``$1`` to ``$99`` are groups, ``$0`` is the whole match.

    ``$12`` is group 12 if there are that many, else group 1 and a 2. Any other
    dollar sign is itself. Raises ValueError on a group that is not there.
    """
    flaw = replacement_flaw_of(text, groups)
    if flaw is not None:
        raise ValueError(flaw.message)
    pieces: list[bytes | int] = []
    at = 0
    for found in _GROUP.finditer(text):
        digits = found.group(1)
        kept = digits if int(digits) <= groups else digits[:1]
        pieces += [text[at : found.start()].encode(), int(kept)]
        at = found.start() + 1 + len(kept)
    pieces.append(text[at:].encode())
    return tuple(piece for piece in pieces if piece != b"")


def replacement_flaw_of(text: str, groups: int) -> Flaw | None:
    """Return what is wrong with a replacement for an expression of so many groups."""
    for found in _GROUP.finditer(text):
        if int(found.group(1)[0]) > groups:
            message = f"{found.group()} names a group of {groups}"
            return Flaw(message, found.start() + 1)
    return None
