"""What is sealed opens as it was sealed, and nothing else opens."""

from __future__ import annotations

import base64
import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.decide.sealing import VALUE_MAX, Keyring
from alb.ports import SessionKey

NOW = 1_700_000_000
ABOUT = b"AWSALB web"


def key(name: str, since: int = 0) -> SessionKey:
    secret = hashlib.sha256(name.encode()).digest()[:16]
    return SessionKey(name, base64.b64encode(secret).decode(), since)


def ring(*keys: SessionKey) -> Keyring:
    return Keyring(keys, random.Random(7).randbytes)  # noqa: S311 - a test's


RING = ring(key("aaaaaaaa"))
VALUE = RING.seal(ABOUT, b"task/1", NOW)


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_what_was_sealed_opens(text: bytes, about: bytes) -> None:
    value = RING.seal(about, text, NOW)
    assert text == RING.open(about, value, NOW)
    assert value == value.strip(b' ";,\\=')


def test_the_value_does_not_show_what_it_says() -> None:
    sealed = base64.urlsafe_b64decode(VALUE + b"=" * (-len(VALUE) % 4))
    assert b"task" not in sealed
    assert NOW.to_bytes(5, "big") not in sealed
    assert VALUE != RING.seal(ABOUT, b"task/1", NOW), "nor that it says the same again"


def test_no_nonce_is_used_twice() -> None:
    values = [RING.seal(ABOUT, b"task/1", NOW) for _ in range(1000)]
    nonces = {base64.urlsafe_b64decode(value + b"==")[4:16] for value in values}
    assert len(nonces) == len(values)


@given(st.data())
def test_a_value_that_was_tampered_with_does_not_open(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(VALUE) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != VALUE[at]))
    tampered = VALUE[:at] + bytes([other]) + VALUE[at + 1 :]
    assert RING.open(ABOUT, tampered, 0) is None


@given(st.integers(0, len(VALUE)), st.binary(max_size=8))
def test_nor_one_that_is_longer_or_shorter(cut: int, more: bytes) -> None:
    changed = VALUE[:cut] + more + VALUE[cut:]
    for one in (VALUE[:cut], changed):
        if one != VALUE:
            assert RING.open(ABOUT, one, 0) is None


@given(st.binary(max_size=2 * VALUE_MAX))
def test_nor_anything_else_that_comes(noise: bytes) -> None:
    assert RING.open(ABOUT, noise, 0) is None
    spelled = base64.urlsafe_b64encode(bytes.fromhex("aaaaaaaa") + noise).rstrip(b"=")
    assert RING.open(ABOUT, spelled, 0) is None


@pytest.mark.parametrize(
    "spelling",
    [VALUE + b"=", VALUE + b"==", b" " + VALUE, b'"' + VALUE + b'"', VALUE + b"\n"],
)
def test_there_is_one_spelling(spelling: bytes) -> None:
    assert RING.open(ABOUT, spelling, 0) is None


def test_a_value_opens_for_what_it_was_made_for() -> None:
    assert RING.open(b"AWSALB api", VALUE, 0) is None
    assert RING.open(b"AWSALBTG", VALUE, 0) is None


def test_a_value_lasts_as_long_as_is_asked() -> None:
    assert RING.open(ABOUT, VALUE, NOW) is not None
    assert RING.open(ABOUT, VALUE, NOW + 1) is None


def test_the_newest_key_that_is_in_use_seals_and_all_open() -> None:
    old, new, next_ = key("0000000a"), key("0000000b", NOW), key("0000000c", NOW + 60)
    both = ring(next_, old, new)
    value = both.seal(ABOUT, b"x", NOW)
    assert ring(new).open(ABOUT, value, 0) == b"x"
    assert ring(old, next_).open(ABOUT, value, 0) is None
    for one in (old, new, next_):
        assert both.open(ABOUT, ring(one).seal(ABOUT, b"y", NOW), 0) == b"y"


def test_a_clock_that_was_set_back_has_a_key_to_seal_with() -> None:
    early = ring(key("0000000b", NOW), key("0000000c", NOW + 60))
    value = early.seal(ABOUT, b"x", NOW - 1000)
    assert ring(key("0000000b")).open(ABOUT, value, 0) == b"x"


def test_a_key_shows_its_secret_to_nobody_who_prints_it() -> None:
    assert key("aaaaaaaa").secret not in repr(key("aaaaaaaa"))
