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
import random
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import uvloop

from alb.app import prober
from alb.decide.sections import whole
from alb.drivers.link import Link
from alb.drivers.probe import probe
from alb.model import GroupTargets, Listener, TargetHealth, TargetId
from alb.ports import Alive, HealthReport, Manifest, Section
from foundation.clock import SystemClock

ALIVE_S: Final = 0.5


class _KeeperGone(Exception):
    """There is nobody left to check for."""


class HeardSnapshot:
    """The newest snapshot that the keeper sent; a `prober.SnapshotSource`."""

    def __init__(self) -> None:
        self._sections: dict[str, Section] = {}
        self._current: tuple[tuple[Listener, ...], tuple[GroupTargets, ...]] = ((), ())
        self._changed = asyncio.Event()

    def add(self, section: Section) -> None:
        self._sections[section.digest] = section

    def take(self, manifest: Manifest) -> None:
        self._sections = {digest: self._sections[digest] for digest in manifest.digests}
        self._current = whole(s.content for s in self._sections.values())
        self._changed.set()

    def current(self) -> tuple[tuple[Listener, ...], tuple[GroupTargets, ...]]:
        return self._current

    async def wait_changed(self) -> None:
        await self._changed.wait()
        self._changed.clear()


async def _run(link: Link) -> None:
    known = await link.receive()
    assert isinstance(known, HealthReport), "the keeper says first what was known"
    snapshot = HeardSnapshot()
    clock = SystemClock()

    def publish(health: Mapping[TargetId, TargetHealth]) -> None:
        link.send(HealthReport({str(target): how for target, how in health.items()}))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_listen(link, snapshot))
        tasks.create_task(_say_alive(link))
        await snapshot.wait_changed()
        await prober.run(
            snapshot,
            publish,
            probe,
            clock=clock,
            draw=random.SystemRandom().random,
            known={TargetId(name): how for name, how in known.targets.items()},
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


async def _say_alive(link: Link) -> None:
    while True:
        link.send(Alive())
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
