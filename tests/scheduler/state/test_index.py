"""Groups of things: a copy and what it was copied from do not see each other."""

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.state.index import Index
from tests.support.examples import examples

STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "drop", "copy"]), st.sampled_from("ab"),
              st.integers(0, 3), st.integers(0, 9)),
    max_size=30,
)  # fmt: skip


@settings(max_examples=examples(300))
@given(STEPS)
def test_every_copy_is_as_a_dictionary_of_dictionaries_would_be(
    steps: list[tuple[str, str, int, int]],
) -> None:
    copies: list[tuple[Index[int, int], dict[str, dict[int, int]]]] = [(Index(), {})]
    for what, group, key, value in steps:
        index, plain = copies[value % len(copies)]
        if what == "copy":
            copies.append((index.copy(), {name: {**of} for name, of in plain.items()}))
        elif what == "put":
            index.put(group, key, value)
            plain.setdefault(group, {})[key] = value
        elif key in plain.get(group, {}):
            index.drop(group, key)
            del plain[group][key]
        for found, expected in copies:
            for name in "ab":
                assert list(expected.get(name, {}).items()) == list(
                    found.of(name).items()
                )
