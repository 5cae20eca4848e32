"""The benchmark of metrics measures what it says, and judges it."""

from __future__ import annotations

import pytest

from autoscaler.decide.utilization import cpu_metric
from bench.series import (
    DAY_CPU_S,
    KINDS,
    Round,
    TooSlow,
    alarms_on,
    judge,
    kib_of,
    measure,
    told,
)


def test_an_hour_of_few_alarms_is_scaled_to_a_day() -> None:
    found = measure(services=1, alarms=4, hours=1)

    assert found.evaluations == 3 * 60 + 360
    assert 0 < found.recording_s < found.cpu_s
    assert found.table_bytes > 0
    assert "a day: " in told([found], {"counts": 1.0})


def test_each_service_has_alarms_of_every_kind() -> None:
    metrics = [cpu_metric("bench", name) for name in "ab"]

    alarms = list(alarms_on(metrics, 8))

    assert [metrics[0]] * 4 + [metrics[1]] * 4 == [alarm.metric for alarm in alarms]
    assert len({alarm.name for alarm in alarms}) == 8


def test_few_datapoints_take_little_memory() -> None:
    """What a ring of three hours would have taken for any metric is 420 KiB."""
    assert kib_of(KINDS["one a minute"]) < 120


def test_a_day_that_takes_too_long_is_told() -> None:
    with pytest.raises(TooSlow, match="for a day"):
        judge([Round(DAY_CPU_S, 1.0, 1, 1)])
    judge([Round(1.0, DAY_CPU_S - 2, 1, 1)])
