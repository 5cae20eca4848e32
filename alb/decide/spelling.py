"""Where servers differ over what a path says, and the one spelling they share.

Floor 1: pure. `uri` gives the path that rules look at. Some paths are read in
another way by the server behind us: one resolves dot segments and the next does
not, or counts empty segments, or drops ``;parameters``, or takes a backslash for
a letter, or what follows two slashes for a host:

    /admin/../x   /a//../admin   /;a/admin   /a\\..\\admin   //a/admin   /a%2f../admin

Where that makes no difference to the rules, the raw bytes are sent on. Where it
does, what is sent on is the path that the rules looked at, in the spelling that
all servers read alike (`sole_spelling`). So no server is reached by a path that
its rule has not seen.
"""

from __future__ import annotations

import re
from typing import Final

from alb.decide.uri import canonical_target, normalise_path, resolved, unescape

_AUTHORITIES: Final = (re.compile(rb"//[^/]*"), re.compile(rb"[/\\]{2,}[^/\\]*"))
"""What RFC 3986 and the URL standard take for a host where a reference begins so."""
_PARAMETERS: Final = re.compile(rb";[^/]*")
_SLASHES: Final = re.compile(rb"/+")
_ANY_SLASHES: Final = re.compile(rb"[/\\]+")
_STRUCTURE: Final = re.compile(rb"//|/\.|[\\;]")
_DOTS: Final = (b".", b"..")


def other_readings(path: bytes) -> list[bytes]:
    """Return what servers may take `path` for, other than `normalise_path` does.

    In the same form: decoded once, runs of slashes as one. Empty for most.
    """
    decoded = unescape(path)
    if _STRUCTURE.search(decoded) is None:
        return []
    readings = [_merging(decoded), _dropping(path), _literal(decoded), _counting(path)]
    for authority in _AUTHORITIES:
        if found := authority.match(path):
            behind = path[found.end() :] or b"/"
            readings += [_literal(unescape(behind)), _counting(behind)]
    read = normalise_path(path)
    return [one for one in dict.fromkeys(readings) if one != read]


def sole_spelling(target: bytes) -> bytes:
    """Return an origin-form target with the path that rules saw, as all read it.

    A semicolon is escaped, as it begins no parameter then.
    """
    path, mark, query = canonical_target(target).partition(b"?")
    return path.replace(b";", b"%3B") + mark + query


def _merging(decoded: bytes) -> bytes:
    """As nginx does: a backslash is a letter, dots count without a parameter."""
    return resolved(_SLASHES.sub(b"/", decoded), parameters=False)


def _dropping(path: bytes) -> bytes:
    """As Tomcat does: parameters go first."""
    plain = unescape(_PARAMETERS.sub(b"", path))
    return resolved(_ANY_SLASHES.sub(b"/", plain), parameters=False)


def _literal(decoded: bytes) -> bytes:
    """As those do that resolve nothing: WSGI and ASGI servers, Express."""
    return _SLASHES.sub(b"/", decoded)


def _counting(path: bytes) -> bytes:
    """As the URL standard has it (Node): what is parted by raw slashes counts.

    An empty segment is one that two dots go up from; an escaped slash is none.
    """
    kept: list[bytes] = []
    segment = b""
    for segment in path.replace(b"\\", b"/")[1:].split(b"/"):
        match unescape(segment):
            case b".":
                pass
            case b"..":
                del kept[-1:]
            case _:
                kept.append(segment)
    if unescape(segment) in _DOTS:
        kept.append(b"")
    return _ANY_SLASHES.sub(b"/", unescape(b"/" + b"/".join(kept)))
