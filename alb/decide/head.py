"""Read the head of a request: strict, bounded, one message at a time. Floor 1.

    bytes -> scan_request -> RequestHead | None (more is needed) | Refused

What leaves here has one meaning for every parser on the way: one Host, one
framing, no bare CR or LF, no folded lines. Whatever has two is refused with
AWS's classification reason, and its connection ends. Only lines that may be
passed on are kept, unchanged and in order; what speaks of this connection
alone (Connection, Transfer-Encoding, Keep-Alive …) is taken out here, so that
the framing sent on is ours.

Absent: normalising the path (`decide.rules`), cookies, and any waiting.

Sources: RFC 9110, RFC 9112; ALB user guide (limits, desync mitigation); the
reason names of aws/http-desync-guardian.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from alb.decide.request import RequestHead
from alb.errors import Refused

REQUEST_LINE_MAX: Final = 16 * 1024
HEADER_MAX: Final = 16 * 1024
HEAD_MAX: Final = 64 * 1024
HEADERS_MAX: Final = 256
"""Ours; ALB bounds bytes only."""
METHOD_MAX: Final = 64
EMPTY_LINES_MAX: Final = 8
"""In front of a head. Skipping a stream of them would cost more than sending it."""
CONTENT_LENGTH_DIGITS_MAX: Final = 18
HOSTS_REMEMBERED: Final = 1024
_SMALL: Final = 3 * HEADERS_MAX
"""A head of so few bytes breaks no limit: not even that of headers."""

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_METHOD: Final = _TOKEN[:-1] + b"{1,%d}" % METHOD_MAX
TARGET: Final = rb"[!\"$->@-~\x80-\xff]+(?:\?[!-~\x80-\xff]*)?"
"""No number sign in a path: some end it there, and it is never sent by browsers."""
_HEAD: Final = re.compile(
    rb"(" + _METHOD + rb") (" + TARGET + rb") HTTP/1\.([01])"
    rb"((?>(?:\r\n[-0-9A-Za-z]++:[\t -~\x80-\xff]*+)*))\r\n\r\n"
)
"""The usual head. Names with odd characters take the slow way (`_scan_unusual`)."""
HEADER_LINE: Final = re.compile(rb"(" + _TOKEN + rb"):[\t -~\x80-\xff]*")
_REQUEST_LINE: Final = re.compile(
    rb"(" + _METHOD + rb") (" + TARGET + rb") (HTTP/\d\.\d)"
)
_PLAIN_NAME: Final = re.compile(rb"[-A-Za-z0-9]+")
_BARE_LINE_END: Final = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]+)", re.IGNORECASE)
_HOST: Final = re.compile(rb"(?:[-0-9A-Za-z._]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_LOOKALIKES: Final = ((b"\xc5\xbf", b"s"), (b"\xc4\xb1", b"i"))
"""U+017F and U+0131 in UTF-8: letters whose other case is another letter."""
_NOT_ALNUM: Final = re.compile(rb"[^0-9a-z]")


def _dashed(name: bytes) -> bytes:
    """Match `name` with dashes anywhere, or nowhere: how framing is disguised."""
    letters = (bytes([letter]) for letter in name if letter != ord("-"))
    return b"-*" + b"-*".join(letters) + b"-*"


# What a header means to us. Names that are not here are passed on as they came.
_HOST_NAME: Final = 0
_LENGTH: Final = 1
_CODING: Final = 2
_CONNECTION: Final = 3
_EXPECT: Final = 4
_UPGRADE: Final = 5
_XFF: Final = 6
_TRACE: Final = 7
_DROP: Final = 8
_SUSPICIOUS: Final = 9
MEANING: Final = {
    b"host": _HOST_NAME,
    b"content-length": _LENGTH,
    b"transfer-encoding": _CODING,
    b"connection": _CONNECTION,
    b"expect": _EXPECT,
    b"upgrade": _UPGRADE,
    b"x-forwarded-for": _XFF,
    b"x-amzn-trace-id": _TRACE,
    b"x-forwarded-proto": _DROP,
    b"x-forwarded-port": _DROP,
    b"keep-alive": _DROP,
    b"proxy-connection": _DROP,
    b"proxy-authenticate": _DROP,
    b"proxy-authorization": _DROP,
    b"te": _DROP,
    b"trailer": _DROP,
    b"http2-settings": _DROP,
}
FRAMING: Final = (b"content-length", b"transfer-encoding")
_OURS: Final = re.compile(
    rb"\r\n("
    + b"|".join([re.escape(n) for n in MEANING if n not in FRAMING])
    + b"|"
    + b"|".join(map(_dashed, FRAMING))
    + rb"):[ \t]*+([^\r]*+)",
    re.IGNORECASE,
)
"""Splits a block of headers into what is passed on, and names and values of ours."""
_ONE_OF_OURS: Final = 4
"""Parts of a split block that names one of ours: before, name, value, behind."""
_HOST_SPELLINGS: Final = frozenset({b"Host", b"host"})
FRAMING_LETTERS: Final = frozenset(name.replace(b"-", b"") for name in FRAMING)
_PROTECTED: Final = frozenset(
    {b"host", b"content-length", b"content-type", b"authorization", b"cookie"}
    | {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-port"}
    | {b"x-amzn-trace-id", b"close", b"keep-alive", b"upgrade"}
)
"""A client may not have these taken out by naming them in Connection."""

_REFUSED_METHODS: Final = frozenset({b"TRACE", b"CONNECT"})

_hosts: Final[dict[bytes, bytes]] = {}
"""Host values seen and found valid -> the name rules match on. Bounded."""


def scan_request(buffer: bytes, start: int = 0) -> tuple[RequestHead, int] | None:
    """Return the head that begins at `start` and where it ends, or None: not whole.

    Raises Refused for what is not passed on. Nothing past the head is looked
    at. Never looks further than HEAD_MAX bytes.
    """
    if buffer.startswith(b"\r\n", start):  # RFC 9112 2.2: skip empty lines
        start = after_empty_lines(buffer, start)
    found = _HEAD.match(buffer, start)
    if found is None:
        return _scan_unusual(buffer, start)
    method, target, minor, block = found.groups()
    end = found.end()
    if end - start > _SMALL:
        _check_sizes(buffer[start:end])
    head = RequestHead(method, target, 1 if minor == b"1" else 0)
    head.size = end - start
    _read_target(head)
    _read_headers(head, block)
    return head, end


def after_empty_lines(buffer: bytes, start: int) -> int:
    for _ in range(EMPTY_LINES_MAX):
        if not buffer.startswith(b"\r\n", start):
            return start
        start += 2
    if buffer.startswith(b"\r\n", start):
        raise Refused(400, "EmptyLines")
    return start


def _scan_unusual(buffer: bytes, start: int) -> tuple[RequestHead, int] | None:
    """What the usual grammar does not cover: not whole, odd names, or wrong."""
    end = buffer.find(b"\r\n\r\n", start, start + HEAD_MAX + 4)
    head = buffer[start : end + 4] if end >= 0 else buffer[start : start + HEAD_MAX + 1]
    _check_sizes(head)
    if b"\0" in head:
        raise Refused(400, "BadHeader")
    if _BARE_LINE_END.search(head):
        raise Refused(400, "NonCrLfLineTermination")
    if end < 0:
        _check_partial(head)
        return None
    line, crlf, block = head[:-4].partition(b"\r\n")
    found = _check_request_line(line)
    for header in block.split(b"\r\n") if block else ():
        _check_header_line(header)
    request = RequestHead(found.group(1), found.group(2), int(found.group(3)[-1:]))
    request.size = end + 4 - start
    request.is_odd = request.odd_names = True
    _read_target(request)
    _read_headers(request, crlf + block)
    return request, end + 4


def _check_sizes(head: bytes) -> None:
    if len(head) > HEAD_MAX:
        raise Refused(400, "HeadTooLarge")
    line, _, block = head.partition(b"\r\n")
    if len(line) > REQUEST_LINE_MAX:
        raise Refused(414, "RequestLineTooLong")
    lines = block.split(b"\r\n")
    if any(len(header) > HEADER_MAX for header in lines):
        raise Refused(400, "HeaderTooLarge")
    if len(lines) > HEADERS_MAX + 2:  # the last two are empty
        raise Refused(400, "TooManyHeaders")


def _check_partial(head: bytes) -> None:
    """Refuse early what can only become wrong: nobody waits for the rest of it."""
    line, ended, _ = head.partition(b"\r\n")
    if ended:
        _check_request_line(line)
    elif len(line) > METHOD_MAX and b" " not in line[: METHOD_MAX + 1]:
        raise Refused(400, "BadMethod")


def _check_request_line(line: bytes) -> re.Match[bytes]:
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise Refused(400, _what_is_wrong_with(line))
    if found.group(3) not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise Refused(505, "BadVersion")
    return found


def _what_is_wrong_with(line: bytes) -> str:
    method, _, rest = line.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    if re.fullmatch(_METHOD, method) is None:
        return "BadMethod"
    if not target:
        return "MissingUri" if version.startswith(b"HTTP/") else "NonCompliantVersion"
    if not version.startswith(b"HTTP/"):
        return "BadVersion"
    if b" " in target:
        return "SpaceInUri"
    if target[:1] == b"?" or b"#" in target.partition(b"?")[0]:
        return "BadUri"
    return "AmbiguousUri" if target.isascii() else "BadUri"


def _check_header_line(line: bytes) -> None:
    name, colon, _ = line.partition(b":")
    if line[:1] in (b" ", b"\t"):
        raise Refused(400, "MultilineHeader")
    if not colon:
        raise Refused(400, "MissingHeaderColon")
    if not name:
        raise Refused(400, "EmptyHeader")
    if letters_of(name) in FRAMING_LETTERS and name.lower() not in FRAMING:
        raise Refused(400, "SuspiciousHeader")
    if HEADER_LINE.fullmatch(line) is None:
        raise Refused(400, "NonCompliantHeader")


def letters_of(name: bytes) -> bytes:
    """Return what is left of a header's name when all that disguises it is gone."""
    for lookalike, letter in _LOOKALIKES:
        name = name.replace(lookalike, letter)
    return _NOT_ALNUM.sub(b"", name.lower())


def _read_target(head: RequestHead) -> None:
    """Bring the target into origin form; refuse the forms a proxy must not take."""
    target = head.target
    if head.method in _REFUSED_METHODS:
        raise Refused(405, "MethodNotAllowed")
    if target[0] != 47:  # noqa: PLR2004 - "/"
        if target == b"*" and head.method == b"OPTIONS":
            return
        absolute = _ABSOLUTE.match(target)
        if absolute is None:
            raise Refused(400, "BadUri")
        head.host_field = absolute.group(1)
        target = target[absolute.end() :]
        if target[:1] != b"/":
            target = b"/" + target
        head.target = target
    head.path, _, head.query = target.partition(b"?")


def _read_headers(head: RequestHead, block: bytes) -> None:
    """Set apart what is passed on (every third part) from what is ours."""
    parts = _OURS.split(block)
    head.block = block
    if len(parts) == _ONE_OF_OURS and parts[1] in _HOST_SPELLINGS:
        head.passed_on = parts[0] + parts[3]
        _read_host(head, parts[2])
        return
    head.passed_on = b"".join(parts[::3])
    ours: dict[int, bytes] = {}
    for at in range(1, len(parts), 3):
        meaning = MEANING.get(parts[at].lower(), _SUSPICIOUS)
        if meaning == _SUSPICIOUS:
            raise Refused(400, "SuspiciousHeader")
        value = parts[at + 1].rstrip(b" \t")
        before = ours.get(meaning)
        ours[meaning] = value if before is None else _repeated(meaning, before, value)
    _read_host(head, ours.pop(_HOST_NAME, None))
    if ours:
        _read_rarer(head, ours)


def _repeated(meaning: int, first: bytes, second: bytes) -> bytes:
    """Join what may be repeated; refuse what has one value or two meanings."""
    if meaning == _HOST_NAME:
        raise Refused(400, "MultipleHost")
    if meaning == _LENGTH:
        same = first == second
        raise Refused(
            400, "DuplicateContentLength" if same else "MultipleContentLength"
        )
    if meaning == _CODING:
        raise Refused(400, "MultipleTransferEncodingChunked")
    return first + b", " + second if first else second


def _read_host(head: RequestHead, host: bytes | None) -> None:
    if host is None:
        if head.version:
            raise Refused(400, "MissingHost")
        host = b""
    host = head.host_field = head.host_field or host.rstrip(b" \t")
    head.host = _hosts.get(host) or host_name(host)


def _read_rarer(head: RequestHead, ours: dict[int, bytes]) -> None:
    if _LENGTH in ours or _CODING in ours:
        _read_framing(head, ours.get(_LENGTH), ours.get(_CODING))
    if _CONNECTION in ours:
        _read_connection(head, ours[_CONNECTION])
    if _EXPECT in ours:
        _read_expect(head, ours[_EXPECT])
    if _UPGRADE in ours:
        _read_upgrade(head, ours[_UPGRADE], ours.get(_CONNECTION, b""))
    head.forwarded_for = ours.get(_XFF)
    head.trace_id = ours.get(_TRACE)


def host_name(host_field: bytes) -> bytes:
    """Return the name in `host_field`, remembered while it is asked for often.

    HTTP/1.0 may leave Host out, and then it is empty.
    """
    if not host_field:
        return b""
    if _HOST.fullmatch(host_field) is None:
        raise Refused(400, "BadHost")
    name = host_field.lower()
    name = name if name.endswith(b"]") else re.sub(rb":[0-9]+\Z", b"", name)
    if len(_hosts) >= HOSTS_REMEMBERED:
        _hosts.clear()
    _hosts[host_field] = name
    return name


def _read_framing(
    head: RequestHead, length: bytes | None, coding: bytes | None
) -> None:
    """One length or chunked, never both (RFC 9112 6.3)."""
    if coding is not None:
        if length is not None:
            raise Refused(400, "BothTeClPresent")
        _read_coding(head, coding.lower())
    else:
        assert length is not None, "asked for one of the two"
        if not length.isdigit() or len(length) > CONTENT_LENGTH_DIGITS_MAX:
            raise Refused(400, "BadContentLength")
        head.content_length = int(length)
    head.has_body = head.chunked or head.content_length > 0
    if head.method in (b"GET", b"HEAD"):
        _classify_body(head)


def _classify_body(head: RequestHead) -> None:
    """A body where none has a meaning: some targets take it for a request."""
    head.is_odd = True
    if not head.has_body:
        head.classification, head.reason = "Acceptable", "GetHeadZeroContentLength"
        return
    head.close_after = True
    head.classification = "Ambiguous"
    what = "TransferEncoding" if head.chunked else "ContentLength"
    head.reason = f"Undefined{what}Semantics"


def _read_coding(head: RequestHead, coding: bytes) -> None:
    if coding in (b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress"):
        raise Refused(501, "UnsupportedTransferEncoding")
    if coding != b"chunked":
        raise Refused(400, "BadTransferEncoding")
    if head.version == 0:
        raise Refused(400, "UndefinedTransferEncodingSemantics")
    head.chunked = True


def _read_connection(head: RequestHead, value: bytes) -> None:
    value = value.lower()
    if value == b"keep-alive":
        head.keep_alive = True
        return
    tokens = {token.strip(b" \t") for token in value.split(b",")}
    if b"close" in tokens:
        head.keep_alive = False
    elif b"keep-alive" in tokens:
        head.keep_alive = True
    named = tokens - _PROTECTED
    if named:
        head.passed_on = without(head.passed_on, named)


def without(block: bytes, names: Collection[bytes]) -> bytes:
    """Return `block` without the lines of these (lower-case) names."""
    lines = block.split(b"\r\n")[1:]
    kept = [line for line in lines if line.partition(b":")[0].lower() not in names]
    return b"".join([b"\r\n" + line for line in kept])


def without_invalid_names(block: bytes) -> bytes:
    """Return `block` without the lines whose name is more than [-A-Za-z0-9]."""
    lines = block.split(b"\r\n")[1:]
    kept = [one for one in lines if _PLAIN_NAME.fullmatch(one.partition(b":")[0])]
    return b"".join([b"\r\n" + line for line in kept])


def _read_expect(head: RequestHead, value: bytes) -> None:
    if value.lower() != b"100-continue":
        raise Refused(417, "BadExpect")
    head.expects_continue = head.version == 1 and head.has_body


def _read_upgrade(head: RequestHead, wanted: bytes, connection: bytes) -> None:
    """Honour an upgrade that every parser reads alike; drop the others.

    With a body, one parser would pass the body on and another switch first.
    h2c would hide further requests from our rules.
    """
    tokens = {token.strip(b" \t") for token in connection.lower().split(b",")}
    if b"upgrade" not in tokens:
        return
    if head.has_body:
        raise Refused(400, "UpgradeWithBody")
    plain = b"h2c" not in wanted.lower() and b"http/" not in wanted.lower()
    if plain and head.version == 1 and head.method == b"GET":
        head.upgrade = wanted
