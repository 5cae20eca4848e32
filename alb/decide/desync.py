"""Requests that are not compliant, as AWS's desync mitigation modes have them. Floor 1.

    scan = scan_request --Refused--> one reading of it, written anew | Refused

`decide.head` takes what every parser reads alike and refuses all else. Some of
that can be written so that one reading is left: then it is, if the mode allows
it, and the same scanner has the last word on the result. Nothing is ever sent
on as it came because a mode is lenient.

| tier       | monitor              | defensive            | strictest |
|------------|----------------------|----------------------|-----------|
| Acceptable | served               | served               | refused   |
| Ambiguous  | served               | served, then closed  | refused   |
| Severe     | refused              | refused              | refused   |

We differ from AWS where serving would be a guess. Disguised or doubled framing
and bare line feeds are served in monitor mode alone, and what is about framing
closes its connections in every mode. What is Severe is refused in every mode.

Source: ALB user guide, "Desync mitigation mode"; tiers and reasons are those of
aws/http-desync-guardian.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from alb.decide.head import (
    FRAMING,
    FRAMING_LETTERS,
    HEAD_MAX,
    HEADER_LINE,
    MEANING,
    after_empty_lines,
    letters_of,
    scan_request,
)
from alb.decide.request import RequestHead
from alb.errors import Refused

MONITOR: Final = 0
DEFENSIVE: Final = 1
STRICTEST: Final = 2
MODES: Final = {"monitor": MONITOR, "defensive": DEFENSIVE, "strictest": STRICTEST}

ACCEPTABLE: Final = "Acceptable"
AMBIGUOUS: Final = "Ambiguous"
SEVERE: Final = "Severe"

Lines = list[bytes]
"""The request line and the header lines of one head, without their CRLF."""


class _Remedy(NamedTuple):
    """How one kind of oddness is written anew."""

    tier: str
    strictest: int
    """The strictest mode that still serves it."""
    mend: Callable[[Lines], Lines | None]
    """Of all lines at once; None: not these."""
    reason: str = ""
    """AWS's name for it, where the scanner has another."""


def scan(buffer: bytes, mode: int) -> tuple[RequestHead, int] | None:
    """Return the head at the start of `buffer` and where it ends, or None: not whole.

    Raises Refused for what this mode does not pass on.
    """
    try:
        found = scan_request(buffer)
    except Refused as refused:
        return _scan_odd(buffer, mode, refused)
    if found is not None and found[0].is_odd and mode == STRICTEST:
        head = found[0]
        if head.classification:
            raise Refused(400, head.reason)
    return found


def _scan_odd(
    buffer: bytes, mode: int, refused: Refused
) -> tuple[RequestHead, int] | None:
    """Return what scan_request would of the only reading, or None: not whole.

    Raises `refused`, or what is wrong with the head when that has been mended.
    """
    remedy = _remedy(refused, mode)
    start = after_empty_lines(buffer, 0)
    blank = b"\n\n" if refused.reason == _LINE_FEEDS else b"\r\n\r\n"
    end = buffer.find(blank, start, start + HEAD_MAX + len(blank))
    if (
        refused.reason == _LINE_FEEDS
        and b"\r" in buffer[start : end if end > 0 else None]
    ):
        raise refused  # a mixture: which of them end lines?
    if end < 0:
        if len(buffer) - start > HEAD_MAX:
            raise refused
        return None
    lines = [buffer[start:end]]
    if blank == b"\r\n\r\n":
        lines = lines[0].split(b"\r\n")
    head = _mended(lines, mode, refused, remedy)
    head.size = end + len(blank) - start
    return head, end + len(blank)


def _mended(lines: Lines, mode: int, refused: Refused, remedy: _Remedy) -> RequestHead:
    """Mend one kind of oddness after the other, each at most once."""
    tiers: dict[str, str] = {}
    dropped = False
    while True:
        if refused.reason in tiers:
            raise refused
        tiers[refused.reason] = remedy.tier
        before = len(lines)
        mended = remedy.mend(lines)
        if mended is None:
            raise refused
        lines = mended
        dropped = dropped or (refused.reason == _INVALID and len(lines) < before)
        try:
            found = scan_request(b"\r\n".join([*lines, b"\r\n"]))
        except Refused as again:
            refused, remedy = again, _remedy(again, mode)
            continue
        if found is None:  # of nothing but empty lines
            raise refused
        head, _ = found
        _classify(head, tiers, mode)
        head.dropped_headers = dropped
        return head


def _classify(head: RequestHead, tiers: dict[str, str], mode: int) -> None:
    """The worst tier counts, and in it what was found first."""
    if head.classification:
        tiers[head.reason] = head.classification
    worst = AMBIGUOUS if AMBIGUOUS in tiers.values() else ACCEPTABLE
    reason = next(reason for reason, tier in tiers.items() if tier == worst)
    head.is_odd = True
    head.classification = worst
    head.reason = _told(reason)
    if worst == AMBIGUOUS:
        framed = any(reason in _ABOUT_FRAMING for reason in tiers)
        head.close_after = head.close_after or framed or mode >= DEFENSIVE


def _remedy(refused: Refused, mode: int) -> _Remedy:
    remedy = _REMEDIES.get(refused.reason)
    if remedy is None or mode > remedy.strictest:
        raise refused
    return remedy


def _told(reason: str) -> str:
    remedy = _REMEDIES.get(reason)
    return (remedy.reason if remedy else "") or reason


def refusal_tier(reason: str) -> str:
    """Return the tier of a request that was refused for `reason`."""
    if reason == _ZERO_LENGTH:
        return ACCEPTABLE
    if reason in _ABOUT_FRAMING:
        return AMBIGUOUS
    remedy = _REMEDIES.get(reason)
    return remedy.tier if remedy else SEVERE


# --- remedies -----------------------------------------------------------------------

_REQUEST_LINE: Final = re.compile(rb"([^ ]+) +([^\r\n]*?) +(HTTP/[0-9]\.[0-9])")
_TO_ENCODE: Final = re.compile(rb"[\x01-\x20\x7f]")
_LATER_MINOR: Final = re.compile(rb" HTTP/1\.[2-9]\Z")


def _encode_target(lines: Lines) -> Lines | None:
    """Write spaces and control characters in the target as what they are."""
    found = _REQUEST_LINE.fullmatch(lines[0])
    if found is None:
        return None
    method, target, version = found.groups()
    encoded = _TO_ENCODE.sub(lambda one: b"%%%02X" % one.group()[0], target)
    return [b"%b %b %b" % (method, encoded, version), *lines[1:]]


def _as_version_1_1(lines: Lines) -> Lines | None:
    """A later minor version promises to be understood as this one (RFC 9110 2.5)."""
    line, found = _LATER_MINOR.subn(b" HTTP/1.1", lines[0])
    return [line, *lines[1:]] if found else None


def _drop_invalid(lines: Lines) -> Lines | None:
    """Leave out headers that nobody may send, unless one of ours is meant."""
    kept = lines[:1]
    for line in lines[1:]:
        name, colon, _ = line.partition(b":")
        if not name or not colon or HEADER_LINE.fullmatch(line) is not None:
            kept.append(line)
        elif letters_of(name) in _OUR_LETTERS:
            return None
    return kept


def _drop_empty(lines: Lines) -> Lines | None:
    return [line for line in lines if not line.startswith(b":")]


def _drop_without_colon(lines: Lines) -> Lines | None:
    return lines[:1] + [line for line in lines[1:] if b":" in line]


def _unfold(lines: Lines) -> Lines | None:
    """Join folded lines by a space (RFC 9112 5.2); leave out those of spaces alone."""
    joined = lines[:1]
    for line in lines[1:]:
        if line[:1] not in (b" ", b"\t"):
            joined.append(line)
        elif line.strip(b" \t"):
            if len(joined) == 1 or letters_of(joined[-1].partition(b":")[0]) in (
                _OUR_LETTERS
            ):
                return None
            joined[-1] += b" " + line.strip(b" \t")
    return joined


def _drop_disguised(lines: Lines) -> Lines | None:
    """Leave out what only some would take for framing, unless it is there as well."""
    kept = lines[:1]
    plain, disguised = set(), set()
    for line in lines[1:]:
        name = line.partition(b":")[0].lower()
        letters = letters_of(name)
        if letters in FRAMING_LETTERS and name not in FRAMING:
            disguised.add(letters)
            continue
        plain.add(letters)
        kept.append(line)
    return None if plain & disguised else kept


def _drop_length(lines: Lines) -> Lines | None:
    """Transfer-Encoding overrides Content-Length (RFC 9112 6.3)."""
    return [one for one in lines if not one.lower().startswith(b"content-length:")]


def _keep_first_length(lines: Lines) -> Lines | None:
    first = next(one for one in lines if one.lower().startswith(b"content-length:"))
    at = lines.index(first) + 1
    return lines[:at] + (_drop_length(lines[at:]) or [])


def _end_lines(lines: Lines) -> Lines | None:
    return lines[0].split(b"\n")


_LINE_FEEDS: Final = "NonCrLfLineTermination"
_INVALID: Final = "NonCompliantHeader"
_ZERO_LENGTH: Final = "GetHeadZeroContentLength"
_OUR_LETTERS: Final = frozenset(letters_of(name) for name in MEANING)
_ABOUT_FRAMING: Final = frozenset(
    {
        "SuspiciousHeader",
        "BothTeClPresent",
        "DuplicateContentLength",
        "UndefinedContentLengthSemantics",
        "UndefinedTransferEncodingSemantics",
    }
)
_REMEDIES: Final = {
    "SpaceInUri": _Remedy(ACCEPTABLE, DEFENSIVE, _encode_target),
    "BadVersion": _Remedy(
        ACCEPTABLE, DEFENSIVE, _as_version_1_1, "NonCompliantVersion"
    ),
    _INVALID: _Remedy(ACCEPTABLE, DEFENSIVE, _drop_invalid),
    _LINE_FEEDS: _Remedy(ACCEPTABLE, MONITOR, _end_lines),
    "EmptyHeader": _Remedy(AMBIGUOUS, DEFENSIVE, _drop_empty),
    "AmbiguousUri": _Remedy(AMBIGUOUS, DEFENSIVE, _encode_target),
    "MultilineHeader": _Remedy(AMBIGUOUS, DEFENSIVE, _unfold),
    "MissingHeaderColon": _Remedy(AMBIGUOUS, DEFENSIVE, _drop_without_colon),
    "SuspiciousHeader": _Remedy(AMBIGUOUS, MONITOR, _drop_disguised),
    "BothTeClPresent": _Remedy(AMBIGUOUS, MONITOR, _drop_length),
    "DuplicateContentLength": _Remedy(AMBIGUOUS, MONITOR, _keep_first_length),
}
"""By the reason with which `decide.head` refuses. What is not here is Severe."""
