"""Series outlive the process, and a disk that takes nothing stops nobody."""

from pathlib import Path

from autoscaler.app.keeping import Keeping
from autoscaler.drivers.history import History
from autoscaler.model import Metric
from autoscaler.state.series import SPAN_S
from autoscaler.state.series_table import SERIES_MAX, SeriesTable

WEB = Metric("n", "web")
NOON = 1_795_348_800
DAY_S = 86_400


class Life:
    """One life of a program over a file: a table, its history, and a clock."""

    def __init__(self, history: History, now_s: float) -> None:
        self.now_s = now_s
        self.table = SeriesTable()
        self.told: list[str] = []
        self.keeping = Keeping(
            self.table, history, lambda: self.now_s, self.told.append
        )

    @classmethod
    async def begin(cls, path: Path, now_s: float, pages_max: int = 10_000) -> "Life":
        life = cls(await History.open(path, pages_max), now_s)
        await life.keeping.restore()
        return life


async def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    first = await Life.begin(tmp_path / "m.db", NOON)
    for second in range(100):
        first.table.record(WEB, NOON + second, 1.0, "Count")
    first.now_s = NOON + 100
    await first.keeping.close()
    second_life = await Life.begin(tmp_path / "m.db", NOON + 103)

    series = second_life.table.view()[WEB]
    found = series.totals(NOON, NOON + 103)
    assert found is not None
    assert (100, "Count") == (found.sample_count, series.unit)
    assert (NOON + 103, NOON + 100) == (series.since_s, series.seen_since_s(60))
    await second_life.keeping.close()


async def test_an_alarm_over_a_day_finds_what_was_kept_before(tmp_path: Path) -> None:
    first = await Life.begin(tmp_path / "m.db", NOON - DAY_S)
    for second in range(0, DAY_S, 60):
        first.now_s = NOON - DAY_S + second
        first.table.record(WEB, int(first.now_s), 1.0)
        if not second % 3600:
            await first.keeping.write()
    await first.keeping.close()
    later = await Life.begin(tmp_path / "m.db", NOON)
    later.table.watch({WEB: DAY_S}, NOON)
    short = later.table.view()[WEB].totals(NOON - DAY_S, NOON)
    await later.keeping.reach_back()
    whole = later.table.view()[WEB].totals(NOON - DAY_S, NOON)

    assert short is not None
    assert whole is not None
    assert (SPAN_S // 60, DAY_S // 60) == (short.sample_count, whole.sample_count)
    await later.keeping.close()


async def test_what_a_full_disk_does_not_take_is_dropped_and_counted(
    tmp_path: Path,
) -> None:
    life = await Life.begin(tmp_path / "m.db", NOON, pages_max=12)
    for number in range(1500):
        life.table.record(Metric("n", f"{number:040}"), NOON, 1.0)
    await life.keeping.write()
    full = (life.keeping.statistics.written, life.keeping.statistics.dropped)
    told = life.keeping.statistics.failure
    life.table.record(WEB, NOON + 1, 1.0)
    await life.keeping.write()

    assert (0, 1500) == full
    assert "full" in told
    assert [f"not kept on disk, lost at a restart: {told}"] == life.told
    assert (1, "") == (life.keeping.statistics.written, life.keeping.statistics.failure)
    assert len(life.table.view()) == 1501  # in memory nothing is lost
    await life.keeping.close()


async def test_more_metrics_than_are_kept_are_told_of_once(tmp_path: Path) -> None:
    life = await Life.begin(tmp_path / "m.db", NOON)
    for number in range(SERIES_MAX + 2):
        life.table.record(Metric("n", str(number)), NOON, 1.0)
    await life.keeping.write()
    await life.keeping.write()

    assert ["at most 2000 are kept: samples of others are dropped"] == life.told
    await life.keeping.close()
