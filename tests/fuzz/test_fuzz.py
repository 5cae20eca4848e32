"""Each fuzz target, for a moment: `make fuzz` is where it runs for long."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import WORDS, Target
from tests.support.examples import examples


@pytest.mark.parametrize(
    ("target", "words"), WORDS.items(), ids=[target.__name__ for target in WORDS]
)
@given(data=st.data())
@settings(max_examples=examples(1200))
def test_nothing_that_comes_breaks_a_promise(
    target: Target, words: Sequence[bytes], data: st.DataObject
) -> None:
    pieces = st.sampled_from(words) | st.binary(max_size=3)
    target(b"".join(data.draw(st.lists(pieces, max_size=60))))
