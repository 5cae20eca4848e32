"""Keys for session cookies over the days."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from alb.decide.key_rotation import LEAD_S, SEALS_S, is_due, rotated
from alb.ports import SessionKey

WEEK_S = 604_800
"""AWS's longest duration of stickiness."""


def run(looks: list[int]) -> list[tuple[int, tuple[SessionKey, ...]]]:
    """Look after each of these pauses, as the keeper does; return what was kept."""
    keys: tuple[SessionKey, ...] = ()
    seen, now = [], 1_700_000_000
    for number, pause in enumerate(looks):
        now += pause
        if is_due(keys, now):
            since = now + LEAD_S if keys else now
            keys = rotated(keys, SessionKey(f"{number:08x}", "", since), now)
        seen.append((now, keys))
    return seen


def sealer(keys: tuple[SessionKey, ...], now: int) -> SessionKey:
    return max((k for k in keys if k.from_unix_s <= now), key=lambda k: k.from_unix_s)


@example([SEALS_S // 24] * 20 * 24)
@given(st.lists(st.integers(0, 2 * SEALS_S), min_size=1, max_size=40))
def test_a_value_opens_as_long_as_it_may_last(looks: list[int]) -> None:
    seen = run(looks)
    for now, keys in seen:
        sealing = sealer(keys, now)
        for later, kept in seen:
            if now <= later <= now + WEEK_S:
                assert sealing in kept


def test_looked_after_each_minute_a_key_seals_for_a_day_and_is_known_before() -> None:
    seen = run([60] * (30 * 24 * 60))
    known: dict[str, int] = {}
    ages = []
    for now, keys in seen:
        for one in keys:
            known.setdefault(one.id, now)
        sealing = sealer(keys, now)
        ages.append(now - sealing.from_unix_s)
        assert (
            now >= known[sealing.id] + LEAD_S
            or now == sealing.from_unix_s
            or (sealing.id == "00000000")
        )
    assert max(ages) <= SEALS_S + 60
    assert max(len(keys) for _, keys in seen) <= 11
