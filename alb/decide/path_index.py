"""Find the rules that a path may meet without asking each of them.

Floor 1: pure. Literal paths are looked up; ``/prefix*`` patterns stand sorted, so
that the longest one is found by bisection and knows the shorter ones around it.
What each place may meet is merged when it is built:

    path --> literal, or longest prefix, or neither --> candidates by priority

A candidate is a rule's position and the checks that are still open. A list ends
at its first candidate with none: nothing behind it could ever be reached.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
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

    position: int
    paths: tuple[Pattern, ...] | None
    checks: tuple[Check, ...]


class PathIndex:
    """Candidates by path. Built once, read by every request."""

    __slots__ = (
        "_candidates",
        "_exact",
        "_outer",
        "_prefixes",
        "_scan",
        "is_unconditional",
    )

    def __init__(self, scan: Candidates) -> None:
        self._scan = scan
        self.is_unconditional = not _ask(scan)
        """No candidate asks anything, so the first of a lookup is the answer."""
        self._exact: dict[bytes, Candidates] = {}
        self._prefixes: list[bytes] = []
        self._candidates: list[Candidates] = []
        self._outer: list[int] = []

    def lookup(self, path: bytes) -> Candidates:
        """Return what `path` may meet, lowest position first."""
        exact = self._exact.get(path)
        if exact is not None:
            return exact
        prefixes = self._prefixes
        if prefixes:
            at = bisect_right(prefixes, path) - 1
            while at >= 0:
                if path.startswith(prefixes[at]):
                    return self._candidates[at]
                at = self._outer[at]
        return self._scan

    def add_prefix(self, prefix: bytes, own: list[Candidate]) -> None:
        """Add a prefix; they must come sorted, so that the longer ones come later."""
        outer = len(self._prefixes) - 1
        while outer >= 0 and not prefix.startswith(self._prefixes[outer]):
            outer = self._outer[outer]
        inherited = self._scan if outer < 0 else self._candidates[outer]
        self._prefixes.append(prefix)
        self._outer.append(outer)
        self._candidates.append(self._merged(own, inherited))

    def add_literal(self, path: bytes, own: list[Candidate]) -> None:
        """Add a literal path; after all prefixes."""
        self._exact[path] = self._merged(own, self.lookup(path))

    def _merged(self, own: list[Candidate], inherited: Candidates) -> Candidates:
        if not inherited and len(own) == 1:  # as most are
            found: Candidates = (own[0],)
        else:
            found = _reachable([*own, *inherited])
        if self.is_unconditional and _ask(found):
            self.is_unconditional = False
        return found


class _Places:
    """Candidates by where they will stand, while entries are still coming in."""

    def __init__(self) -> None:
        self.literals: dict[bytes, list[Candidate]] = defaultdict(list)
        self.prefixes: dict[bytes, list[Candidate]] = defaultdict(list)
        self.scan: list[Candidate] = []

    def add(self, entry: Entry) -> None:
        position, paths, checks = entry
        if paths is None:
            self.scan.append((position, checks))
            return
        others = []
        for pattern in paths:
            if (literal := pattern.literal) is not None:
                self.literals[literal].append((position, checks))
            elif (prefix := pattern.prefix) is not None:
                self.prefixes[prefix].append((position, checks))
            else:
                others.append(pattern)
        if others:
            self.scan.append((position, (path_check(others), *checks)))


def path_index_steps(entries: Iterable[Entry]) -> Generator[None, None, PathIndex]:
    """Build an index in small steps: a few rules or paths between two yields."""
    places = _Places()
    for count, entry in enumerate(entries):
        places.add(entry)
        if not count % STRIDE:
            yield

    index = PathIndex(_reachable(places.scan))
    for count, prefix in enumerate(sorted(places.prefixes)):
        index.add_prefix(prefix, places.prefixes[prefix])
        if not count % STRIDE:
            yield
    for count, (path, own) in enumerate(places.literals.items()):
        index.add_literal(path, own)
        if not count % STRIDE:
            yield
    return index


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
