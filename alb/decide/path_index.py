"""Find the rules that a path may meet without asking each of them.

Floor 1: pure. Literal paths are looked up; ``/prefix*`` patterns stand sorted, so
that the longest one is found by bisection and knows the shorter ones around it.
What each place may meet is merged when it is built:

    path --> literal, or longest prefix, or neither --> candidates by priority

A candidate is a rule's priority and the checks that are still open. A list ends
at its first candidate with none: nothing behind it could ever be reached.

An index is built from the one before it: a rule that comes or goes touches its own
paths and those below them, however many others there are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Generator, Iterable
from typing import Final, NamedTuple

from alb.decide.conditions import Check, path_check
from alb.decide.wildcard import Pattern

STRIDE: Final = 16
"""Rules or paths between two steps: a small part of a tenth of a millisecond."""

Candidate = tuple[int, tuple[Check, ...]]
Candidates = tuple[Candidate, ...]


class Entry(NamedTuple):
    """One rule to be found: `paths` None is any path; `checks` are its others."""

    priority: int
    paths: tuple[Pattern, ...] | None
    checks: tuple[Check, ...]


class PathIndex:
    """Candidates by path. Built once, read by every request."""

    __slots__ = (
        "asking",
        "exact",
        "literals",
        "outer",
        "own_exact",
        "own_prefix",
        "own_scan",
        "prefix",
        "prefixes",
        "scan",
    )

    def __init__(self) -> None:
        self.own_exact: dict[bytes, Candidates] = {}
        self.own_prefix: dict[bytes, Candidates] = {}
        self.own_scan: Candidates = ()
        """What rules say of each place."""
        self.exact: dict[bytes, Candidates] = {}
        self.prefix: dict[bytes, Candidates] = {}
        self.scan: Candidates = ()
        """What a path may meet there: merged with the places around it."""
        self.literals: list[bytes] = []
        self.prefixes: list[bytes] = []
        """Both sorted."""
        self.outer: dict[bytes, bytes | None] = {}
        """The longest prefix that a prefix begins with."""
        self.asking = 0
        """Places where a candidate still asks something."""

    @property
    def is_unconditional(self) -> bool:
        """No candidate asks anything, so the first of a lookup is the answer."""
        return not self.asking

    @property
    def is_empty(self) -> bool:
        return not (self.own_exact or self.own_prefix or self.own_scan)

    def lookup(self, path: bytes) -> Candidates:
        """Return what `path` may meet, lowest priority first."""
        exact = self.exact.get(path)
        return exact if exact is not None else self.around(path)

    def around(self, path: bytes) -> Candidates:
        """Return what `path` may meet, leaving out literals."""
        prefixes = self.prefixes
        if prefixes:
            at = bisect_right(prefixes, path)
            prefix = prefixes[at - 1] if at else None
            while prefix is not None:
                if path.startswith(prefix):
                    return self.prefix[prefix]
                prefix = self.outer[prefix]
        return self.scan


def path_index_steps(
    before: PathIndex, gone: Iterable[Entry], new: Iterable[Entry]
) -> Generator[None, None, PathIndex]:
    """Build an index without the rules of `gone`, and with `new` ones.

    In small steps: a few rules or paths between two yields.
    """
    index, touched = _copy(before), _Touched()
    for entry in gone:
        _place(index, entry, touched, stays=False)
    yield
    for count, entry in enumerate(new):
        _place(index, entry, touched, stays=True)
        if not count % STRIDE:
            yield
    yield from _settle_steps(index, touched)
    return index


def _settle_steps(index: PathIndex, touched: _Touched) -> Generator[None, None, None]:
    """Say anew what a path may meet, wherever that depends on what was touched."""
    index.prefixes = _ordered(index.prefixes, index.own_prefix, touched.prefixes)
    index.literals = _ordered(index.literals, index.own_exact, touched.literals)
    if touched.scan:
        former, index.scan = index.scan, _reachable(list(index.own_scan))
        index.asking += _ask(index.scan) - _ask(former)
    prefixes = _below(index.prefixes, touched) | touched.prefixes
    for count, prefix in enumerate(sorted(prefixes)):  # outer ones first
        _settle_prefix(index, prefix)
        if not count % STRIDE:
            yield
    for count, path in enumerate(_below(index.literals, touched) | touched.literals):
        _settle_literal(index, path)
        if not count % STRIDE:
            yield


class _Touched:
    """Places of which rules say something else than before."""

    def __init__(self) -> None:
        self.literals: set[bytes] = set()
        self.prefixes: set[bytes] = set()
        self.scan = False


def _copy(before: PathIndex) -> PathIndex:
    index = PathIndex()
    index.own_exact = dict(before.own_exact)
    index.own_prefix = dict(before.own_prefix)
    index.own_scan = before.own_scan
    index.exact = dict(before.exact)
    index.prefix = dict(before.prefix)
    index.scan = before.scan
    index.literals = before.literals
    index.prefixes = before.prefixes
    index.outer = dict(before.outer)
    index.asking = before.asking
    return index


def _place(index: PathIndex, entry: Entry, touched: _Touched, *, stays: bool) -> None:
    """Put an entry at its places, or take it from there."""
    priority, paths, checks = entry
    others: list[Pattern] = []
    for pattern in paths or ():
        if (literal := pattern.literal) is not None:
            _say(index.own_exact, literal, (priority, checks), stays=stays)
            touched.literals.add(literal)
        elif (prefix := pattern.prefix) is not None:
            _say(index.own_prefix, prefix, (priority, checks), stays=stays)
            touched.prefixes.add(prefix)
        else:
            others.append(pattern)
    if others or paths is None:
        candidate = (priority, (path_check(others), *checks) if others else checks)
        scan = _others(index.own_scan, priority)
        index.own_scan = (*scan, candidate) if stays else scan
        touched.scan = True


def _say(
    own: dict[bytes, Candidates], place: bytes, candidate: Candidate, *, stays: bool
) -> None:
    others = _others(own.get(place, ()), candidate[0])
    if stays:
        own[place] = (*others, candidate)
    elif others:
        own[place] = others
    else:
        own.pop(place, None)


def _others(candidates: Candidates, priority: int) -> Candidates:
    return tuple([one for one in candidates if one[0] != priority])


def _ordered(
    places: list[bytes], own: dict[bytes, Candidates], touched: set[bytes]
) -> list[bytes]:
    """Return the places of `own`, sorted: `places`, but for those that are touched."""
    stay = [place for place in places if place not in touched]
    return sorted(stay + [place for place in touched if place in own])


def _below(places: list[bytes], touched: _Touched) -> set[bytes]:
    """Return those whose candidates come to depend on something else."""
    if touched.scan:
        return set(places)
    found: set[bytes] = set()
    for prefix in touched.prefixes:
        at = bisect_left(places, prefix)
        while at < len(places) and places[at].startswith(prefix):
            found.add(places[at])
            at += 1
    return found


def _settle_prefix(index: PathIndex, prefix: bytes) -> None:
    """Say anew what stands at a prefix; what is around it is settled."""
    index.asking -= _ask(index.prefix.pop(prefix, ()))
    index.outer.pop(prefix, None)
    own = index.own_prefix.get(prefix)
    if own is None:
        return
    at = bisect_left(index.prefixes, prefix)
    outer = index.prefixes[at - 1] if at else None
    while outer is not None and not prefix.startswith(outer):
        outer = index.outer[outer]
    found = _merged(own, index.scan if outer is None else index.prefix[outer])
    index.outer[prefix] = outer
    index.prefix[prefix] = found
    index.asking += _ask(found)


def _settle_literal(index: PathIndex, path: bytes) -> None:
    """Say anew what stands at a literal; all prefixes are settled."""
    index.asking -= _ask(index.exact.pop(path, ()))
    own = index.own_exact.get(path)
    if own is not None:
        found = _merged(own, index.around(path))
        index.exact[path] = found
        index.asking += _ask(found)


def _merged(own: Candidates, inherited: Candidates) -> Candidates:
    if not inherited and len(own) == 1:  # as most are
        return own
    return _reachable([*own, *inherited])


def _ask(candidates: Candidates) -> bool:
    """Whether any of them asks anything."""
    for _, checks in candidates:  # noqa: SIM110 - a generator costs more
        if checks:
            return True
    return False


def _reachable(candidates: list[Candidate]) -> Candidates:
    """Sort by position and cut behind the first candidate that asks nothing more."""
    candidates.sort(key=_order)
    for at, (_, checks) in enumerate(candidates, start=1):
        if not checks:
            return tuple(candidates[:at])
    return tuple(candidates)


def _order(candidate: Candidate) -> tuple[int, int]:
    return candidate[0], len(candidate[1])
