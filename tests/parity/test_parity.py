"""The parity page says what is so: its tests exist, and the page is the made one."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from controlplane.cluster_file.fields.balancer import (
    LOAD_BALANCER_ATTRIBUTES,
    TARGET_GROUP_ATTRIBUTES,
)
from controlplane.cluster_file.fields.rules import LISTENER_ATTRIBUTES
from controlplane.cluster_file.kinds import Status
from tests.parity.alb_observed import METRICS
from tests.parity.page import SECTIONS, page
from tests.parity.rows import Row, State

ROOT = Path(__file__).parents[2]
ROWS = [row for section in SECTIONS for row in section.rows]
LIVE = [row for row in ROWS if row.state is State.LIVE]


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(n.name for n in ast.walk(tree) if isinstance(n, functions))


@pytest.mark.parametrize("row", LIVE, ids=[row.what for row in LIVE])
def test_a_live_row_names_a_test_that_exists(row: Row) -> None:
    path, _, name = row.test.partition("::")

    assert name.startswith("test_")
    assert name in names_in(path)


def test_a_row_that_is_not_live_says_why() -> None:
    silent = [row.what for row in ROWS if row.state is State.ABSENT and not row.note]

    assert [] == silent


def test_nothing_stands_twice() -> None:
    for section in SECTIONS:
        names = [row.what for row in section.rows]
        assert sorted({*names}) == sorted(names), section.title


ATTRIBUTES = {
    name: field
    for shape in (
        LOAD_BALANCER_ATTRIBUTES,
        LISTENER_ATTRIBUTES,
        TARGET_GROUP_ATTRIBUTES,
    )
    for name, field in shape.fields.items()
    if not name.startswith("alb.")
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_is_here_what_it_is_in_the_cluster_file(name: str) -> None:
    """Every attribute of AWS's has a row, and the two lists say the same of it."""
    found = {row.state is State.LIVE for row in ROWS if row.what == f"`{name}`"}

    assert {ATTRIBUTES[name].status is Status.LIVE} == found


def test_metrics_are_named_as_they_are_shown() -> None:
    shown = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "controlplane").glob("*metrics.py")
    )
    named = re.findall("alb_[a-z0-9_]+", " ".join(row.note for row in METRICS.rows))

    assert named
    assert [] == [name for name in named if f'"{name}"' not in shown]


def test_the_page_is_the_generated_one() -> None:
    committed = (ROOT / "docs/reference/alb-parity.md").read_text(encoding="utf-8")

    assert page() == committed, (
        "run: python -m tests.parity.page > docs/reference/alb-parity.md"
    )
