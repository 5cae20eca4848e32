"""Which rule answers this request: the first by priority whose conditions all hold.

Floor 1: pure. A listener's rules are compiled when configuration arrives, in
steps short enough to stand between requests: block by block, so that a block that
did not change is not read again, and then all of them are indexed. Matching then
costs about the same for the first rule and the thousandth:

    rules of a block --> Block, Block, ... --> CompiledRules

    host --> rules of that host, of ``*.its.domain``, of any host
                 each a PathIndex: path --> candidates --> open checks

Exactly the rule that reading them one by one would choose is chosen. Absent:
actions. The answer is a position; what stands there is the caller's affair.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, assert_never

from alb.decide.conditions import (
    Check,
    Facts,
    header_check,
    host_check,
    host_patterns,
    method_check,
    path_patterns,
    query_check,
    source_check,
    whole_host_check,
    whole_path_check,
)
from alb.decide.path_index import Entry, PathIndex, path_index_steps
from alb.decide.request import RequestHead
from alb.decide.rewrite import Rewrite
from alb.decide.spelling import other_readings
from alb.decide.steps import at_once
from alb.decide.uri import normalise_path
from alb.decide.wildcard import Pattern
from alb.model import (
    Action,
    Condition,
    HostHeader,
    HttpHeader,
    HttpRequestMethod,
    Listener,
    PathPattern,
    QueryString,
    Rule,
    SourceIp,
)

DEFAULT_RULE: Final = -1
"""What `match` returns when no rule does; also where the default action stands."""


NO_PRIORITY: Final = 1 << 30
"""Later than any."""


class Indexes(NamedTuple):
    """Where rules stand: by literal host, by ``.domain``, and all others."""

    by_host: Mapping[bytes, PathIndex]
    by_domain: Mapping[bytes, PathIndex]
    anywhere: PathIndex


class CompiledRules:
    """The rules of one listener, ready to be asked.

    `rules` are sorted by priority, as the `blocks` are that they come from.
    `actions` has one per rule and the default action last, so that
    ``actions[match(...)]`` is what to do.
    """

    __slots__ = (
        "_anywhere",
        "_labels",
        "_places",
        "_plain",
        "actions",
        "blocks",
        "indexes",
        "rules",
    )

    def __init__(
        self, blocks: tuple[Block, ...], default_action: Action, indexes: Indexes
    ) -> None:
        self.blocks = blocks
        self.rules = tuple([rule for block in blocks for rule in block.rules])
        self.actions = (*[rule.action for rule in self.rules], default_action)
        self._places = {rule.priority: at for at, rule in enumerate(self.rules)}
        self.indexes = indexes
        """What the rules that follow these are indexed from."""
        self._anywhere = indexes.anywhere
        self._labels = max((d.count(b".") for d in indexes.by_domain), default=0)
        named = indexes.by_host or indexes.by_domain
        self._plain = not named and indexes.anywhere.is_unconditional

    def match(  # noqa: PLR0913, PLR0917 - positional and flat: it runs once per request
        self,
        method: bytes,
        host: bytes,
        path: bytes,
        query: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        peer_ip: str,
        host_field: bytes = b"",
    ) -> int:
        """Return the position in `rules` of the rule that answers, or DEFAULT_RULE.

        `host` is lower case and without port; `path` is raw, up to the first
        ``?``; `query` is what follows it; names in `headers` are lower case, a
        repeated header stands once per occurrence; `peer_ip` is the TCP peer;
        `host_field` is `host` with a port, where one was sent. Never raises.
        """
        if not self.rules:
            return DEFAULT_RULE
        return self._match(
            method, host, normalise_path(path), query, headers, peer_ip, host_field
        )

    def match_request(
        self, head: RequestHead, headers: Sequence[tuple[bytes, bytes]], peer_ip: str
    ) -> int:
        """Return what `match` does, and note in `head` where servers would differ."""
        if not self.rules:
            return DEFAULT_RULE
        path = normalise_path(head.path)
        position = self._match(
            head.method,
            head.host,
            path,
            head.query,
            headers,
            peer_ip,
            head.host_field,
        )
        if path is not head.path:  # most are
            for reading in other_readings(head.path):
                other = self._match(
                    head.method,
                    head.host,
                    reading,
                    head.query,
                    headers,
                    peer_ip,
                    head.host_field,
                )
                if other != position:
                    head.is_disputed = True
                    break
        return position

    def _match(  # noqa: PLR0913, PLR0917 - positional and flat: once per request
        self,
        method: bytes,
        host: bytes,
        path: bytes,
        query: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        peer_ip: str,
        host_field: bytes,
    ) -> int:
        """As `match`, of a path as one server reads it."""
        if self._plain:
            candidates = self._anywhere.lookup(path)
            return self._places[candidates[0][0]] if candidates else DEFAULT_RULE

        if host.endswith(b"."):  # the same name, said to be complete
            host = host[:-1]
        return self._find(
            method, host, path, query, headers, peer_ip, host_field or host
        )

    def _find(  # noqa: PLR0913, PLR0917 - positional and flat: once per request
        self,
        method: bytes,
        host: bytes,
        path: bytes,
        query: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        peer_ip: str,
        host_field: bytes,
    ) -> int:
        """Return where the first rule stands, over all indexes, whose checks hold.

        Facts are gathered only for rules that still ask something.
        """
        best = NO_PRIORITY
        facts: Facts | None = None
        for index in self._standing(host):
            for priority, checks in index.lookup(path):
                if priority >= best:
                    break
                if checks:
                    if facts is None:
                        facts = Facts(
                            method, host, path, query, headers, peer_ip, host_field
                        )
                    if not _all_hold(checks, facts):
                        continue
                best = priority
                break
        return DEFAULT_RULE if best == NO_PRIORITY else self._places[best]

    def _standing(self, host: bytes) -> Sequence[PathIndex]:
        """Return where rules for `host` stand: itself, its domains, anywhere."""
        by_host, by_domain, anywhere = self.indexes
        exact = by_host.get(host)
        found = (anywhere,) if exact is None else (exact, anywhere)
        return (*found, *self._domains_of(host)) if by_domain else found

    def _domains_of(self, host: bytes) -> list[PathIndex]:
        by_domain = self.indexes.by_domain
        found = []
        end = len(host)
        for _ in range(self._labels):
            end = host.rfind(b".", 0, end)
            if end < 0:
                break
            domain = by_domain.get(host[end:])
            if domain is not None:
                found.append(domain)
        return found


def _all_hold(checks: Sequence[Check], facts: Facts) -> bool:
    for check in checks:  # noqa: SIM110 - a generator costs more than the checks
        if not check(facts):
            return False
    return True


class _Parts(NamedTuple):
    """One rule, taken apart: what can be indexed and what must be asked."""

    hosts: tuple[Pattern, ...] | None
    paths: tuple[Pattern, ...] | None
    checks: tuple[Check, ...]


class Block:
    """Some rules of a listener, by priority, read but not indexed. Never changes."""

    __slots__ = ("needs_headers", "parts", "rewrites", "rules")

    def __init__(
        self,
        rules: tuple[Rule, ...],
        parts: tuple[_Parts, ...],
        rewrites: tuple[Rewrite | None, ...],
    ) -> None:
        self.rules = rules
        self.parts = parts
        self.rewrites = rewrites
        """What the rules' transforms are, one per rule."""
        conditions = [c for rule in rules for c in rule.conditions]
        self.needs_headers = any(isinstance(c, HttpHeader) for c in conditions)


class _Entries:
    """Entries of the indexes to be, by the host they are for."""

    def __init__(self) -> None:
        self.by_host: dict[bytes, list[Entry]] = defaultdict(list)
        self.by_domain: dict[bytes, list[Entry]] = defaultdict(list)
        self.anywhere: list[Entry] = []

    def add(self, block: Block) -> None:
        for rule, parts in zip(block.rules, block.parts, strict=True):
            self._add(rule.priority, parts)

    def _add(self, priority: int, parts: _Parts) -> None:
        entry = Entry(priority, parts.paths, parts.checks)
        if parts.hosts is None:
            self.anywhere.append(entry)
            return
        others = []
        for pattern in parts.hosts:
            if (literal := pattern.literal) is not None:
                self.by_host[literal].append(entry)
            elif (suffix := pattern.suffix) is not None and suffix.startswith(b"."):
                self.by_domain[suffix].append(entry)
            else:
                others.append(pattern)
        if others:
            checks = (host_check(others), *parts.checks)
            self.anywhere.append(entry._replace(checks=checks))


def compile_rules(listener: Listener) -> CompiledRules:
    """Compile all at once: for tests, tools and listeners of a few rules."""
    return at_once(compile_steps(listener))


def compile_steps(listener: Listener) -> Generator[None, None, CompiledRules]:
    """Compile in steps of well under a millisecond; the return value is the result.

    Raises as `block_steps`.
    """
    block = yield from block_steps(listener.rules)
    return (yield from index_steps((block,), listener.default_action))


def block_steps(rules: Iterable[Rule]) -> Generator[None, None, Block]:
    """Read the rules of a block.

    Raises ValueError on a source-ip value that is no CIDR block, and on an
    expression that is none.
    """
    ordered = tuple(sorted(rules, key=lambda rule: rule.priority))
    parts: list[_Parts] = []
    rewrites: list[Rewrite | None] = []
    for rule in ordered:
        parts.append(_take_apart(rule))
        rewrites.append(Rewrite(rule.transforms) if rule.transforms else None)
        yield
    return Block(ordered, tuple(parts), tuple(rewrites))


def index_steps(
    blocks: tuple[Block, ...],
    default_action: Action,
    before: CompiledRules | None = None,
) -> Generator[None, None, CompiledRules]:
    """Index all rules of a listener. Blocks stand by the priority of their rules.

    From what was `before`, where there is something: only blocks that are not in
    both are looked at.
    """
    former = before.blocks if before is not None else ()
    gone, new = _Entries(), _Entries()
    for block in {*former} - {*blocks}:
        gone.add(block)
    for block in {*blocks} - {*former}:
        new.add(block)
        yield
    indexes = before.indexes if before is not None else Indexes({}, {}, PathIndex())
    by_host = yield from _changed(indexes.by_host, gone.by_host, new.by_host)
    by_domain = yield from _changed(indexes.by_domain, gone.by_domain, new.by_domain)
    anywhere = indexes.anywhere
    if gone.anywhere or new.anywhere:
        anywhere = yield from path_index_steps(anywhere, gone.anywhere, new.anywhere)
    return CompiledRules(blocks, default_action, Indexes(by_host, by_domain, anywhere))


def _changed(
    before: Mapping[bytes, PathIndex],
    gone: Mapping[bytes, list[Entry]],
    new: Mapping[bytes, list[Entry]],
) -> Generator[None, None, dict[bytes, PathIndex]]:
    after = dict(before)
    for name in {*gone, *new}:
        index = after.pop(name, None) or PathIndex()
        index = yield from path_index_steps(
            index, gone.get(name, ()), new.get(name, ())
        )
        if not index.is_empty:
            after[name] = index
    return after


def _take_apart(rule: Rule) -> _Parts:
    """Take the first host and path condition for the index; ask the rest."""
    hosts = paths = None
    checks: list[Check] = []
    for condition in rule.conditions:
        match condition:
            case HostHeader(values, ()) if hosts is None:
                hosts = host_patterns(values)
            case PathPattern(values, ()) if paths is None:
                paths = path_patterns(values)
            case _:
                checks.append(_check(condition))
    return _Parts(hosts, paths, tuple(checks))


def _check(condition: Condition) -> Check:
    match condition:
        case HostHeader():
            return whole_host_check(condition)
        case PathPattern():
            return whole_path_check(condition)
        case HttpRequestMethod(values):
            return method_check(values)
        case HttpHeader():
            return header_check(condition)
        case QueryString():
            return query_check(condition)
        case SourceIp():
            return source_check(condition)
        case _:  # pragma: no cover - the union is closed
            assert_never(condition)
