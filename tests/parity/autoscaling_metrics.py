"""Autoscaling: metrics and their statistics, row by row."""

from __future__ import annotations

from typing import Final

from tests.parity.rows import Section, live

_STATISTICS = "autoscaler/decide/test_statistics.py"
_VALUES = f"{_STATISTICS}::test_a_statistic_of_ten_samples"

STATISTICS: Final = Section(
    "Statistics",
    "CloudWatch user guide, CloudWatch statistics definitions",
    (
        live("SampleCount, Average, Sum, Minimum, Maximum", _VALUES),
        live("percentiles", _VALUES, differs="of many values at most 1 % off"),
        live("trimmed mean, TM and tm", _VALUES),
        live("interquartile mean", _VALUES),
        live("winsorized mean, WM and wm", _VALUES),
        live("percentile rank", _VALUES),
        live("trimmed count, TC and tc", _VALUES),
        live("trimmed sum, TS and ts", _VALUES),
        live(
            "percentiles need values, or a set whose minimum is its maximum",
            f"{_STATISTICS}::test_what_cannot_be_told_is_unknown",
        ),
        live(
            "no percentiles where a value is negative",
            f"{_STATISTICS}::test_what_cannot_be_told_is_unknown",
        ),
    ),
)

SECTIONS: Final = (STATISTICS,)
