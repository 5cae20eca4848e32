"""What rules mean, read one by one: slow, short, and without a line of ours to match by.

Paths and queries are taken in the form in which rules see them (`decide.uri`), which
tests of its own show.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from alb.decide.uri import canonical_query, normalise_path, query_pairs, unescape
from alb.model import (
    Condition,
    HostHeader,
    HttpHeader,
    HttpRequestMethod,
    PathPattern,
    QueryString,
    Rule,
    SourceIp,
)


class Asked(NamedTuple):
    """A request as rules are asked about it (`CompiledRules.match`)."""

    method: bytes = b"GET"
    host: bytes = b"example.com"
    path: bytes = b"/"
    query: bytes = b""
    headers: Sequence[tuple[bytes, bytes]] = ()
    peer_ip: str = "192.0.2.7"
    host_field: bytes = b""


def one_by_one(asked: Asked, rules: Sequence[Rule]) -> int:
    """Return the priority of the rule that answers; 0 is the default action."""
    return read_as(normalise_path(asked.path), asked, rules)


def read_as(path: bytes, asked: Asked, rules: Sequence[Rule]) -> int:
    """As `one_by_one`, of a server that takes the path for this."""
    seen = asked._replace(path=path, host=asked.host.removesuffix(b"."))
    for candidate in sorted(rules, key=lambda rule: rule.priority):
        if all(holds(condition, seen) for condition in candidate.conditions):
            return candidate.priority
    return 0


def holds(condition: Condition, asked: Asked) -> bool:
    by_regex = getattr(condition, "regex_values", ())
    return (_holds_by_regex if by_regex else _holds_by_value)(condition, asked)


def _holds_by_value(condition: Condition, asked: Asked) -> bool:
    match condition:
        case HostHeader(values):
            return any(alike(letters(v.lower()), asked.host) for v in values)
        case PathPattern(values):
            return any(alike([*_decoded(value)], asked.path) for value in values)
        case HttpRequestMethod(values):
            return asked.method.decode() in values
        case HttpHeader(name, values):
            found = [v for n, v in asked.headers if n == name.lower().encode()]
            return any(
                alike(letters(v.lower()), f.lower()) for v in values for f in found
            )
        case QueryString(pairs):
            return any(
                (pair.key is None or alike([*_asked(pair.key)], key))
                and alike([*_asked(pair.value)], value)
                for pair in pairs
                for key, value in query_pairs(asked.query)
            )
        case SourceIp(values):
            peer = ipaddress.ip_address(asked.peer_ip)
            return any(peer in ipaddress.ip_network(value) for value in values)


def _holds_by_regex(condition: Condition, asked: Asked) -> bool:
    match condition:
        case PathPattern(_, regexes):
            found, case = [asked.path], 0
        case HostHeader(_, regexes):
            found, case = [asked.host, asked.host_field or asked.host], re.IGNORECASE
        case HttpHeader(name, _, regexes):
            wanted, case = name.lower().encode(), re.IGNORECASE
            found = [value for each, value in asked.headers if each == wanted]
        case _:
            raise AssertionError(condition)
    return any(
        re.search(same_ends(regex), text, case | re.DOTALL)
        for regex in regexes
        for text in found
    )


def same_ends(regex: str) -> bytes:
    """Return the expression as Python has it: its ``$`` takes a line's end too."""
    return regex.encode().replace(b"$", rb"\Z")


ANY, ONE = object(), object()
Letter = bytes | object


def letters(text: str) -> list[Letter]:
    """Return a pattern's letters; ``*`` is ANY, ``?`` is ONE."""
    wild: dict[str, Letter] = {"*": ANY, "?": ONE}
    return [wild.get(letter, letter.encode()) for letter in text]


def _decoded(pattern: str) -> Iterator[Letter]:
    """The letters of a path's pattern: what stands between wildcards is unescaped."""
    for run in re.split(r"([*?])", pattern):
        if run in ("*", "?"):
            yield from letters(run)
        else:
            yield from (bytes([octet]) for octet in unescape(run.encode()))


def _asked(pattern: str) -> Iterator[Letter]:
    """The letters of a query's pattern, where a backslash takes a wildcard's power."""
    plain = re.split(r"((?<!\\)[*?])", pattern)
    for run in plain:
        if run in ("*", "?"):
            yield from letters(run)
        else:
            text = re.sub(r"\\([*?])", r"\1", run)
            yield from (bytes([octet]) for octet in canonical_query(text.encode()))


def alike(pattern: Sequence[Letter], text: bytes) -> bool:
    """The definition, letter by letter: which ends are reachable?"""
    reachable = {0}
    for letter in pattern:
        if letter is ANY:
            reachable = set(range(min(reachable, default=1 << 30), len(text) + 1))
        else:
            reachable = {
                end + 1
                for end in reachable
                if end < len(text) and letter in (ONE, text[end : end + 1])
            }
    return len(text) in reachable
