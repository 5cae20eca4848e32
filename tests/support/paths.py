"""Paths as servers of several kinds read them, written down without our own code."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from hypothesis import strategies as st


def nginx(path: bytes) -> bytes:
    """Decoded, then slashes merged and dots resolved; a backslash is a letter."""
    return _normal(unquote_to_bytes(path))


def tomcat(path: bytes) -> bytes:
    """Parameters dropped, then decoded, backslashes turned, dots resolved."""
    plain = re.sub(rb";[^/]*", b"", path)
    return _normal(unquote_to_bytes(plain).replace(b"\\", b"/"))


def wsgi(path: bytes) -> bytes:
    """Decoded and no more (PEP 3333): what Flask, Django and Starlette route by."""
    return unquote_to_bytes(path)


def split(path: bytes) -> bytes:
    """What urllib takes for the path of a reference."""
    return unquote_to_bytes(urlsplit(path.decode("latin-1")).path.encode("latin-1"))


def whatwg(path: bytes) -> bytes:
    """``new URL(request.url, base).pathname``, decoded: what Node's manual shows."""
    path = path.replace(b"\\", b"/")
    if path.startswith(b"//"):
        path = re.sub(rb"\A/+[^/]*", b"", path) or b"/"
    parts: list[bytes] = []
    *names, last = path.split(b"/")[1:]
    for name in names:
        if not _go(name, parts):
            parts.append(name)
    parts.append(b"" if _go(last, parts) else last)
    return unquote_to_bytes(b"/" + b"/".join(parts))


def _go(name: bytes, parts: list[bytes]) -> bool:
    dots = re.sub(rb"%2e", b".", name, flags=re.IGNORECASE)
    if dots == b"..":
        del parts[-1:]
    return dots in (b".", b"..")


def _normal(path: bytes) -> bytes:
    is_folder = path.endswith((b"/", b"/.", b"/.."))
    found = posixpath.normpath(b"/" + path.lstrip(b"/"))
    return found + b"/" if is_folder and found != b"/" else found


SERVERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    server.__name__: server for server in (nginx, tomcat, wsgi, split, whatwg)
}

NASTY: Final = (
    *(b"/", b"//", b"\\", b"%2f", b"%2F", b"%5c", b"%5C"),
    *(b".", b"..", b"%2e", b"%2E%2e", b"%252e", b"/../", b"/./", b"/..", b"..;/"),
    *(b";", b"%3b", b";a=b", b"%", b"%25", b"%00", b"%3f", b"%20", b"%23", b"~", b"@"),
    *(b"x", b"admin", b"%61dmin", b"ADMIN", b"public", b"a", b"http:", b"\xc3\xa9"),
)
paths: Final = st.lists(st.sampled_from(NASTY), max_size=9).map(
    lambda parts: b"/" + b"".join(parts)
)
aimed: Final = st.tuples(
    st.sampled_from((b"/", b"/admin", b"/public", b"/x", b"/;", b"//x", b"/x/..")),
    paths,
    st.sampled_from((b"", b"/admin", b"/../admin", b"/public", b"/x", b"/..;/public")),
).map(b"".join)
"""Paths that are about to be read as /admin or /public, or about not to."""
