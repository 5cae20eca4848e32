"""The twenty pitfalls: each names its tests, and they are there."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.parity.pitfalls import PITFALLS

ROOT = Path(__file__).parents[2]
PROMISES = [(pitfall.what, one) for pitfall in PITFALLS for one in pitfall.promises]


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(n.name for n in ast.walk(tree) if isinstance(n, functions))


@pytest.mark.parametrize(
    "test",
    [one.test for _, one in PROMISES],
    ids=[f"{pitfall}: {one.what}" for pitfall, one in PROMISES],
)
def test_a_promise_names_a_test_that_exists(test: str) -> None:
    path, _, name = test.partition("::")

    assert name in names_in(path)


def test_there_are_twenty_and_some_and_each_is_shown() -> None:
    assert len(PITFALLS) == 20 + 1
    assert all(pitfall.promises for pitfall in PITFALLS)
