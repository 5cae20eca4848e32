"""The line from nearly nothing to a full share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.decide.ramp import SHARE_LEAST, Ramp

# fmt: off
SHARES = [  # seconds since it began, of 30, and the share
    (0.0,   0.01, "it begins with something"),
    (0.2,   0.01, "and has that for a moment"),
    (3.0,   0.1,  "a tenth of the time, a tenth"),
    (15.0,  0.5,  "half of it, half"),
    (29.97, 0.999, "just before"),
    (30.0,  1.0,  "a full share"),
    (900.0, 1.0,  "and never more"),
    (-1.0,  0.01, "a clock read before it began"),
]
# fmt: on


@pytest.mark.parametrize(
    ("passed_s", "share"), [row[:2] for row in SHARES], ids=[row[2] for row in SHARES]
)
def test_the_share(passed_s: float, share: float) -> None:
    assert Ramp(1000.0, 30.0).share(1000.0 + passed_s) == pytest.approx(share)


seconds = st.floats(0, 1e7)


@given(seconds, st.floats(1, 900), st.floats(0, 2000), st.floats(0, 2000))
def test_it_never_shrinks_and_ends_full(
    begun_s: float, duration_s: float, one_s: float, other_s: float
) -> None:
    ramp = Ramp(begun_s, duration_s)
    sooner, later = sorted((one_s, other_s))

    before, after = ramp.share(begun_s + sooner), ramp.share(begun_s + later)

    assert SHARE_LEAST <= before <= after <= 1.0
    if ramp.has_ended(begun_s + later):
        assert after == 1.0
