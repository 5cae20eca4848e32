"""The prober's process: the keeper's link around `prober.run`. Floor 4.

    python -m alb.app.prober_process --link-fd FD --sockets-fd FD

Hears the health that was last known, sections and manifests, and which targets
workers could not reach; says what it finds.
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
from dataclasses import replace
from typing import Final

import uvloop

from alb.app import prober
from alb.app.logs import Logs
from alb.decide.sections import Whole, whole
from alb.drivers.courtesy import give_way
from alb.drivers.link import Link, content_of
from alb.drivers.probe import probe
from alb.model import TargetHealth, TargetId
from alb.ports import (
    Alive,
    Content,
    Doubted,
    HealthChange,
    HealthReport,
    Manifest,
    Section,
)
from alb.state.health_log import HealthLogs
from foundation.clock import SystemClock

ALIVE_S: Final = 0.5
TOLD_MAX: Final = 50
"""Targets of which one message speaks: about a quarter of a millisecond to read."""


class _KeeperGone(Exception):
    """There is nobody left to check for."""


class HeardSnapshot:
    """The newest snapshot that the keeper sent; a `prober.SnapshotSource`."""

    def __init__(self, logs: HealthLogs) -> None:
        self._logs = logs
        self._contents: dict[str, Content] = {}
        """By the digest of their section."""
        self._current = Whole((), ())
        self._changed = asyncio.Event()

    def add(self, section: Section) -> None:
        if section.digest not in self._contents:
            self._contents[section.digest] = content_of(section)

    def take(self, manifest: Manifest) -> None:
        self._contents = {digest: self._contents[digest] for digest in manifest.digests}
        self._current = whole(self._contents.values())
        self._logs.follow([listener for listener, _ in self._current.listeners])
        self._changed.set()

    def current(self) -> Whole:
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

    report, doubts = _Report(link, health_logs, known.targets), prober.Doubts()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_listen(link, snapshot, doubts))
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
            doubts=doubts,
        )


async def _listen(link: Link, snapshot: HeardSnapshot, doubts: prober.Doubts) -> None:
    try:
        while True:
            message = await link.receive()
            give_way()
            match message:
                case Section() as section:
                    snapshot.add(section)
                case Manifest() as manifest:
                    snapshot.take(manifest)
                case Doubted(targets):
                    doubts.add(map(TargetId, targets))
                case _:
                    pass
    except ConnectionError:
        raise _KeeperGone from None


class _Report:
    """What the prober says: health as it changes, and how many log lines were lost."""

    def __init__(
        self, link: Link, logs: HealthLogs, known: Mapping[str, TargetHealth]
    ) -> None:
        """`known` is what the keeper knows."""
        self._link = link
        self._logs = logs
        self._said = known
        self._dropped = 0

    def publish(self, health: Mapping[TargetId, TargetHealth]) -> None:
        """Say what has changed, not too much at once: workers read it beside requests.

        `health` is in the order of groups, and so is what is said.
        """
        said, self._said = self._said, {str(one): how for one, how in health.items()}
        new = [
            (name, how)
            for name, how in self._said.items()
            if (before := said.get(name)) is not how and before != how
        ]
        gone = tuple(said.keys() - self._said.keys())
        for at in range(0, max(len(new), len(gone)), TOLD_MAX):
            until = at + TOLD_MAX
            self._say(HealthChange(dict(new[at:until]), gone[at:until]))

    def renew(self) -> None:
        """Say so if more lines were lost since."""
        if self._logs.dropped != self._dropped:
            self._say(HealthChange({}))

    def _say(self, change: HealthChange) -> None:
        self._dropped = self._logs.dropped
        self._link.send(replace(change, log_lines_dropped=self._dropped))


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
