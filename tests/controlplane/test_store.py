"""What was committed is found again; what was not has never been decided."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from controlplane.codec import Codec
from controlplane.lock import StateInUse, StateLock
from controlplane.store import SCHEMA, History, NewerSchema, Store
from foundation.journal import CommitFailed, Delete, Put
from scheduler.definition import PortMapping
from scheduler.model import ServiceEvent

CODEC = Codec({"port": PortMapping, "service_event": ServiceEvent})
HISTORIES = {
    "service_event": History(
        owner=lambda event: event.service if isinstance(event, ServiceEvent) else "",
        keep=3,
    )
}

PORT = PortMapping(81)

Open = Callable[..., Awaitable[Store]]


@pytest.fixture
async def open_store(tmp_path: Path) -> AsyncIterator[Open]:
    opened: list[Store] = []

    async def open_one(*, pages_max: int = 1000) -> Store:
        store = await Store.open(
            tmp_path / "cluster.db",
            CODEC,
            new_uid=f"uid{len(opened)}",
            histories=HISTORIES,
            pages_max=pages_max,
        )
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        await store.close()


async def test_a_restart_finds_what_was_committed(open_store: Open) -> None:
    first = await open_store()
    await first.commit([Put("port", "a", PortMapping(80)), Put("port", "b", PORT)])
    await first.commit([Delete("port", "b"), Delete("port", "never was")])

    second = await open_store()

    assert {"port": {"a": PortMapping(80)}} == second.load()
    assert second.revision == first.revision == 2


async def test_the_uid_is_made_once_and_the_epoch_grows(open_store: Open) -> None:
    stores = [await open_store() for _ in range(3)]

    assert ["uid0"] * 3 == [store.cluster_uid for store in stores]
    assert [1, 2, 3] == [store.epoch for store in stores]


async def test_a_superseded_epoch_writes_nothing(open_store: Open) -> None:
    old = await open_store()
    await open_store()

    with pytest.raises(CommitFailed, match="epoch 1 is superseded by 2"):
        await old.commit([Put("port", "a", PORT)])

    assert {} == (await open_store()).load()
    assert "superseded" in old.failure


async def test_a_batch_is_written_whole_or_not_at_all(open_store: Open) -> None:
    store = await open_store()

    with pytest.raises(KeyError):
        await store.commit([Put("port", "a", PORT), Put("unheard of", "b", PORT)])

    assert {} == (await open_store()).load()


async def test_a_full_disk_fails_the_commit_and_later_ones_work(
    open_store: Open,
) -> None:
    store = await open_store(pages_max=20)
    big = [
        Put("port", f"{number}", PortMapping(80, protocol="x" * 9000))
        for number in range(20)
    ]

    await store.commit(big[:2])
    with pytest.raises(CommitFailed, match="full"):
        await store.commit(big)
    assert "full" in store.failure
    await store.try_again()
    assert not store.failure, "the disk takes small commits"
    await store.commit([Delete("port", "0"), Put("port", "a", PORT)])

    assert not store.failure
    assert {"1", "a"} == set((await open_store()).load()["port"])


async def test_histories_keep_the_newest_of_each_owner(open_store: Open) -> None:
    store = await open_store()
    for number in range(5):
        event = ServiceEvent(float(number), "web", "m")
        await store.commit([Put("service_event", f"web/{number}", event)])
    rare = ServiceEvent(0.0, "api", "m")
    await store.commit([Put("service_event", "api/0", rare)])

    found = (await open_store()).load()["service_event"]

    assert ["web/2", "web/3", "web/4", "api/0"] == list(found)


async def test_a_record_that_changes_keeps_its_place(open_store: Open) -> None:
    store = await open_store()
    for key in ("a", "b", "a"):
        await store.commit([Put("port", key, PORT)])

    assert ["a", "b"] == list((await open_store()).load()["port"])


async def test_a_newer_schema_is_refused_and_left_alone(
    open_store: Open, tmp_path: Path
) -> None:
    path = tmp_path / "cluster.db"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    connection.commit()
    connection.close()
    before = path.read_bytes()

    with pytest.raises(NewerSchema, match=f"schema {SCHEMA + 1}, this version reads"):
        await open_store()

    assert before == path.read_bytes()


async def test_a_kind_of_a_later_version_is_kept_unread(
    open_store: Open, tmp_path: Path
) -> None:
    await open_store()
    connection = sqlite3.connect(tmp_path / "cluster.db")
    connection.execute(
        "INSERT INTO records (kind, key, owner, value) VALUES ('new', 'k', '', '{}')"
    )
    connection.commit()

    assert {} == (await open_store()).load()
    assert 1 == connection.execute("SELECT count(*) FROM records").fetchone()[0]
    connection.close()


async def test_a_file_that_is_no_database_is_a_clear_error(
    open_store: Open, tmp_path: Path
) -> None:
    (tmp_path / "cluster.db").write_bytes(b"this is not a database" * 100)

    with pytest.raises(CommitFailed, match=r"cluster\.db: file is not a database"):
        await open_store()


async def test_only_the_owner_can_read_the_file(
    open_store: Open, tmp_path: Path
) -> None:
    await open_store()

    modes = {
        file.name: file.stat().st_mode & 0o777
        for file in tmp_path.iterdir()  # noqa: ASYNC240 - a test may wait for its disk
    }
    assert modes
    assert {0o600} == set(modes.values()), modes


WRITER = """
import asyncio, sys
from pathlib import Path
from controlplane.codec import Codec
from controlplane.store import Store
from foundation.journal import Put
from scheduler.definition import PortMapping

async def main():
    codec = Codec({"port": PortMapping})
    store = await Store.open(Path(sys.argv[1]), codec, new_uid="u")
    number = 0
    while True:
        pair = [Put("port", f"{number}{side}", PortMapping(number)) for side in "ab"]
        await store.commit(pair)
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""


async def test_kill_9_loses_nothing_that_was_committed(
    open_store: Open, tmp_path: Path
) -> None:
    writer = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WRITER,
        str(tmp_path / "cluster.db"),
        stdout=subprocess.PIPE,
    )
    assert writer.stdout is not None
    said = [int(await writer.stdout.readline()) for _ in range(20)]
    writer.send_signal(signal.SIGKILL)
    await writer.wait()

    found = (await open_store()).load()["port"]

    assert {f"{number}{side}" for number in said for side in "ab"} <= set(found)
    assert 0 == len(found) % 2, "half a batch was written"


def test_two_controls_never_share_a_directory(tmp_path: Path) -> None:
    lock = StateLock(tmp_path / "control.lock")

    with pytest.raises(StateInUse, match=r"is in use by control process \d+"):
        StateLock(tmp_path / "control.lock")
    lock.release()
    StateLock(tmp_path / "control.lock").release()


HOLDER = """
import sys, time
from pathlib import Path
from controlplane.lock import StateLock
lock = StateLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


async def test_the_lock_of_a_killed_control_is_free(tmp_path: Path) -> None:
    path = tmp_path / "control.lock"
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(path), stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    await holder.stdout.readline()
    with pytest.raises(StateInUse):
        StateLock(path)
    holder.kill()
    await holder.wait()

    StateLock(path).release()
