"""From a rule to what ALB's rules can say: alternatives of conditions. Pure.

    Rule --> alternatives of matchers --> alternatives of conditions --> fewer

A rule of ALB is a conjunction, each condition a disjunction of values, at most
five values in all: ``||`` becomes values where only they differ, else further
rules. ``!`` has no counterpart.

Source: Traefik, "Rules & Priority"; ALB user guide, "Condition types".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from controlplane.cluster_file.fields.rules import VALUES_MAX
from controlplane.imports.traefik.rule_language import (
    All,
    Either,
    Matcher,
    Not,
    Rule,
    RuleFlaw,
)

ALTERNATIVES_MAX: Final = 100

_ONCE: Final = frozenset(
    {"host-header", "path-pattern", "http-request-method", "source-ip"}
)
_PLAIN_HOST = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_PLAIN_PATH = re.compile(r"""[A-Za-z0-9_\-.$/~"'@:+&]+""", re.ASCII)
_PLACEHOLDER = re.compile(r"\{(\w[\w-]*)?(?::((?:[^{}]|\{[0-9,]*\})*))?\}")

Value = str | tuple[str, str]


class Condition(NamedTuple):
    """One condition of a rule; the values of a query are keys and values."""

    field: str
    values: tuple[Value, ...]
    header: str = ""
    is_regex: bool = False

    @property
    def kind(self) -> tuple[str, str, bool]:
        return self.field, self.header.lower(), self.is_regex

    def fields(self) -> dict[str, object]:
        """Return it as the cluster file has it."""
        found: dict[str, object] = {"field": self.field}
        if self.header:
            found["httpHeaderName"] = self.header
        values: list[object] = [
            value if isinstance(value, str) else {"key": value[0], "value": value[1]}
            for value in self.values
        ]
        found["regexValues" if self.is_regex else "values"] = values
        return found


Conditions = tuple[Condition, ...]


def alternatives(rule: Rule) -> list[Conditions]:
    """Return what one of must hold. Raises RuleFlaw."""
    found = [_together(matchers) for matchers in _spread(rule)]
    return _joined([each for each in found if each is not None])


# --- logic ------------------------------------------------------------------------


def _spread(rule: Rule) -> list[tuple[Matcher, ...]]:
    """Return the disjunctive normal form. Raises RuleFlaw."""
    match rule:
        case Matcher():
            return [(rule,)]
        case Either():
            return _few([one for part in rule.of for one in _spread(part)])
        case All():
            found: list[tuple[Matcher, ...]] = [()]
            for part in rule.of:
                inner = _spread(part)
                found = _few([(*one, *other) for one in found for other in inner])
            return found
        case Not():
            return _spread(_inverted(rule.of))


def _inverted(rule: Rule) -> Rule:
    match rule:
        case Not():
            return rule.of
        case All():
            return Either(tuple(Not(part) for part in rule.of))
        case Either():
            return All(tuple(Not(part) for part in rule.of))
        case Matcher():
            raise RuleFlaw(f"!{rule}: a rule of ALB cannot say what must not hold")


def _few(found: list[tuple[Matcher, ...]]) -> list[tuple[Matcher, ...]]:
    if len(found) > ALTERNATIVES_MAX:
        raise RuleFlaw(f"the rule has more than {ALTERNATIVES_MAX} alternatives")
    return found


def _together(matchers: Iterable[Matcher]) -> Conditions | None:
    """Return the conditions that say the same; None: they cannot all hold."""
    found: list[Condition] = []
    for matcher in matchers:
        for condition in _conditions(matcher):
            twin = next((c for c in found if c.field == condition.field in _ONCE), None)
            if twin is None:
                if condition not in found:
                    found.append(condition)
                continue
            both = _narrower(twin, condition)
            if both is None:
                return None
            found[found.index(twin)] = both
    return tuple(found)


def _narrower(one: Condition, other: Condition) -> Condition | None:
    """Return what holds where both do: ALB takes one of a kind. None: nothing does."""
    if one.is_regex or other.is_regex:
        if one == other:
            return one
        raise RuleFlaw(f"a rule of ALB has one {one.field} condition")
    values = [
        narrow
        for mine in one.values
        for theirs in other.values
        if (narrow := _both(str(mine), str(theirs), one.field)) is not None
    ]
    return one._replace(values=tuple(dict.fromkeys(values))) if values else None


def _both(mine: str, theirs: str, field: str) -> str | None:
    """Return the value for what both of two values match; None: nothing."""
    if field == "source-ip":
        networks = (ipaddress.ip_network(mine), ipaddress.ip_network(theirs))
        inner = max(networks, key=lambda network: network.prefixlen)
        outer = min(networks, key=lambda network: network.prefixlen)
        same = inner.version == outer.version
        return str(inner) if same and inner.subnet_of(outer) else None  # type: ignore[arg-type] # of one version
    if "*" in mine[:-1] + theirs[:-1]:
        raise RuleFlaw(f"a rule of ALB has one {field} condition")
    for narrow, wide in ((mine, theirs), (theirs, mine)):
        if narrow == wide or (wide.endswith("*") and narrow.startswith(wide[:-1])):
            return narrow
    return None


def _joined(found: list[Conditions]) -> list[Conditions]:
    """Make one rule of those that differ in the values of one condition."""
    joined: list[Conditions] = []
    for conditions in found:
        for index, other in enumerate(joined):
            both = _both_rules(other, conditions)
            if both is not None:
                joined[index] = both
                break
        else:
            joined.append(conditions)
    return joined


def _both_rules(one: Conditions, other: Conditions) -> Conditions | None:
    if len(one) != len(other) or any(
        mine.kind != theirs.kind for mine, theirs in zip(one, other, strict=True)
    ):
        return None
    unlike = [i for i, mine in enumerate(one) if mine != other[i]]
    if len(unlike) > 1:
        return None
    both = list(one)
    for index in unlike:
        values = dict.fromkeys((*one[index].values, *other[index].values))
        both[index] = one[index]._replace(values=tuple(values))
    if sum(len(condition.values) for condition in both) > VALUES_MAX:
        return None
    return tuple(both)


# --- matchers ---------------------------------------------------------------------


def _conditions(matcher: Matcher) -> Iterator[Condition]:
    read = _MATCHERS.get(matcher.name.lower())
    if read is None:
        raise RuleFlaw(f"{matcher}: there is no such condition here")
    yield from read(matcher)


def _host(matcher: Matcher) -> Iterator[Condition]:
    yield from _values("host-header", [_host_value(v) for v in matcher.values])


def _host_value(text: str) -> tuple[str, bool]:
    """Return a value and whether it is an expression."""
    if text.startswith("**.") and _PLAIN_HOST.fullmatch(text[3:]):
        return f"*.{text[3:]}", False
    if text.startswith("*.") and _PLAIN_HOST.fullmatch(text[2:]):
        return rf"^[^.]+\.{_escaped(text[2:])}$", True
    return (
        (text, False) if _PLAIN_HOST.fullmatch(text) else (f"^{_escaped(text)}$", True)
    )


def _host_regexp(matcher: Matcher) -> Iterator[Condition]:
    values = [
        f"^{_filled(text, '[^.]+')}$" if _PLACEHOLDER.search(text) else text
        for text in matcher.values
    ]
    yield Condition("host-header", tuple(values), is_regex=True)


def _path(matcher: Matcher) -> Iterator[Condition]:
    yield from _values("path-pattern", [_path_value(v, "") for v in matcher.values])


def _path_prefix(matcher: Matcher) -> Iterator[Condition]:
    yield from _values("path-pattern", [_path_value(v, "*") for v in matcher.values])


def _path_value(text: str, more: str) -> tuple[str, bool]:
    """Return a pattern for a path, or for what begins so (`more` is an asterisk)."""
    if _PLAIN_PATH.fullmatch(text):
        return text + more, False
    end = "" if more else "$"
    inner = _filled(text, "[^/]+") if _PLACEHOLDER.search(text) else _escaped(text)
    return f"^{inner}{end}", True


def _path_regexp(matcher: Matcher) -> Iterator[Condition]:
    yield Condition("path-pattern", matcher.values, is_regex=True)


def _values(field: str, found: list[tuple[str, bool]]) -> Iterator[Condition]:
    """Yield a condition of values, or of expressions where one must be."""
    if any(is_regex for _, is_regex in found):
        values = (v if is_regex else _as_regex(v) for v, is_regex in found)
        yield Condition(field, tuple(values), is_regex=True)
    else:
        yield Condition(field, tuple(value for value, _ in found))


def _as_regex(pattern: str) -> str:
    if pattern.endswith("*"):
        return f"^{_escaped(pattern[:-1])}"
    return f"^{_escaped(pattern)}$"


def _method(matcher: Matcher) -> Iterator[Condition]:
    values = tuple(value.upper() for value in matcher.values)
    yield Condition("http-request-method", values)


def _header(matcher: Matcher) -> Iterator[Condition]:
    name, value = _two(matcher)
    if name.lower() == "host":
        yield from _host(Matcher("Host", (value,)))
    else:
        yield Condition("http-header", (f"^{_escaped(value)}$",), name, is_regex=True)


def _header_regexp(matcher: Matcher) -> Iterator[Condition]:
    name, value = _two(matcher)
    if name.lower() == "host":
        yield Condition("host-header", (value,), is_regex=True)
    else:
        yield Condition("http-header", (value,), name, is_regex=True)


def _two(matcher: Matcher) -> tuple[str, str]:
    if len(matcher.values) != 2:  # noqa: PLR2004 - a name and a value
        raise RuleFlaw(f"{matcher}: needs a name and a value")
    return matcher.values[0], matcher.values[1]


def _query(matcher: Matcher) -> Iterator[Condition]:
    """Version 3 takes a key and perhaps a value; version 2 takes ``key=value``."""
    first, *rest = matcher.values
    if "=" in first or any("=" in value for value in rest):
        for text in matcher.values:
            key, _, value = text.partition("=")
            yield Condition("query-string", (_pair(key, value or "*"),))
    elif len(rest) <= 1:
        value = _unwild(rest[0]) if rest else "*"
        yield Condition("query-string", ((_unwild(first), value),))
    else:
        raise RuleFlaw(f"{matcher}: needs a key and a value")


def _pair(key: str, value: str) -> tuple[str, str]:
    return _unwild(key), value if value == "*" else _unwild(value)


def _unwild(text: str) -> str:
    return re.sub(r"([*?\\])", r"\\\1", text)


def _client_ip(matcher: Matcher) -> Iterator[Condition]:
    try:
        blocks = [str(ipaddress.ip_network(v, strict=False)) for v in matcher.values]
    except ValueError as error:
        raise RuleFlaw(f"{matcher}: {error}") from error
    yield Condition("source-ip", tuple(blocks))


def _escaped(text: str) -> str:
    """Return an expression for a text; what needs no backslash has none."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)


def _filled(text: str, anything: str) -> str:
    """Return version 2's template, such as ``/x/{id:[0-9]+}``, as an expression."""
    parts, at = [], 0
    for match in _PLACEHOLDER.finditer(text):
        parts.append(_escaped(text[at : match.start()]))
        parts.append(f"(?:{match[2]})" if match[2] else anything)
        at = match.end()
    return "".join(parts) + _escaped(text[at:])


_MATCHERS: Final[dict[str, Callable[[Matcher], Iterator[Condition]]]] = {
    "host": _host,
    "hostheader": _host,
    "hostregexp": _host_regexp,
    "path": _path,
    "pathprefix": _path_prefix,
    "pathregexp": _path_regexp,
    "method": _method,
    "header": _header,
    "headers": _header,
    "headerregexp": _header_regexp,
    "headersregexp": _header_regexp,
    "query": _query,
    "clientip": _client_ip,
}
