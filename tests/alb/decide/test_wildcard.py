"""Patterns match as ALB says, and never hang."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.decide.wildcard import Pattern, any_of, parse
from tests.support.one_by_one import alike, letters

# fmt: off
PATTERNS = [
    ("/img",      b"/img",           True,  "a literal matches itself"),
    ("/img",      b"/img/",          False, "and nothing longer"),
    ("/img",      b"/IMG",           False, "case is the caller's affair"),
    ("",          b"",               True,  "nothing matches nothing"),
    ("*",         b"",               True,  "a star may be nothing"),
    ("*",         b"a/b\nc",         True,  "or anything, across lines and slashes"),
    ("/img/*",    b"/img/a/b",       True,  "a star crosses slashes"),
    ("/img/*",    b"/img",           False, "what stands before it must be there"),
    ("*.example", b"a.b.example",    True,  "a star in front"),
    ("*.example", b".example",       True,  "which may be nothing"),
    ("*.example", b"example",        False, "the rest may not"),
    ("a*c*e",     b"abcde",          True,  "stars between"),
    ("a*c*e",     b"ace",            True,  "which may be nothing"),
    ("a*c*e",     b"aec",            False, "but the order holds"),
    ("a*a",       b"a",              False, "one letter is not both ends"),
    ("a*b*b",     b"ab",             False, "nor middle and end"),
    ("a?c",       b"abc",            True,  "a question mark is one"),
    ("a?c",       b"ac",             False, "not none"),
    ("a?c",       b"abbc",           False, "not two"),
    ("a?",        b"a\n",            True,  "any octet at all"),
    ("*?",        b"",               False, "a star and one is at least one"),
    ("*??*",      b"ab",             True,  "two anywhere"),
    ("a**b",      b"ab",             True,  "stars in a row are one"),
    ("*a?c*",     b"xxabcxx",        True,  "inside"),
    ("a.c",       b"abc",            False, "a dot is a dot"),
    ("a\\*c",     b"a\\xc",          True,  "without escapes a backslash is itself"),
    ("ab*\n",     b"abc\n",          True,  "an end of line is nothing special"),
    ("ab",        b"ab\n",           False, "not at the end either"),
    ("a?",        b"ab\n",           False, "nor behind a wildcard"),
    ("*b",        b"ab\n",           False, "nor behind a star"),
]
ESCAPES = [
    (r"a\*c",   b"a*c",  True,  "an escaped star is a star"),
    (r"a\*c",   b"abc",  False, "and nothing else"),
    (r"a\?*",   b"a?bc", True,  "an escaped question mark beside a star"),
    (r"a\?*",   b"abbc", False, "is no wildcard"),
    (r"a\b",    b"a\\b", True,  "other backslashes are themselves"),
]
# fmt: on


def plain(text: bytes) -> bytes:
    return text


def matches(pattern: Pattern, text: bytes) -> bool:
    return bool(any_of([pattern])(text))


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [row[:3] for row in PATTERNS],
    ids=[row[3] for row in PATTERNS],
)
def test_pattern(pattern: str, text: bytes, *, expected: bool) -> None:
    assert expected == matches(parse(pattern, plain), text)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [row[:3] for row in ESCAPES],
    ids=[row[3] for row in ESCAPES],
)
def test_escapes(pattern: str, text: bytes, *, expected: bool) -> None:
    assert expected == matches(parse(pattern, plain, escapes=True), text)


def test_literal_runs_are_put_in_the_form_that_texts_have() -> None:
    assert matches(parse("*.Example.COM", bytes.lower), b"a.example.com")


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("", (b"", None, None)),
        ("ab", (b"ab", None, None)),
        ("ab*", (None, b"ab", None)),
        ("*", (None, b"", None)),
        ("ab**", (None, b"ab", None)),
        ("*ab", (None, None, b"ab")),
        ("a?", (None, None, None)),
        ("*a*", (None, None, None)),
    ],
)
def test_simple_patterns_say_what_they_are(
    pattern: str, parts: tuple[bytes | None, bytes | None, bytes | None]
) -> None:
    parsed = parse(pattern, plain)

    assert parts == (parsed.literal, parsed.prefix, parsed.suffix)


@given(
    patterns=st.lists(st.text("ab*?", max_size=8), min_size=1, max_size=3),
    text=st.text("ab", max_size=10),
)
def test_any_of_is_the_definition(patterns: list[str], text: str) -> None:
    expected = any(alike(letters(pattern), text.encode()) for pattern in patterns)
    test = any_of(parse(pattern, plain) for pattern in patterns)

    assert expected == bool(test(text.encode()))


@pytest.mark.parametrize(
    "pattern",
    ["*a" * 60 + "*b", "*a?" * 40 + "b", "*" + "a" * 120 + "b*", "*?" * 60 + "b"],
)
def test_no_pattern_hangs(pattern: str) -> None:
    test = any_of([parse(pattern, plain)])
    start = time.perf_counter()

    assert not test(b"a" * 16_384)
    assert time.perf_counter() - start < 1.0, "backtracking would take years"
