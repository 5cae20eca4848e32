"""The parity pages say what is so: their tests exist, and the pages are the made ones."""

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
from tests.parity.page import ALB, PAGES, Page, text
from tests.parity.rows import Row, State

ROOT = Path(__file__).parents[2]
LIVE = [
    pytest.param(row, id=f"{page.name}: {row.what}")
    for page in PAGES.values()
    for row in page.rows
    if row.state is State.LIVE
]
each_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(n.name for n in ast.walk(tree) if isinstance(n, functions))


@pytest.mark.parametrize("row", LIVE)
def test_a_live_row_names_a_test_that_exists(row: Row) -> None:
    path, _, name = row.test.partition("::")

    assert name.startswith("test_")
    assert name in names_in(path)


@each_page
def test_a_row_that_is_not_live_says_why(page: Page) -> None:
    silent = [r.what for r in page.rows if r.state is State.ABSENT and not r.note]

    assert [] == silent


@each_page
def test_nothing_stands_twice(page: Page) -> None:
    for section in page.sections:
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
    found = {row.state is State.LIVE for row in ALB.rows if row.what == f"`{name}`"}

    assert {ATTRIBUTES[name].status is Status.LIVE} == found


def test_metrics_are_named_as_they_are_shown() -> None:
    shown = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "controlplane").glob("*metrics.py")
    )
    named = re.findall("alb_[a-z0-9_]+", " ".join(row.note for row in METRICS.rows))

    assert named
    assert [] == [name for name in named if f'"{name}"' not in shown]


@each_page
def test_the_page_is_the_generated_one(page: Page) -> None:
    committed = (ROOT / page.file).read_text(encoding="utf-8")

    assert text(page) == committed, f"run: {page.command} > {page.file}"
