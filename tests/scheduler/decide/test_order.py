"""Who starts after whom, and who stops before whom."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.decide.order import (
    circle,
    dependencies,
    in_order,
    stop_waves,
    waits_for,
)
from scheduler.definition import Condition, ContainerDefinition, Dependency, VolumeFrom


def containers(drawing: str) -> list[ContainerDefinition]:
    """Read ``a:bc b c``: a depends on b and c."""
    found = []
    for word in drawing.split():
        name, _, needs = word.partition(":")
        depends = tuple(Dependency(need, Condition.START) for need in needs)
        found.append(ContainerDefinition(name, depends_on=depends))
    return found


# fmt: off
ORDERS = [
    ("a b c",          "abc",  "abc",       "as they are written, all stopped at once"),
    ("a:b b",          "ba",   "a b",       "dependents start last and stop first"),
    ("a:b b:c c",      "cba",  "a b c",     "a chain"),
    ("a:bc b c",       "bca",  "a bc",      "two that one needs stop together"),
    ("a b:a c:a d:bc", "abcd", "d bc a",    "a diamond"),
    ("a:x",            "a",    "a",         "who is not there is not waited for"),
]
CIRCLES = [
    ("a b:a",        "",    "none"),
    ("a:b b:a",      "ab",  "two"),
    ("a:b b:c c:b",  "bc",  "one that leads into a circle is not of it"),
    ("a:a",          "a",   "itself"),
    ("d a:b b:c c:a", "abc", "three"),
]
# fmt: on


@pytest.mark.parametrize(
    ("drawing", "start", "stop"), [r[:3] for r in ORDERS], ids=[r[3] for r in ORDERS]
)
def test_the_order(drawing: str, start: str, stop: str) -> None:
    found = containers(drawing)

    assert start == "".join(each.name for each in in_order(found))
    assert stop == " ".join("".join(wave) for wave in stop_waves(found))


@pytest.mark.parametrize(
    ("drawing", "names"), [r[:2] for r in CIRCLES], ids=[r[2] for r in CIRCLES]
)
def test_a_circle_is_found(drawing: str, names: str) -> None:
    assert names == "".join(circle(containers(drawing)))


def test_links_and_volumes_are_dependencies_unless_one_says_more() -> None:
    healthy = Dependency("c", Condition.HEALTHY)
    found = ContainerDefinition(
        "a",
        links=("b:alias", "c"),
        volumes_from=(VolumeFrom("b"), VolumeFrom("d")),
        depends_on=(healthy,),
    )

    assert dependencies(found) == (
        healthy,
        Dependency("b", Condition.START),
        Dependency("d", Condition.START),
    )
    assert (healthy,) == waits_for(found, lambda each: each is not healthy)


@given(st.lists(st.sets(st.integers(0, 7)), min_size=1, max_size=8))
def test_each_comes_after_what_it_needs_or_there_is_a_circle(
    needs: list[set[int]],
) -> None:
    names = "abcdefgh"
    found = [
        replace(
            ContainerDefinition(names[number]),
            depends_on=tuple(
                Dependency(names[need], Condition.START)
                for need in sorted(of)
                if need < len(needs)
            ),
        )
        for number, of in enumerate(needs)
    ]
    if round_ := circle(found):
        for this, following in zip(round_, (*round_[1:], round_[0]), strict=True):
            depends = next(each for each in found if each.name == this).depends_on
            assert following in {each.container_name for each in depends}
        return

    started = [each.name for each in in_order(found)]
    stopped = [name for wave in stop_waves(found) for name in wave]
    assert sorted(started) == sorted(stopped) == sorted(each.name for each in found)
    for each in found:
        for need in each.depends_on:
            assert started.index(need.container_name) < started.index(each.name)
            assert stopped.index(need.container_name) > stopped.index(each.name)
