"""Durations, sizes and shares as others write them. Pure.

Source: Compose specification, "Specifying durations", "Specifying byte values";
Go's time.ParseDuration, whose texts Traefik takes too.
"""

from __future__ import annotations

import math
import re
from typing import Final

CPU_UNITS: Final = 1024
"""Of one core, in ECS."""
NUMBER_MAX: Final = 10**12

_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ns|us|µs|μs|ms|s|m|h|d|w)")
_SECONDS: Final = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0,
    "h": 3600.0, "d": 86_400.0, "w": 604_800.0,
}  # fmt: skip
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*([kmgtp]?)i?b?", re.IGNORECASE)
_POWER: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?|\.\d{1,9}", re.ASCII)
_WHOLE = re.compile(r"\d{1,12}", re.ASCII)


def seconds(text: str) -> float | None:
    """Return the seconds of ``1m30s``; a bare number is seconds. None: neither."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    total, at = 0.0, 0
    while match := _DURATION.match(text, at):
        total += float(match[1]) * _SECONDS[match[2]]
        at = match.end()
    return total if at and at == len(text) else None


def size_bytes(text: str) -> int | None:
    """Return the bytes of ``512m`` or ``1.5gb``, by powers of 1024; None: no size."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    power: int = _POWER[match[2].lower()]
    return math.ceil(float(match[1]) * float(1 << (10 * power)))


def mebibytes(text: str) -> int | None:
    """Return a size in MiB, rounded up: a limit must not become tighter."""
    size = size_bytes(text)
    return None if size is None else -(-size // 2**20)


def cpu_units(text: str) -> int | None:
    """Return ECS's units of ``0.5`` cores; None: not a number, or none of it."""
    if not _NUMBER.fullmatch(text.strip()):
        return None
    return round(float(text) * CPU_UNITS) or None


def whole(text: str) -> int | None:
    return int(text) if _WHOLE.fullmatch(text.strip()) else None


def flag(text: str) -> bool | None:
    """Return what YAML 1.1 and Go take for true and false; None: neither."""
    lower = text.strip().lower()
    if lower in {"true", "yes", "on", "y", "1"}:
        return True
    return False if lower in {"false", "no", "off", "n", "0"} else None
