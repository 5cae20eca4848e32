"""Whatever stands in the file, it is taken or refused with places that exist."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from controlplane.cluster_file import load, text_of
from controlplane.problems import ConfigInvalid, Problem
from tests.support.examples import examples

VALID = (Path(__file__).parent / "valid.yaml").read_text()
LINES = VALID.split("\n")
VARIABLES = {"NAME": "web", "EMPTY": ""}

# fmt: off
FRAGMENTS = st.sampled_from([
    "", " ", "\t", "\n", ":", ": ", ",", "-", "- ", "#", " #", "#{host}", "*", "*a",
    "&a ", "<<: *labels", "[", "]", "{", "}", '"', "'", "|", ">", "!", "!!int ", "%",
    "@", "?", "? ", "~", "null", "yes", "no", "0256", "1.10", "22:22", "-1", "70000",
    "1e999", ".nan", "9" * 30, "${NAME}", "${NONE}", "${", "$$", "---\n", "...\n",
    "\x00", "\ufeff", "\x85", "\u2028", "\U0001f600", "\r", "x" * 200, "[[[[", "{{}}",
])
# fmt: on
PLACES = st.integers(0, len(VALID))
VALUES = st.recursive(
    FRAGMENTS,
    lambda inner: st.one_of(
        inner.map(lambda value: f"[{value}]"),
        inner.map(lambda value: f"{{a: {value}}}"),
        inner.map(lambda value: f'"{value}"'),
    ),
    max_leaves=4,
)


def problems(text: str) -> Sequence[Problem]:
    try:
        load("alb.yaml", text, VARIABLES)
    except ConfigInvalid as invalid:
        return invalid.problems
    return ()


def check(text: str) -> None:
    lines = text.split("\n")
    odd_breaks = sum(text.count(mark) for mark in "\r\x85\u2028\u2029")
    places = [(problem.line, problem.column) for problem in problems(text)]

    assert sorted(places) == places
    for line, column in places:
        assert 1 <= line <= len(lines) + odd_breaks
        if not odd_breaks:
            assert 1 <= column <= len(lines[line - 1]) + 1


@given(st.lists(st.tuples(PLACES, st.integers(0, 12), FRAGMENTS), max_size=3))
@settings(max_examples=examples(300), deadline=None)
def test_a_file_with_pieces_replaced(edits: list[tuple[int, int, str]]) -> None:
    text = VALID
    for place, length, fragment in edits:
        text = text[:place] + fragment + text[place + length :]
    check(text)


@given(st.integers(0, len(LINES) - 1), VALUES)
@settings(max_examples=examples(300), deadline=None)
def test_a_file_with_one_value_replaced(index: int, value: str) -> None:
    key, colon, _ = LINES[index].partition(":")
    check("\n".join([*LINES[:index], f"{key}{colon} {value}", *LINES[index + 1 :]]))


@given(st.lists(st.integers(0, len(LINES) - 1), max_size=6), st.booleans())
@settings(max_examples=examples(150), deadline=None)
def test_a_file_with_lines_left_out_or_doubled(where: list[int], double: bool) -> None:  # noqa: FBT001
    lines = list(LINES)
    for index in sorted(set(where), reverse=True):
        lines[index : index + 1] = [lines[index]] * 2 if double else []
    check("\n".join(lines))


@given(st.binary(max_size=200))
@example(b"{.")  # its only token ends on a line that is not there
@settings(max_examples=examples(200), deadline=None)
def test_any_bytes_at_all(content: bytes) -> None:
    with suppress(ConfigInvalid):
        check(text_of("alb.yaml", content))
