"""Series: bounded rings of one-second statistic sets."""

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decide.statistics import Distribution
from autoscaler.model import Metric
from autoscaler.state.series import Series, SeriesTable


def test_samples_of_one_second_fold_into_one_set() -> None:
    series = Series(0)
    for value in (30.0, 10.0, 20.0):
        series.record(5, value)

    assert Distribution(3, 60.0, 10.0, 30.0) == series.window(5, 6)
    assert series.window(4, 5) is None


def test_a_window_excludes_its_end() -> None:
    series = Series(0)
    series.record(1, 1.0)
    series.record(2, 2.0)

    assert Distribution(1, 1.0, 1.0, 1.0) == series.window(0, 2)


def test_a_late_sample_does_not_overwrite_a_newer_lap() -> None:
    series = Series(0, span_s=10)
    series.record(12, 1.0)
    series.record(2, 99.0)

    assert series.window(0, 10) is None
    assert Distribution(1, 1.0, 1.0, 1.0) == series.window(10, 20)


@given(st.lists(st.tuples(st.integers(0, 60), st.floats(-1e6, 1e6))))
def test_a_window_is_what_was_recorded_in_it(samples: list[tuple[int, float]]) -> None:
    series = Series(0, span_s=100)
    for second, value in samples:
        series.record(second, value)
    inside = [value for second, value in samples if 20 <= second < 40]

    found = series.window(20, 40)

    if found is None:
        assert not inside
    else:
        assert (len(inside), min(inside), max(inside)) == (
            found.sample_count,
            found.minimum,
            found.maximum,
        )


def test_only_watched_metrics_take_memory() -> None:
    table, web, api = SeriesTable(), Metric("n", "web"), Metric("n", "api")
    table.watch([web], 0)
    table.record(web, 1, 1.0)
    table.record(api, 1, 1.0)
    before = table.statistics()
    table.watch([api], 5)

    assert (1, 1, 1) == (before.metrics, before.samples, before.unwatched)
    assert [api] == list(table.view())
    assert table.view()[api].since_s == 5
    assert repr(table.view()[api]) == "<Series: 0 of 10800 seconds since 5>"
