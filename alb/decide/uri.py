"""Read a request target as a target of ours would, so that no spelling hides it.

Floor 1: pure, over bytes. Rules look at what comes out of here; what is sent on
is the raw target, untouched. Two spellings that some server takes for the same
path come out equal, so a rule cannot be walked around by writing differently:

    /%61dmin  /x/../admin  /x/%2e%2e/admin  //admin  \\admin  /x/..;/admin  -> /admin

Absent: anything that rewrites a request, and any notion of validity: the head
scanner has refused what is not a target at all.
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})?")
_SLASHES: Final = re.compile(rb"[/\\]+")
_PERCENT: Final = b"%25"
_UNSAFE: Final = re.compile(rb"[^-A-Za-z0-9._~!$&'()*+,;=:@/%]")
"""What a path has in escaped form (RFC 3986, pchar); a percent sign is ``%25``."""


def unescape(text: bytes) -> bytes:
    """Decode every percent escape once; a percent sign itself stays ``%25``.

    So the result is the same for ``%``, ``%25`` and a broken escape, nothing can
    be escaped twice, and unescaping again changes nothing.
    """
    return _ESCAPE.sub(_octet, text) if b"%" in text else text


def _octet(escape: re.Match[bytes]) -> bytes:
    digits = escape[1]
    if digits is None or digits == b"25":
        return _PERCENT
    return bytes((int(digits, 16),))


def normalise_path(path: bytes) -> bytes:
    """Return the path that rules are matched on; costs little when it is plain.

    Every escape is decoded, ``\\`` reads as ``/``, runs of slashes count as one
    and dot segments are resolved, those with a ``;parameter`` too (some servers
    drop it first). Applying it twice changes nothing. The empty path is ``/``;
    what does not begin with a slash (``*`` of OPTIONS) is returned as it is. A
    path that all servers read alike is returned itself, the same object.
    """
    # Searching a decoded copy costs 130 ns; bytes in bytes, four times, 900 ns.
    text = path.decode("latin-1")
    if "%" in text or "//" in text or "/." in text or "\\" in text or ";" in text:
        return resolved(_SLASHES.sub(b"/", unescape(path)), parameters=True)
    return path or b"/"


def resolved(path: bytes, *, parameters: bool) -> bytes:
    """Remove dot segments from a path (RFC 3986, 5.2.4), never above the root.

    With `parameters` also those that have one.
    """
    if not path.startswith(b"/"):
        return path
    kept: list[bytes] = []
    name = b""
    for segment in path[1:].split(b"/"):
        name = segment.partition(b";")[0] if parameters else segment
        if name == b"..":
            del kept[-1:]
        elif name != b".":
            kept.append(segment)
    if name in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)


def query_pairs(query: bytes) -> list[tuple[bytes, bytes]]:
    """Return the pairs of a query as rules compare them: canonical, in order.

    A pair without ``=`` has the value ``b""``; empty pairs are left out.
    """
    pairs = []
    for pair in query.split(b"&"):
        if pair:
            key, _, value = pair.partition(b"=")
            pairs.append((canonical_query(key), canonical_query(value)))
    return pairs


def canonical_query(text: bytes) -> bytes:
    """Return one key or value in the form that is compared: decoded, lower case.

    A plus sign and a space are the same (forms write one for the other).
    """
    return unescape(text).replace(b"+", b" ").lower()


def canonical_target(target: bytes) -> bytes:
    """Return an origin-form target in the one spelling that all of its kind share.

    The path is what rules are matched on, escaped again where it must be; the
    query stays as it came. So an escaped slash comes out as a slash.
    """
    path, mark, query = target.partition(b"?")
    return _UNSAFE.sub(_escaped, normalise_path(path)) + mark + query


def leads_elsewhere(path: bytes) -> bool:
    """Whether some server would find a dot segment in `path`, however spelled."""
    segments = _SLASHES.split(unescape(path))
    return any(segment.partition(b";")[0] in (b".", b"..") for segment in segments)


def _escaped(octet: re.Match[bytes]) -> bytes:
    return b"%%%02X" % octet[0][0]
