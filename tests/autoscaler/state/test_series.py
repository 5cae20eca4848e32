"""Series: what was recorded is in the window, in memory for what was measured."""

import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decide.statistics import Distribution
from autoscaler.model import Metric
from autoscaler.state.packing import MINUTE_S, pack, unpack
from autoscaler.state.series import AHEAD_S, LISTED_MAX, SPAN_S, Series
from autoscaler.state.series_table import SeriesTable

WEB, API = Metric("n", "web"), Metric("n", "api")
DAY_S = 86_400


def figures(found: Distribution | None) -> tuple[float, float, float, float] | None:
    if found is None:
        return None
    return (found.sample_count, found.total, found.minimum, found.maximum)


def test_samples_of_one_second_fold_into_one_set() -> None:
    series = Series(0)
    for value in (30.0, 10.0, 20.0):
        series.record(5, value)

    assert Distribution.of([10.0, 20.0, 30.0]) == series.window(5, 6)
    assert (3, 60.0, 10.0, 30.0) == figures(series.totals(5, 6))
    assert series.window(4, 5) is None
    assert series.totals(4, 5) is None


def test_a_window_excludes_its_end() -> None:
    series = Series(0)
    series.record(1, 1.0)
    series.record(2, 2.0)

    assert Distribution.of([1.0]) == series.window(0, 2)


def test_many_samples_of_one_second_are_folded_while_they_come() -> None:
    series = Series(0)
    for value in range(3 * LISTED_MAX):
        series.record(5, value)

    assert (384, 73_536.0, 0.0, 383.0) == figures(series.window(5, 6))


def test_sets_add_to_samples() -> None:
    series = Series(0)
    series.add(5, Distribution(2, 30.0, 10.0, 20.0))
    series.record(5, 40.0)
    series.add(65, Distribution.of([1.0, 2.0]))
    series.add(65, Distribution.of([3.0]))

    assert (3, 70.0, 10.0, 40.0) == figures(series.window(0, 60))
    assert Distribution.of([1.0, 2.0, 3.0]) == series.window(60, 120)


def test_a_late_sample_still_counts_in_its_second() -> None:
    series = Series(0)
    for second in range(600):
        series.record(second, 1.0)
    series.record(30, 9.0)

    assert (61, 69.0, 1.0, 9.0) == figures(series.window(0, 60))


def test_after_three_hours_no_second_changes_any_more() -> None:
    series = Series(0)
    series.record(0, 1.0)
    series.forget(SPAN_S + MINUTE_S)

    assert not series.record(30, 1.0)
    assert not series.add(30, Distribution.of([1.0]))
    assert series.record(MINUTE_S + 60, 1.0)


def test_a_sample_ahead_of_its_time_drives_nothing_out() -> None:
    series = Series(0)
    for second in range(0, SPAN_S, 60):
        series.record(second, 1.0)
    series.record(SPAN_S + AHEAD_S - 60, 1.0)

    assert figures(series.totals(60, SPAN_S)) == (179, 179.0, 1.0, 1.0)


def test_seconds_go_after_three_hours_and_minutes_when_nobody_looks_back() -> None:
    short, long = Series(0), Series(0, keep_s=DAY_S)
    for series in (short, long):
        for second in range(5 * 3600):
            series.record(second, float(second % 60))
        series.forget(5 * 3600)

    assert short.totals(0, 2 * 3600) is None
    assert short.totals(2 * 3600 + 60, 5 * 3600) is not None
    assert (3600, 106_200.0, 0.0, 59.0) == figures(long.totals(0, 3600))
    # Without its seconds a minute counts where it begins.
    assert long.totals(10, 60) is None
    assert (60, 1770.0, 0.0, 59.0) == figures(long.totals(0, 10))
    assert long.size < 5 * short.size


def test_memory_is_bounded_by_what_comes_even_when_nobody_forgets() -> None:
    series = Series(0)
    for second in range(0, 3 * DAY_S, 60):
        series.record(second, 1.0)

    assert series.totals(0, 3 * DAY_S - SPAN_S - AHEAD_S - 60) is None


def test_few_points_take_little_memory() -> None:
    series = Series(0)
    for minute in range(180):
        series.record(minute * 60, float(minute))

    assert series.size < 180 * 16
    assert repr(series).startswith("<Series: 180 minutes since 0, ")


samples = st.lists(st.tuples(st.integers(0, 400), st.floats(-1e6, 1e6)), max_size=60)


@given(samples, st.integers(0, 400), st.integers(0, 200))
def test_a_window_is_what_was_recorded_in_it(
    recorded: list[tuple[int, float]], start: int, length: int
) -> None:
    series = Series(0)
    for second, value in recorded:
        series.record(second, value)
    inside = [value for second, value in recorded if start <= second < start + length]

    found = series.window(start, start + length)

    assert (found is None) is (not inside)
    if found is not None:
        whole = Distribution.of(inside)
        assert found.values == whole.values
        assert whole.total == pytest.approx(found.total, abs=1e-6)
        plain = series.totals(start, start + length)
        assert plain is not None
        assert figures(plain) == pytest.approx(figures(found), abs=1e-6)


asked = st.tuples(st.integers(0, 200), st.integers(0, 90))


@given(st.lists(st.tuples(st.integers(0, 200), st.floats(0, 1e6), asked), max_size=30))
def test_an_answer_is_given_again_only_while_it_is_true(
    steps: list[tuple[int, float, tuple[int, int]]],
) -> None:
    """Between samples the same windows are asked for, whole minutes among them."""
    series, recorded = Series(0), list[tuple[int, float]]()
    for second, value, (start, length) in steps:
        series.record(second, value)
        recorded.append((second, value))
        for low, high in ((start, start + length), (0, 60), (60, 180)):
            inside = [value for second, value in recorded if low <= second < high]
            plain, found = series.totals(low, high), series.window(low, high)
            assert len(inside) == (plain.sample_count if plain else 0)
            assert len(inside) == (found.sample_count if found else 0)
            assert not inside or (plain and plain.maximum == max(inside))


def test_who_asks_once_leaves_nothing_in_memory() -> None:
    """A person may ask for the percentiles of every series there is."""

    def bytes_after(ask: bool) -> int:  # noqa: FBT001 - with and without
        series = Series(0)
        for second in range(3600):
            series.record(second, second * 0.7)
        if ask:
            for start in range(0, 3600, 60):
                series.window(start, start + 60)
        for minute in range(2):
            series.forget(SPAN_S + minute * 60)
        return len(pickle.dumps(series))

    assert bytes_after(ask=True) == bytes_after(ask=False)


@given(st.dictionaries(st.integers(0, 59), st.lists(st.floats(0, 1e6), min_size=1)))
def test_a_packed_minute_gives_its_seconds_back(
    told: dict[int, list[float]],
) -> None:
    if not told:
        return
    seconds = {second: Distribution.of(values) for second, values in told.items()}

    minute = pack({**seconds})
    found = unpack(minute.seconds)

    assert {*seconds} == {*found}
    for second, one in seconds.items():
        back = found[second]
        assert isinstance(back, Distribution)
        assert figures(one) == figures(back)
        assert one.values is not None
        assert back.values is not None
        if len(one.values) <= 16:
            assert one.values == back.values
        assert one.sample_count == sum(count for _, count in back.values)


def test_what_grew_is_told_once() -> None:
    series = Series(0)
    for second in (1, 61, 62, 121, 200):
        series.record(second, 1.0)
    first, again = series.changed(), series.changed()
    series.record(62, 1.0)

    assert [0, 1, 2, 3] == [*first]
    assert {} == again
    assert [1] == [*series.changed()]


def test_what_was_kept_comes_back_and_does_not_replace_what_is_new() -> None:
    before, after = Series(0), Series(300)
    for second in range(240):
        before.record(second, 1.0)
    after.record(190, 5.0)
    after.restore(before.changed())

    assert (180, 180.0, 1.0, 1.0) == figures(after.totals(0, 180))
    assert (1, 5.0, 5.0, 5.0) == figures(after.totals(180, 240))


# fmt: off
SEEN = [
    ([],                       600,   1000, "a first life sees from its beginning"),
    ([(100, 950)],             600,   100,  "a pause of less than a tenth is nothing"),
    ([(100, 950)],             60,    1000, "and much to a minute"),
    ([(0, 80), (100, 950)],    600,   0,    "earlier lives count while pauses are short"),
    ([(0, 20), (100, 950)],    600,   100,  "and none before a longer one"),
]
# fmt: on


@pytest.mark.parametrize(
    ("lives", "period_s", "expected"),
    [row[:-1] for row in SEEN],
    ids=[row[-1] for row in SEEN],
)
def test_since_when_it_was_looked(
    lives: list[tuple[int, int]], period_s: int, expected: int
) -> None:
    assert expected == Series(1000, lives=lives).seen_since_s(period_s)


# --- the table ------------------------------------------------------------------------


def test_whatever_is_measured_gets_a_series() -> None:
    table = SeriesTable()
    table.record(WEB, 1, 1.0, "Percent")
    table.add(API, 1, Distribution.of([1.0, 2.0]))
    table.watch({Metric("n", "none"): 60}, 5)

    assert {WEB, API, Metric("n", "none")} == {*table.view()}
    assert ("Percent", 1) == (table.view()[WEB].unit, table.view()[WEB].since_s)
    assert table.view()[Metric("n", "none")].since_s == 5
    assert (3, 2, 0, 0) == tuple(
        getattr(table.statistics(), name)
        for name in ("metrics", "samples", "too_many", "too_old")
    )


def test_beyond_its_limit_metrics_are_turned_away_and_counted() -> None:
    table = SeriesTable(series_max=1)
    assert table.record(WEB, 1, 1.0)
    assert not table.record(API, 1, 1.0)
    assert not table.add(API, 1, Distribution.of([1.0]))
    assert table.record(WEB, 2, 1.0)
    table.watch({API: 60}, 5)

    assert table.statistics().too_many == 2
    assert table.record(API, 6, 1.0)  # an alarm looks at it: it gets its place


def test_what_is_too_old_is_counted() -> None:
    table = SeriesTable()
    table.record(WEB, 1, 1.0)
    table.forget(2 * SPAN_S)
    table.watch({WEB: 60}, 2 * SPAN_S)

    assert not table.record(WEB, 1, 1.0)
    assert table.statistics().too_old == 1


def idle_for_three_hours(table: SeriesTable) -> None:
    table.forget(1 + SPAN_S + MINUTE_S)


def test_a_metric_that_nobody_measures_or_watches_is_forgotten() -> None:
    table = SeriesTable()
    table.watch({API: 60}, 0)
    table.record(WEB, 1, 1.0)
    table.record(API, 1, 1.0)
    idle_for_three_hours(table)

    assert [API] == [*table.view()]


def test_how_far_back_an_alarm_looks_is_kept_and_no_further() -> None:
    table = SeriesTable()
    table.watch({WEB: DAY_S}, 0)
    deep = table.view()[WEB].keep_s
    table.watch({}, 0)

    assert (DAY_S, SPAN_S) == (deep, table.view()[WEB].keep_s)


def restored(table: SeriesTable, now_s: int) -> None:
    table.restore(WEB, "Count", {0: pack({1: 5.0}), 99: pack({1: 7.0})}, now_s)


def test_an_earlier_life_comes_back_up_to_now() -> None:
    table = SeriesTable()
    restored(table, 120)

    series = table.view()[WEB]
    assert ("Count", 120) == (series.unit, series.since_s)
    assert (1, 5.0, 5.0, 5.0) == figures(series.totals(0, 99 * 60 + 60))


@pytest.mark.parametrize(
    "fill", [lambda _: None, lambda table: table.record(API, 1, 1)]
)
def test_nothing_comes_back_where_there_is_no_place(
    fill: Callable[[SeriesTable], object],
) -> None:
    table = SeriesTable(series_max=1)
    fill(table)
    table.restore(WEB, "", {}, 120)
    restored(table, 120)

    assert (WEB in table.view()) is (API not in table.view())


def test_what_grew_is_told_with_its_metric_and_unit() -> None:
    table = SeriesTable()
    table.record(WEB, 61, 1.0, "Count")
    table.watch({API: 60}, 5)

    [(metric, unit, minutes)] = table.changed()

    assert (WEB, "Count", [1]) == (metric, unit, [*minutes])
    assert table.changed() == []


def test_seconds_are_told_one_by_one_also_of_packed_minutes() -> None:
    series = Series(0)
    for second in (59, 60, 61, 185, 250):
        series.record(second, float(second))
    series.record(61, 63.0)

    found = series.by_second(58, 251)

    assert 193 == len(found)
    told = {58 + n: one.total for n, one in enumerate(found) if one is not None}
    assert {59: 59.0, 60: 60.0, 61: 124.0, 185: 185.0, 250: 250.0} == told
