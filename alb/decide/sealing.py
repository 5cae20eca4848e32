"""Seal what a cookie says: clients can neither read it nor change it. Floor 1: pure.

    about, text --> Keyring.seal --> value --> Keyring.open --> text | None

A value is base64url, without padding, of the key's id (4 bytes), a nonce (12) and
AES-128-GCM over when it was sealed (5) and the text (tag: 16). `about` (what the
value is for) is authenticated but not in it, so that a value made for one purpose
or one group opens for no other. Only the one spelling that was sealed opens.

Nonces are drawn by chance: with keys that are replaced daily, 2**32 values of one
key would take 50,000 a second.

Keys that are new open at once and seal later (`from_unix_s`), so that every worker
has a key before any of them uses it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from alb.decide.key_rotation import ID_SIZE
from alb.ports import SessionKey

VALUE_MAX: Final = 1024
"""Longest value that is looked at, in characters."""
_NONCE_SIZE: Final = 12
_NONCES: Final = 64
"""Drawn at a time: asking the kernel costs as much for one as for these."""
_TIME_SIZE: Final = 5
_TAG_SIZE: Final = 16
_HEAD_SIZE: Final = ID_SIZE + _NONCE_SIZE
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")
_SIZE_MIN: Final = _HEAD_SIZE + _TIME_SIZE + _TAG_SIZE


class Keyring:
    """Keys to seal with and to open with."""

    def __init__(
        self, keys: Iterable[SessionKey], draw: Callable[[int], bytes]
    ) -> None:
        """`draw` returns so many bytes that nobody can foresee."""
        self._draw = draw
        self._drawn = b""
        self._keys = [
            (
                key.from_unix_s,
                bytes.fromhex(key.id),
                AESGCM(base64.b64decode(key.secret)),
            )
            for key in sorted(keys, key=lambda key: -key.from_unix_s)
        ]
        self._by_id = {name: cipher for _, name, cipher in self._keys}

    def seal(self, about: bytes, text: bytes, unix_s: int) -> bytes:
        """Return the value that says `text` since `unix_s`."""
        _, name, cipher = self._keys[-1]
        for since, newer, stronger in self._keys:
            if since <= unix_s:
                name, cipher = newer, stronger
                break
        if not self._drawn:
            self._drawn = self._draw(_NONCES * _NONCE_SIZE)
        nonce, self._drawn = self._drawn[:_NONCE_SIZE], self._drawn[_NONCE_SIZE:]
        plain = unix_s.to_bytes(_TIME_SIZE, "big") + text
        sealed = name + nonce + cipher.encrypt(nonce, plain, about)
        return _spelled(sealed)

    def open(self, about: bytes, value: bytes, since_unix_s: int) -> bytes | None:
        """Return the text, or None: not ours, not about this, or sealed before then.

        Never raises, whatever `value` is.
        """
        sealed = _decoded(value)
        cipher = self._by_id.get(sealed[:ID_SIZE])
        if cipher is None:
            return None
        nonce = sealed[ID_SIZE:_HEAD_SIZE]
        try:
            plain = cipher.decrypt(nonce, sealed[_HEAD_SIZE:], about)
        except InvalidTag:
            return None
        if int.from_bytes(plain[:_TIME_SIZE], "big") < since_unix_s:
            return None
        return plain[_TIME_SIZE:]


def _spelled(sealed: bytes) -> bytes:
    """Return base64url without padding: what `base64` does in Python, in C."""
    written = binascii.b2a_base64(sealed, newline=False)
    return written.translate(_TO_URL).rstrip(b"=")


def _decoded(value: bytes) -> bytes:
    """Return what `value` spells, or nothing: too long, too short, or not our way."""
    if len(value) > VALUE_MAX:
        return b""
    try:
        written = value.translate(_FROM_URL) + b"=" * (-len(value) % 4)
        sealed = binascii.a2b_base64(written)
    except binascii.Error:
        return b""
    same = _spelled(sealed) == value
    return sealed if same and len(sealed) >= _SIZE_MIN else b""
