"""A variable that is kept means, in a cluster file, what it meant in Compose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.cluster_file.variables import Unresolved, put_in
from controlplane.imports.given import Losses, Place, Text
from controlplane.imports.interpolation import Interpolation, literal

HERE = Place("f", 1, 1, "")

# fmt: off
KEPT = [
    ("a$X",          "a${X-}",       "a bare name is empty where it is not set"),
    ("${X}",         "${X-}",        "and so is one in braces"),
    ("${X:-y}",      "${X:-y}",      "a default is one"),
    ("${X-y}",       "${X-y}",       "of both kinds"),
    ("${X?must}",    "${X}",         "what must be set must be set"),
    ("$$X",          "$$X",          "two dollars are one"),
    ("$$${X}",       "$$${X-}",      "beside a variable too"),
    ("5$",           "5$$",          "a dollar alone is itself"),
    ("$1",           "$$1",          "and before what is no name"),
    ("${X:-$Y}",     "y",            "a default of variables is put in"),
    ("${X:+z}",      "",             "and so is an alternative"),
    ("${Y:+z}",      "z",            "as the variable is now"),
    ("${X/a/b}",     "$${X/a/b}",    "what Compose does not know is text"),
]
# fmt: on


@pytest.mark.parametrize(
    ("text", "kept"), [row[:2] for row in KEPT], ids=[row[2] for row in KEPT]
)
def test_kept(text: str, kept: str) -> None:
    assert kept == Interpolation({"Y": "y"}).kept(Text(text, HERE), Losses())


fragments = st.sampled_from(
    [
        "$", "$$", "{", "}", "a", "-", ":", "$A", "${A}", "${B:-x}", "${B-x}", "${C:+y}",
        "${A?e}", "${C:-${B}}", "${D-$$}", "${", "$ ", "${A/b}",
    ]
)  # fmt: skip
environments = st.dictionaries(
    st.sampled_from("ABC"), st.sampled_from(["", "v", "$$w"])
)


@given(st.lists(fragments, max_size=8).map("".join), environments)
def test_it_means_the_same_in_the_same_environment(
    text: str, variables: dict[str, str]
) -> None:
    values = Interpolation(variables)

    kept = values.kept(Text(text, HERE), Losses())

    if "${A}" in kept and "A" not in variables:  # it must be set, as in Compose
        with pytest.raises(Unresolved):
            put_in(kept, variables)
    else:
        assert put_in(kept, variables) == values.quietly(text)


@given(st.text("${}aX:-", max_size=12))
def test_a_literal_text_is_read_as_it_is(text: str) -> None:
    assert text == put_in(literal(text), {})


@given(
    st.dictionaries(st.sampled_from("AB"), st.just("v")),
    st.dictionaries(st.sampled_from("AB"), st.sampled_from(["", "w"])),
)
def test_what_is_kept_follows_later_environments(
    then: dict[str, str], later: dict[str, str]
) -> None:
    text = "$A/${A}/${B:-x}/${B-y}"

    kept = Interpolation(then).kept(Text(text, HERE), Losses())

    assert put_in(kept, later) == Interpolation(later).quietly(text)
