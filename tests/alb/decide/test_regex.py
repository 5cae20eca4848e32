"""Expressions of rules mean what AWS's dialect says, and none can hang a worker."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alb.decide.regex import any_regex, capturing
from foundation.regex import SIZE_MAX, flaw_of
from tests.support.examples import examples

LONGEST_PATH = 16 * 1024

# fmt: off
MATCHES = [
    (r"^/api/v[0-9]+/", b"/api/v12/x",   True,  "an expression that begins where the text does"),
    (r"^/api/v[0-9]+/", b"/x/api/v1/",   False, "and nowhere else"),
    (r"v[0-9]",         b"/api/v1/x",    True,  "without anchors it may match anywhere"),
    (r"/b$",            b"/a/b",         True,  "the end is the text's end"),
    (r"/b$",            b"/a/b\n",       False, "not one before the last line's"),
    (r"^/b$",           b"/a\n/b\n",     False, "nor a line's"),
    (r"^/a.b$",         b"/a\nb",        True,  "a dot is any octet, also an end of line"),
    (r"^/a.b$",         b"/a\xffb",      True,  "also one that is no character"),
    (r"^/a.b$",         b"/a\xc3\xa9b",  False, "an octet and not a character"),
    (r"^/caf\xc3\xa9$", b"/caf\xc3\xa9", True,  "which can be written as they are sent"),
    (r"^/A$",           b"/a",           False, "case is the caller's affair"),
    (r"(?i)^/A$",       b"/a",           True,  "unless the expression says"),
    (r"^/(x|y)?z{2,3}$", b"/yzz",        True,  "groups, alternatives, repetitions"),
    (r"\bfoo\b",        b"/a-foo-b",     True,  "words"),
    (r"^[[:alpha:]\d]+$", b"a1",         True,  "classes of characters"),
    (r"a|^$",           b"",             True,  "the empty text"),
    (r"\.php$|\.asp$",  b"/x.asp",       True,  "an alternative over the whole"),
    (r"(?P<n>a)(?:b)",  b"ab",           True,  "named and uncounted groups"),
    (r"\++",            b"++",           True,  "a repeated plus sign is not possessive"),
    (r"[+*]+",          b"*+",           True,  "nor is a class of such signs"),
    (r"[]()\]]+$",      b"])(",          True,  "a class may begin with its end"),
]
FLAWS = [
    (r"a(b",          "missing ): a(b",                          2, "an open group"),
    (r"(a)[(](b\(",   "missing ): (a)[(](b\\(",                  7, "the one that is open"),
    (r"(a))b",        "unexpected ): (a))b",                     4, "a group that ends twice"),
    (r"a[b-",         "missing ]: [b-",                          2, "an open class"),
    (r"[a]x[^]b",     "missing ]: [^]b",                         5, "that holds what would end it"),
    (r"[z-a]",        "invalid character class range: z-a",      2, "a range that runs backward"),
    (r"[[:foo:]]",    "invalid character class range: [:foo:]",  2, "a class nobody knows"),
    (r"*a",           "no argument for repetition operator: *",  1, "nothing to repeat"),
    (r"a|*",          "no argument for repetition operator: *",  3, "nor in an alternative"),
    (r"a\*b**",       "bad repetition operator: **",             5, "a repeated repetition"),
    (r"a{1001}",      "invalid repetition size: {1001}",         2, "more than a thousand"),
    (r"\\\Z",         r"invalid escape sequence: \Z",            3, "an escape nobody knows"),
    ("a\\",           "trailing \\",                             2, "an escape of nothing"),
    (r"a(?#b)",       "invalid perl operator: (?#",              2, "a comment"),
    (r"a(?=b)",       "lookahead is not supported: (?=",         2, "a lookahead"),
    (r"a(?!b)",       "lookahead is not supported: (?!",         2, "a negative one"),
    (r"(?<=b)a",      "lookbehind is not supported: (?<=",       1, "a lookbehind"),
    (r"(?<!b)a",      "lookbehind is not supported: (?<!",       1, "a negative one"),
    (r"(a)\1",        r"a backreference is not supported: \1",   4, "a backreference"),
    (r"(?P<n>a)(?P=n)", "a backreference is not supported: (?P=", 9, "a named one"),
    (r"\k<n>",        r"a backreference is not supported: \k",   1, "in another spelling"),
    (r"(?>a)",        "an atomic group is not supported: (?>",   1, "an atomic group"),
    (r"a++",          "a possessive quantifier is not supported: ++", 2, "a possessive plus"),
    (r"a?+b{1,2}+",   "a possessive quantifier is not supported: ?+", 2, "the first of two"),
    (r"ab{1,}+",      "a possessive quantifier is not supported: {1,}+", 3, "a possessive count"),
    (r"a(?R)?",       "recursion is not supported: (?R",         2, "recursion"),
    (r"(a)(?1)",      "recursion is not supported: (?1",         4, "a subroutine"),
    (r"(?&n)",        "recursion is not supported: (?&",         1, "a named one"),
    (r"a\p{L}",       r"a Unicode class is not supported: \p{L}", 2, "a Unicode class"),
    (r"[a\PL]",       r"a Unicode class is not supported: \PL",  3, "in a class"),
]
# fmt: on

EVIL = [
    "(x+x+)+y",
    "(x|x)*$b",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "(.*)(.*)(.*)(.*)(.*)(.*)(.*)y",
    "(x?){60}x{60}y",
    "[xy]*x[xy]{300}z",
    "(?:.?){590}y",
]


@pytest.mark.parametrize(
    ("text", "subject", "expected"),
    [row[:3] for row in MATCHES],
    ids=[row[3] for row in MATCHES],
)
def test_match(text: str, subject: bytes, *, expected: bool) -> None:
    assert flaw_of(text) is None
    assert expected == bool(any_regex([text], any_case=False)(subject))


@pytest.mark.parametrize(
    ("text", "message", "at"), [row[:3] for row in FLAWS], ids=[row[3] for row in FLAWS]
)
def test_flaw(text: str, message: str, at: int) -> None:
    assert (message, at) == flaw_of(text)


def test_several_expressions_are_one_test() -> None:
    test = any_regex(["^a|b$", "(?i)c"], any_case=False)

    assert [True, True, True, False] == [
        bool(test(text)) for text in (b"ax", b"xb", b"xCx", b"xAx")
    ]


def test_case_is_ignored_where_it_is_asked_for() -> None:
    test = any_regex(["^A[b-d]$"], any_case=True)

    assert [True, True, False] == [bool(test(text)) for text in (b"ab", b"AC", b"ae")]


def test_an_expression_with_a_flaw_is_not_compiled() -> None:
    with pytest.raises(ValueError, match="missing"):
        any_regex(["a("], any_case=False)


def test_groups_are_told_first_alternative_first() -> None:
    found = capturing("(a|ab)(c|bcd)?(x)?", any_case=False).search(b"zabcd")

    assert (b"abcd", b"a", b"bcd", None) == (
        found.group(), found.group(1), found.group(2), found.group(3)
    )  # fmt: skip


# --- linear time ------------------------------------------------------------------


@pytest.mark.parametrize("text", EVIL)
def test_what_makes_others_backtrack_only_takes_its_length(text: str) -> None:
    """A backtracking engine would not come back from these within our days."""
    assert flaw_of(text) is None

    assert not any_regex([text], any_case=False)(b"x" * LONGEST_PATH)
    assert not capturing(text, any_case=False).search(b"x" * LONGEST_PATH)


@pytest.mark.parametrize(
    "text", ["(.{0,99}x){9}", "((a{30}b){30}c){2}", "(?:.?){999}", "x{900}y{900}"]
)
def test_an_expression_that_multiplies_is_refused(text: str) -> None:
    flaw = flaw_of(text)

    assert flaw
    assert re.fullmatch(
        r"is too large: \d+ steps of at most 1200|invalid repetition size.*",
        flaw.message,
    )


def test_a_thousand_letters_are_not_too_large() -> None:
    assert flaw_of("/" + "abcdefghij" * 102) is None
    assert flaw_of("^[a-z0-9-]{1,63}\\.[a-z0-9-]{1,63}\\.example\\.com$") is None


scribbles = st.text("ab()[]{}*+?|\\^$.,:<=!P029-", max_size=24)


@settings(max_examples=examples(2000), deadline=None)
@given(scribbles)
def test_whatever_is_written_is_taken_or_told_with_its_place(text: str) -> None:
    flaw = flaw_of(text)

    if flaw is None:
        assert capturing(text, any_case=False).programsize <= SIZE_MAX
        any_regex([text] * 5, any_case=True)(b"ab")
    else:
        assert flaw.message
        assert 1 <= flaw.at <= max(1, len(text))


# --- the same as `re`, where that means the same ------------------------------------

atoms = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", "(?:)", "^", "$"])
expressions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join).map("({})".format),
        st.tuples(
            inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "*?", "??"])
        ).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
    ),
    max_leaves=6,
)


@settings(max_examples=examples(2000), deadline=None)
@given(expressions, st.lists(st.text("ab1\n", max_size=6), min_size=1, max_size=5))
def test_an_expression_matches_what_re_matches(text: str, subjects: list[str]) -> None:
    theirs = re.compile(text.replace("$", r"\Z").encode(), re.DOTALL)
    ours = any_regex([text], any_case=False)

    for subject in map(str.encode, subjects):
        assert bool(theirs.search(subject)) == bool(ours(subject))
