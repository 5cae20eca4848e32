"""The prober's process: the keeper's link around `prober.run`. Floor 4.

    python -m alb.app.prober_process --link-fd FD --sockets-fd FD

Hears the health that was last known, sections and manifests; says what it finds.
Ends with the keeper. The sockets' channel comes with every child and stays
unused here.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import uvloop

from alb.app import prober
from alb.app.logs import Logs
from alb.decide.sections import whole
from alb.drivers.link import Link
from alb.drivers.probe import probe
from alb.model import GroupTargets, Listener, TargetHealth, TargetId
from alb.ports import Alive, HealthReport, Manifest, Section
from alb.state.health_log import HealthLogs
from foundation.clock import SystemClock

ALIVE_S: Final = 0.5


class _KeeperGone(Exception):
    """There is nobody left to check for."""


class HeardSnapshot:
    """The newest snapshot that the keeper sent; a `prober.SnapshotSource`."""

    def __init__(self, logs: HealthLogs) -> None:
        self._logs = logs
        self._sections: dict[str, Section] = {}
        self._current: tuple[tuple[Listener, ...], tuple[GroupTargets, ...]] = ((), ())
        self._changed = asyncio.Event()

    def add(self, section: Section) -> None:
        self._sections[section.digest] = section

    def take(self, manifest: Manifest) -> None:
        self._sections = {digest: self._sections[digest] for digest in manifest.digests}
        self._current = whole(s.content for s in self._sections.values())
        self._logs.follow(self._current[0])
        self._changed.set()

    def current(self) -> tuple[tuple[Listener, ...], tuple[GroupTargets, ...]]:
        return self._current

    async def wait_changed(self) -> None:
        await self._changed.wait()
        self._changed.clear()


async def _run(link: Link) -> None:
    known = await link.receive()
    assert isinstance(known, HealthReport), "the keeper says first what was known"
    health_logs = HealthLogs()
    snapshot = HeardSnapshot(health_logs)
    clock = SystemClock()
    logs = Logs(os.urandom(6).hex(), clock)

    report = _Report(link, health_logs)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_listen(link, snapshot))
        tasks.create_task(logs.run(health_logs.to_write))
        tasks.create_task(_say_alive(link, report))
        await snapshot.wait_changed()
        await prober.run(
            snapshot,
            report.publish,
            probe,
            clock=clock,
            draw=random.SystemRandom().random,
            known={TargetId(name): how for name, how in known.targets.items()},
            note=health_logs.note,
        )


async def _listen(link: Link, snapshot: HeardSnapshot) -> None:
    try:
        while True:
            match await link.receive():
                case Section() as section:
                    snapshot.add(section)
                case Manifest() as manifest:
                    snapshot.take(manifest)
                case _:
                    pass
    except ConnectionError:
        raise _KeeperGone from None


class _Report:
    """What the prober says: health, and how many lines of its log were lost."""

    def __init__(self, link: Link, logs: HealthLogs) -> None:
        self._link = link
        self._logs = logs
        self._said = HealthReport({})

    def publish(self, health: Mapping[TargetId, TargetHealth]) -> None:
        targets = {str(target): how for target, how in health.items()}
        self._said = HealthReport(targets, self._logs.dropped)
        self._link.send(self._said)

    def renew(self) -> None:
        """Say it again if more lines were lost since."""
        if self._logs.dropped != self._said.log_lines_dropped:
            self._said = HealthReport(self._said.targets, self._logs.dropped)
            self._link.send(self._said)


async def _say_alive(link: Link, report: _Report) -> None:
    while True:
        link.send(Alive())
        report.renew()
        await asyncio.sleep(ALIVE_S)


async def _serve(link_fd: int) -> None:
    await _run(await Link.over(socket.socket(fileno=link_fd)))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m alb.app.prober_process")
    parser.add_argument("--link-fd", type=int, required=True)
    parser.add_argument("--sockets-fd", type=int, required=True)
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    try:
        uvloop.run(_serve(options.link_fd))
    except* _KeeperGone:
        logging.getLogger("alb.prober").info("the keeper is gone")
    return 0


if __name__ == "__main__":
    sys.exit(main())
