"""Stop and remove what a cluster left running, when no control does it.

Containers are found by the label of the cluster's uid, which the state file
has, or the directories of process containers; only those are touched.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from controlplane import records
from controlplane.codec import RecordUnreadable
from controlplane.lock import StateInUse, StateLock
from controlplane.runtimes import Runtimes
from controlplane.state_dir import StateDir
from controlplane.store import NewerSchema, Store
from foundation.clock import SystemClock
from foundation.journal import CommitFailed
from scheduler.drivers.labels import CLUSTER_UID
from scheduler.errors import ContainerError
from scheduler.model import ContainerInstance, ContainerName, RuntimeKind
from scheduler.ports import Runtime

STOP_S: Final = 5.0
"""Between SIGTERM and SIGKILL: nothing routes to these containers any more."""
ASK_S: Final = 10.0
LOCK_S: Final = 5.0
LOOK_S: Final = 0.05

log = logging.getLogger(__name__)


def clean(path: Path) -> None:
    """Stop and remove every container of the cluster in the state directory `path`.

    Does nothing where nothing is. Raises StateInUse while a control runs. An
    engine that does not answer is told of and left as it is.
    """
    if path.is_dir():
        asyncio.run(_clean(StateDir(path)))


async def _clean(state_dir: StateDir) -> None:
    lock = await _locked(state_dir)
    try:
        uids, instances = await _known(state_dir)
        for uid in uids:
            await _clean_cluster(state_dir, uid, instances)
        _remove_empty(state_dir.tasks)
    finally:
        lock.release()


async def _locked(state_dir: StateDir) -> StateLock:
    """Take the directory's lock; a control that is just ending still holds it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LOCK_S):
            while True:
                with suppress(StateInUse):
                    return StateLock(state_dir.lock)
                await asyncio.sleep(LOOK_S)
    return StateLock(state_dir.lock)


async def _known(
    state_dir: StateDir,
) -> tuple[set[str], dict[str, ContainerInstance]]:
    """Return whose containers may be there, and on which instances."""
    processes = dict(_process_instances(state_dir.tasks))
    uids = set(_uids_in(state_dir.tasks))
    if not state_dir.database.exists():
        return uids, processes
    try:
        store = await Store.open(state_dir.database, records.codec(), new_uid="none")
    except (CommitFailed, NewerSchema, RecordUnreadable) as error:
        log.warning("%s; engines are not searched", error)
        return uids, processes
    found = dict(_recorded_instances(store))
    await store.close()
    return uids | {store.cluster_uid}, processes | found


def _recorded_instances(store: Store) -> Iterator[tuple[str, ContainerInstance]]:
    for default in store.records.get(records.DEFAULT_INSTANCE, {}).values():
        assert isinstance(default, ContainerInstance)
        yield default.name, default
    for applied in store.records.get(records.APPLIED, {}).values():
        assert isinstance(applied, records.Applied)
        for content in (applied.previous, applied.content):
            for instance in content.instances if content else ():
                yield instance.name, instance


def _process_instances(tasks: Path) -> Iterator[tuple[str, ContainerInstance]]:
    if tasks.is_dir():
        for directory in tasks.iterdir():
            name = directory.name
            yield name, ContainerInstance(name, RuntimeKind.PROCESS)


def _remove_empty(tasks: Path) -> None:
    """Remove the directories of process containers, unless something is left."""
    with suppress(OSError):
        for directory in tasks.iterdir():
            directory.rmdir()
        tasks.rmdir()


def _uids_in(tasks: Path) -> Iterator[str]:
    """Yield the cluster uids that process containers carry."""
    for spec in tasks.glob("*/*/spec.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            yield str(json.loads(spec.read_text())["labels"][CLUSTER_UID])


async def _clean_cluster(
    state_dir: StateDir, uid: str, instances: dict[str, ContainerInstance]
) -> None:
    runtimes = Runtimes(state_dir.tasks, uid, SystemClock())
    runtimes.open(tuple(instances.values()), state_dir.path)
    try:
        for name, runtime in runtimes.items():
            await _clean_instance(name, runtime)
    finally:
        await runtimes.close()


async def _clean_instance(name: str, runtime: Runtime) -> None:
    try:
        async with asyncio.timeout(ASK_S):
            status = await runtime.status()
        await _end(runtime, (one.name for one in status.containers))
    except (ContainerError, TimeoutError) as error:
        log.warning("container instance %s: %s", name, str(error) or "no answer")


async def _end(runtime: Runtime, names: Iterable[ContainerName]) -> None:
    """Stop all at once, then remove them. Raises the first ContainerError."""
    errors: list[ContainerError] = []

    async def end(name: ContainerName) -> None:
        try:
            await runtime.stop(name, STOP_S)
            await runtime.remove(name)
        except ContainerError as error:
            errors.append(error)

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(end(name))
    if errors:
        raise errors[0]
