"""Series on disk: what was written comes back, within bounds, or it is said why not."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pytest

from autoscaler.drivers.history import History, HistoryFailed
from autoscaler.model import Metric
from autoscaler.state.packing import Minute, pack
from autoscaler.state.series import KEPT_S, SPAN_S
from autoscaler.state.series_table import Changed

WEB = Metric(
    "AWS/ECS", "CPUUtilization", (("ClusterName", "c"), ("ServiceName", "web"))
)
NOON = 1_795_348_800
NOW = NOON // 60


def minutes(*numbers: int, value: float = 1.0) -> dict[int, Minute]:
    return {number: pack({1: value, 2: value + 1}) for number in numbers}


def grown(found: Mapping[int, Minute], metric: Metric = WEB) -> list[Changed]:
    return [(metric, "Percent", {**found})]


async def test_what_was_written_comes_back_in_another_life(tmp_path: Path) -> None:
    first = await History.open(tmp_path / "m.db")
    written = minutes(NOW - 2, NOW - 1)
    await first.write(grown(written), NOON)
    await first.write(grown(minutes(NOW - 1, value=5.0)), NOON)
    await first.close()
    second = await History.open(tmp_path / "m.db")
    [(metric, unit, found)] = await second.kept(NOON)
    known = await second.metrics()
    await second.close()

    assert (WEB, "Percent") == (metric, unit)
    assert {NOW - 2: written[NOW - 2], NOW - 1: pack({1: 5.0, 2: 6.0})} == {
        number: Minute(
            one.sample_count, one.total, one.minimum, one.maximum, one.seconds, b""
        )
        for number, one in found.items()
    }
    assert [(WEB, "Percent", (NOW - 1) * 60)] == [
        (one.metric, one.unit, one.newest_s) for one in known
    ]


async def test_seconds_go_after_three_hours_and_minutes_after_fifteen_days(
    tmp_path: Path,
) -> None:
    history = await History.open(tmp_path / "m.db")
    await history.write(grown(minutes(NOW)), NOON)
    await history.write([], NOON + SPAN_S + 60)
    later = await history.read(WEB, NOON, NOON + 60)
    await history.write([], NOON + KEPT_S + 60)

    assert [b""] == [one.seconds for one in later.values()]
    assert [2.0] == [one.sample_count for one in later.values()]
    assert later[NOW].distribution().values == ((1.0, 1.0), (2.0, 1.0))
    assert {} == await history.read(WEB, NOON, NOON + 60)
    assert [] == await history.metrics()
    await history.close()


async def test_lives_are_told_apart(tmp_path: Path) -> None:
    first = await History.open(tmp_path / "m.db")
    await first.write([], NOON)
    await first.write([], NOON + 30)
    own = await first.lives()
    await first.close()
    second = await History.open(tmp_path / "m.db")
    found = await second.lives()
    await second.write([], NOON + KEPT_S + 31)
    await second.close()
    third = await History.open(tmp_path / "m.db")

    assert ([], [(NOON, NOON + 30)]) == (own, found)
    assert [(NOON + KEPT_S + 31, NOON + KEPT_S + 31)] == await third.lives()
    await third.close()


async def test_a_full_file_gives_its_oldest_minutes_up(tmp_path: Path) -> None:
    history = await History.open(tmp_path / "m.db", pages_max=40)
    for hour in range(60):
        numbers = range(NOW + hour * 60, NOW + hour * 60 + 60)
        await history.write(
            grown(minutes(*numbers, value=hour * 1.1)), NOON + hour * 3600
        )
    newest = await history.read(WEB, NOON + 59 * 3600, NOON + 60 * 3600)
    oldest = await history.read(WEB, NOON, NOON + 3600)
    await history.close()

    assert (60, 0) == (len(newest), len(oldest))
    assert (tmp_path / "m.db").stat().st_size <= 40 * 4096


async def test_what_does_not_fit_at_all_is_refused_and_nothing_is_half_written(
    tmp_path: Path,
) -> None:
    history = await History.open(tmp_path / "m.db", pages_max=12)
    many = [
        (Metric("n", f"{n}" * 40), "", minutes(NOW, value=float(n)))
        for n in range(2000)
    ]
    with pytest.raises(HistoryFailed, match="full"):
        await history.write(many, NOON)

    assert [] == await history.metrics()
    await history.write(grown(minutes(NOW)), NOON)
    assert [NOW] == [*await history.read(WEB, NOON, NOON + 60)]
    await history.close()


@pytest.mark.parametrize("content", ["not a database" * 100, "version"])
async def test_a_file_that_cannot_be_read_is_moved_aside(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "m.db"
    if content == "version":
        with sqlite3.connect(path) as other:
            other.execute("PRAGMA user_version = 99")
        other.close()
    else:
        path.write_text(content)
    before = path.read_bytes()
    history = await History.open(path)
    await history.write(grown(minutes(NOW)), NOON)
    await history.close()

    assert str(path) in history.moved_aside
    assert before == path.with_suffix(".unreadable").read_bytes()


async def test_where_no_file_can_be_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(HistoryFailed, match="No such file"):
        await History.open(tmp_path / "none" / "m.db")
