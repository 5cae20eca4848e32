"""What containers wrote is kept, within bounds, whatever the disk does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scheduler.drivers import outputs
from scheduler.drivers.outputs import DiskOutputs, MemoryOutputs
from scheduler.model import ContainerName
from scheduler.ports import Outputs, OutputStatistics

WEB, DB = ContainerName("alb-c1-t-web"), ContainerName("alb-c1-t-db")


@pytest.fixture(params=["disk", "memory"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Outputs:
    return DiskOutputs(tmp_path) if request.param == "disk" else MemoryOutputs()


async def test_what_is_kept_is_read_until_nobody_asks_any_more(kept: Outputs) -> None:
    await kept.keep("t", WEB, b"one\n")
    await kept.keep("t", DB, b"two\n")

    assert (True, b"one\n", b"two\n") == (
        kept.has(WEB),
        await kept.read(WEB),
        await kept.read(DB),
    )
    assert OutputStatistics(2, 8, 0) == kept.statistics()
    kept.keep_only({"t", "u"})
    assert kept.has(WEB)
    kept.keep_only({"u"})
    assert (False, b"") == (kept.has(WEB), await kept.read(WEB))
    assert OutputStatistics(0, 0, 0) == kept.statistics()


async def test_the_newest_of_a_container_and_of_a_task_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "CONTAINER_BYTES_MAX", 4)
    monkeypatch.setattr(outputs, "TASK_BYTES_MAX", 6)
    kept = DiskOutputs(tmp_path)

    await kept.keep("t", WEB, b"abcdef")
    await kept.keep("t", DB, b"ghijkl")
    await kept.keep("t", ContainerName("third"), b"mno")

    assert (b"cdef", b"kl", b"") == (
        await kept.read(WEB),
        await kept.read(DB),
        await kept.read(ContainerName("third")),
    )
    await kept.keep("t", WEB, b"123456")
    assert b"3456" == await kept.read(WEB), "what takes the place of its own"


async def test_of_all_tasks_those_that_ended_first_go_first(tmp_path: Path) -> None:
    kept = DiskOutputs(tmp_path, all_bytes_max=10)
    for name in ("a", "b", "c"):
        await kept.keep(name, ContainerName(name), b"1234")

    assert [False, True, True] == [kept.has(ContainerName(one)) for one in "abc"]
    assert ["b", "c"] == sorted(os.listdir(tmp_path))


async def test_the_next_life_finds_it_and_only_its_owner_reads_it(
    tmp_path: Path,
) -> None:
    await DiskOutputs(tmp_path / "outputs").keep("t", WEB, b"one\n")

    again = DiskOutputs(tmp_path / "outputs")

    assert (True, b"one\n") == (again.has(WEB), await again.read(WEB))
    [file] = (tmp_path / "outputs").glob("*/*")
    assert (0o600, 0o700) == (
        file.stat().st_mode & 0o777,
        file.parent.stat().st_mode & 0o777,
    )


async def test_a_disk_that_takes_nothing_costs_what_was_to_be_kept_and_is_counted(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "outputs"
    directory.write_text("a file stands where the directory should be")
    kept = DiskOutputs(directory)

    await kept.keep("t", WEB, b"lost\n")

    assert (False, b"") == (kept.has(WEB), await kept.read(WEB))
    assert OutputStatistics(0, 0, 5) == kept.statistics()
    os.unlink(directory)
    await kept.keep("t", WEB, b"kept\n")
    assert b"kept\n" == await kept.read(WEB)
