"""A worker takes snapshots as they come, however close one is behind another."""

from __future__ import annotations

import asyncio
import socket

from alb.app.worker import Worker
from alb.decide.sections import parts
from alb.drivers.link import Link, section_of
from alb.model import FixedResponse, Listener, PathPattern, Rule, Version
from alb.ports import Acknowledged, Drain, Manifest
from alb.state.table import Table
from foundation.clock import SystemClock

MANY = 2000
"""Rules that take many slices to compile."""


def snapshot(number: int, rules: int) -> Listener:
    return Listener(
        8080,
        FixedResponse(404),
        tuple(
            Rule(n + 1, (PathPattern((f"/{number}/{n}",)),), FixedResponse(200))
            for n in range(rules)
        ),
    )


def say(link: Link, number: int, rules: int) -> None:
    """Send a snapshot whole: its sections, then what makes them the present."""
    sections = [section_of(part) for part in parts([snapshot(number, rules)])]
    for section in sections:
        link.send(section)
    digests = tuple(section.digest for section in sections)
    link.send(Manifest(Version(1, number), digests))


async def test_sections_that_come_while_others_are_compiled_are_not_lost() -> None:
    ours, theirs = socket.socketpair()
    channel, unused = socket.socketpair()
    keeper, link = await Link.over(ours), await Link.over(theirs)
    worker = Worker(Table(0), link, channel, SystemClock())
    served: list[Version] = []
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(worker.run())
        say(keeper, 1, MANY)
        for number in range(2, 7):
            say(keeper, number, 2)
        while Version(1, 6) not in served:
            message = await keeper.receive()
            if isinstance(message, Acknowledged):
                served.append(message.version)
        keeper.send(Drain(1.0))
    keeper.close()
    link.close()
    channel.close()
    unused.close()

    assert served == sorted(served)
    assert served[0] == Version(1, 1), "the first was on its way when others came"
