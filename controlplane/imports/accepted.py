"""Make what was imported acceptable to `alb validate`, by its own judgement.

    sections --> text --> validator --> problems --> fewer sections --> ...

Importers write what AWS has a field for; only the validator knows what of it is
built and within limits. What it refuses is taken out, as small a part as can be
taken without changing who reaches what, and told at the place it came from: of
a listener a whole rule, of a container one field. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from controlplane.cluster_file.load import load
from controlplane.imports.given import Loss, Place
from controlplane.imports.section import Section, all_sections
from controlplane.imports.writing import written
from controlplane.problems import ConfigInvalid, Problem
from controlplane.tls.disk import Disk

PASSES_MAX: Final = 50
"""Each takes something out; what one makes dangle goes with the next."""

_NEEDED: Final = frozenset(
    {
        "name", "family", "containerDefinitions", "serviceName", "taskDefinition",
        "priority", "conditions", "actions", "transforms", "defaultActions", "type",
        "field", "values", "value", "regexValues", "httpHeaderName", "port",
        "targetGroup", "targetGroups", "id", "containerPort", "protocol", "rewrites",
        "certificate", "privateKey",
    }
)  # fmt: skip
"""Fields without which the mapping around them means nothing, or more than it did:
with one of these the mapping goes. ``protocol`` is TLS or not, udp or not."""

_STEP: Final = re.compile(r"\[(\d+)\]")
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

_Container = dict[str, object] | list[object]
_Chain = list[tuple[_Container, str | int]]
"""From the file inwards: a mapping and a key of it, or a list and an index."""

NOT_FOUND: Final[Mapping[str, object]] = {
    "type": "fixed-response",
    "statusCode": "404",
    "messageBody": "not found",
}
"""What a listener answers whose own default action cannot be carried over."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A cluster file's text and what is not in it."""

    text: str
    losses: tuple[Loss, ...]
    """By place."""
    needs: tuple[str, ...]
    """Environment variables that the file needs, and that are not set."""
    warnings: tuple[Problem, ...]
    """The validator's, of `text`."""
    problems: tuple[Problem, ...] = ()
    """Why the validator still refuses `text`; empty: it accepts it."""


def accepted(
    root: Section,
    heading: tuple[str, ...],
    variables: Mapping[str, str],
    disk: Disk | None = None,
) -> Imported:
    """Return the text of `root` without what the validator refuses."""
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    text = ""
    for _ in range(PASSES_MAX):
        text = written(root, heading)
        try:
            warnings = load("", text, _enough(text, variables), disk).warnings
        except ConfigInvalid as invalid:
            problems = invalid.problems
        else:
            problems = ()
            break
        if not _take_out(root, problems):
            break
    losses = {loss for section in all_sections(root) for loss in section.losses}
    needs = sorted(set(_VARIABLE.findall(text)) - variables.keys())
    return Imported(text, tuple(sorted(losses)), tuple(needs), warnings, problems)


def _enough(text: str, variables: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables, and something for those that are not set."""
    return dict.fromkeys(_VARIABLE.findall(text), "unset") | dict(variables)


def _take_out(root: Section, problems: tuple[Problem, ...]) -> bool:
    """Take out what `problems` are about. Returns whether anything was."""
    found = [(_removable(_chain(root, one.path)), one) for one in problems]
    taken = False
    gone: set[tuple[int, object]] = set()
    for chain, problem in found:
        if not chain or _is_gone(chain, gone):
            continue
        container, key = chain[-1]
        gone.add((id(container), _item_of(container, key)))
        _tell(chain, problem)
        taken = True
    for chain, _ in found:
        if chain:
            _delete(*chain[-1], gone)
    return taken


def _is_gone(chain: _Chain, gone: set[tuple[int, object]]) -> bool:
    return any((id(c), _item_of(c, key)) in gone for c, key in chain)


def _at(container: _Container, key: str | int) -> object:
    if isinstance(container, list):
        return container[int(key)]
    return container[str(key)]


def _item_of(container: _Container, key: str | int) -> object:
    """Return what tells an item apart while others of its list are taken out."""
    if isinstance(container, list):
        assert isinstance(key, int)
        return id(container[key])
    return key


def _delete(
    container: _Container, key: str | int, gone: set[tuple[int, object]]
) -> None:
    if isinstance(container, list):
        container[:] = [x for x in container if (id(container), id(x)) not in gone]
    elif key == "defaultActions":
        container["defaultActions"] = [dict(NOT_FOUND)]
    else:
        container.pop(str(key), None)


def _tell(chain: _Chain, problem: Problem) -> None:
    """Add a loss to the innermost section that stays."""
    container, key = chain[-1]
    leaf = problem.path.rpartition(".")[2]
    place: Place | None = None
    item = _at(container, key)
    if isinstance(item, Section):
        place = item.origin
    for outer, name in reversed(chain):
        if place is None and isinstance(outer, Section):
            place = outer.places.get(str(name), outer.origin)
    stays = next(c for c, _ in reversed(chain) if isinstance(c, Section))
    assert place is not None, "the file itself is a section"
    stays.losses.append(Loss(place, f"{leaf}: {problem.message}"))
    for inner in all_sections(item):
        stays.losses.extend(inner.losses)


def _chain(root: Section, path: str) -> _Chain:
    """Return the way to a path of the validator's, as far as it leads."""
    chain: _Chain = []
    here: object = root
    while path:
        if isinstance(here, dict):
            key = _first_key(here, path)
            if key is None:
                break
            chain.append((here, key))
            here, path = here[key], path[len(key) :].removeprefix(".")
        elif isinstance(here, list) and (step := _STEP.match(path)):
            index = int(step[1])
            chain.append((here, index))
            here, path = here[index], path[step.end() :].removeprefix(".")
        else:
            break
    return chain


def _first_key(here: dict[str, object], path: str) -> str | None:
    """Return the longest key that `path` begins with: attribute keys have dots."""
    fitting = [
        key for key in here if path == key or path.startswith((f"{key}.", f"{key}["))
    ]
    return max(fitting, key=len, default=None)


def _removable(chain: _Chain) -> _Chain:
    """Shorten a way to the smallest part that can go by itself."""
    for index, (_, key) in enumerate(chain[:-1]):
        if key == "rules":  # a rule is whole, or not there
            return chain[: index + 2]
    while chain and not _can_go(chain):
        if spare := _spare_container(chain):
            return spare
        chain = chain[:-1]
    return chain


def _can_go(chain: _Chain) -> bool:
    container, key = chain[-1]
    if isinstance(container, list):
        return isinstance(_at(container, key), dict) and not _is_essential(chain)
    return key == "defaultActions" or key not in _NEEDED


def _is_essential(chain: _Chain) -> bool:
    """Whether it is a container without which its task is another."""
    if len(chain) < 2 or chain[-2][1] != "containerDefinitions":  # noqa: PLR2004
        return False
    item = _at(*chain[-1])
    return isinstance(item, dict) and bool(item.get("essential", True))


def _spare_container(chain: _Chain) -> _Chain:
    """Return the way to a container that its task can do without, if it has one."""
    container, key = chain[-1]
    if isinstance(container, list) or key != "containerDefinitions":
        return []
    items = container[key]
    assert isinstance(items, list)
    for index, item in enumerate(items):
        if isinstance(item, dict) and not item.get("essential", True):
            return [*chain, (items, index)]
    return []
