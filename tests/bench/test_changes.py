"""Quiet phases and changing ones are compared by their median p99."""

from __future__ import annotations

from bench.changes import medians, parse
from bench.load import Phase


def phase(p99_ms: float) -> Phase:
    return Phase(1000, 1.0, p99_ms, 0.1)


def test_medians_are_of_the_p99s() -> None:
    phases = [(phase(2), phase(9)), (phase(1), phase(3)), (phase(50), phase(4))]
    assert medians(phases) == (2, 4)


def test_five_rounds_of_the_wheel_unless_told_otherwise() -> None:
    told = parse([])
    assert (5, 5, False) == (told.rounds, told.seconds, told.pure)
