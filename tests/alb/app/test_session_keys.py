"""The keeper's keys for sessions: made once, kept, renewed, and told."""

from __future__ import annotations

from pathlib import Path

import pytest

from alb.app.session_keys import FILE_NAME, KeptKeys, keyring
from alb.decide.key_rotation import LEAD_S, SEALS_S

NOW = 1_700_000_000


class At:
    """A clock that stands."""

    def __init__(self, unix_s: float = NOW) -> None:
        self.unix = unix_s

    def now_s(self) -> float:
        return 0.0

    def unix_s(self) -> float:
        return self.unix


def test_keys_are_made_once_and_found_again(tmp_path: Path) -> None:
    made = KeptKeys(tmp_path, At()).message
    assert 1 == len(made.keys)
    assert made == KeptKeys(tmp_path, At(NOW + 100)).message
    assert made != KeptKeys(tmp_path / "..", At()).message
    (tmp_path / ".." / FILE_NAME).unlink()


def test_a_day_later_the_next_key_is_known_before_it_seals(tmp_path: Path) -> None:
    clock = At()
    kept = KeptKeys(tmp_path, clock)
    value = keyring(kept.message).seal(b"", b"x", NOW)
    clock.unix += SEALS_S - LEAD_S
    assert kept.renew()
    assert not kept.renew()
    both = keyring(kept.message)
    soon = both.seal(b"", b"y", int(clock.unix))
    later = both.seal(b"", b"z", int(clock.unix) + LEAD_S)
    assert value[:5] == soon[:5] != later[:5], "the key's id"
    assert b"x" == both.open(b"", value, 0)


def test_a_disk_that_takes_nothing_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).mkdir()
    kept = KeptKeys(tmp_path, At())
    assert 1 == len(kept.message.keys)
    assert "session keys were not read" in caplog.text
    assert "session keys were not written" in caplog.text
    assert kept.message.keys[0].secret not in caplog.text
