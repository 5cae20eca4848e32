"""A worker: one process, one core, the whole request path. Floor 4.

    python -m alb.app.worker --slot N --link-fd FD --sockets-fd FD
        [--counts-fd FD --counts-column N --bell-fd FD]

Started by the keeper, which sends sections, manifests, health and listening
sockets, and hears acknowledgements, drains and counters. Without a control it
serves what it has; without a keeper it finishes what it has and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import math
import os
import signal
import socket
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import uvloop

from alb.app.connecting import Connector
from alb.app.door import Door
from alb.app.doubting import Doubting
from alb.app.exchange import Exchange
from alb.app.logs import Logs
from alb.app.session_keys import keyring
from alb.app.slices import in_slices, pieces_in_slices
from alb.app.snapshots import Compiler
from alb.drivers import shared_memory
from alb.drivers.client import ClientConnection
from alb.drivers.courtesy import ask_for_short_slices
from alb.drivers.link import LINK_NAME, Link, receive_socket, report_of
from alb.drivers.sockets import BACKLOG, raise_open_files
from alb.drivers.turnstile import NO_BELL, Turnstile
from alb.model import NO_VERSION, TargetHealth, TargetId
from alb.ports import (
    Acknowledged,
    Alive,
    Drain,
    Drained,
    HealthChange,
    HealthReport,
    ListenerCertificates,
    Manifest,
    Message,
    Place,
    Section,
    SessionKeys,
    TellAll,
)
from alb.state.access_log import ListenerLog
from alb.state.sessions import Sessions
from alb.state.shared_counts import SIZE, SharedCounts, cells_of
from alb.state.table import Prepared, Table
from alb.state.targets import TargetState
from alb.state.telemetry import Told
from foundation.clock import Clock, SystemClock

SWEEP_S: Final = 0.5
"""Resolution of every timeout, and how often we say that we live."""
REPORT_S: Final = 1.0
POOL_IDLE_S: Final = 4.0
"""Shorter than the keep-alive of usual servers (5 s and up): we hang up first."""
ORPHAN_DRAIN_S: Final = 30.0
TOLD_IDLE_S: Final = 5.0
"""How long connections wait for one more request where a signal ends the worker: one
that is on its way must not meet the end."""
FILES_APART: Final = 32
"""At least so many that are not for clients."""
_GC_THRESHOLD: Final = 50_000
"""Requests make few cycles; looking for them 70 times as seldom costs nothing."""

_log = logging.getLogger("alb.worker")


class Worker:
    """One worker; `run` until the keeper says so, or is gone."""

    def __init__(
        self,
        table: Table,
        link: Link,
        sockets: socket.socket,
        clock: Clock,
    ):
        self._link = link
        self._next_link: socket.socket | None = None
        self._socket_channel = sockets
        self._clock = clock
        self._table = table
        self._doors: dict[str, Door] = {}
        self._doors_at: dict[Place, Door] = {}
        self._certificates: dict[str, ListenerCertificates] = {}
        self._sockets: dict[Place, socket.socket] = {}
        self._sites: dict[Place, asyncio.AbstractServer] = {}
        self._compiler = Compiler(clock)
        self._told = Told()
        self._work = asyncio.Event()
        self._drained_by_s = math.inf
        self._drain_idle_s = math.inf
        self._ending = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self.time_s = clock.now_s
        self.client_files_max = _for_clients(raise_open_files())
        self.trace_prefix = os.urandom(6).hex().encode()
        self.doubt = Doubting(lambda: self._link, clock.now_s)
        self._connector = Connector(self._close_pools, self.doubt)
        self.sessions = Sessions(clock.unix_s)
        self._session_keys: SessionKeys | None = None
        self._logs = Logs(self.trace_prefix.decode(), clock)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            told = Drain(ORPHAN_DRAIN_S, TOLD_IDLE_S)
            loop.add_signal_handler(number, self._begin_drain, told)
        self._socket_channel.settimeout(0)
        loop.add_reader(self._socket_channel, self._receive_socket)
        async with asyncio.TaskGroup() as self._tasks:
            loops = [
                self._tasks.create_task(self._listen()),
                self._tasks.create_task(self._apply()),
                self._tasks.create_task(self._sweep()),
                self._tasks.create_task(self._report()),
                self._tasks.create_task(self._logs.run(self._waiting_lines)),
            ]
            await self._ending.wait()
            await self._finish()
            for one in loops:
                one.cancel()

    # --- what the keeper says -----------------------------------------------------

    async def _listen(self) -> None:
        try:
            while True:
                self._take(await self._receive())
                await asyncio.sleep(0)  # many come at once; requests too
        except ConnectionError:
            _log.warning("the keeper is gone: finishing what there is")
            self._begin_drain(Drain(ORPHAN_DRAIN_S))

    def _take(self, message: Message) -> None:
        """Take what is to be served from now on, or what it is served with."""
        match message:
            case Section() as section:
                self._compiler.add(section)
            case HealthReport(targets):
                self._table.judge(_by_id(targets), self._clock.now_s())
            case HealthChange(targets, gone):
                gone_ids = [TargetId(name) for name in gone]
                self._table.judge_some(_by_id(targets), gone_ids, self._clock.now_s())
            case Drain() as drain:
                self._begin_drain(drain)
            case Manifest() as manifest:
                self._compiler.take(manifest)
                self._work.set()
            case _:
                self._take_seldom(message)

    def _take_seldom(self, message: Message) -> None:
        """Take what nothing of a snapshot is in."""
        if isinstance(message, ListenerCertificates):
            self._certificates[message.listener] = message
            self._certify(message.listener)
        elif isinstance(message, SessionKeys):
            self._session_keys = message
            self._keep_sessions()
        elif isinstance(message, TellAll):
            self._told.nothing()

    async def _receive(self) -> Message:
        """Return the next message, of the keeper's successor if it has one."""
        try:
            return await self._link.receive()
        except ConnectionError:
            with suppress(BlockingIOError):
                self._receive_socket()
            if self._next_link is None:
                raise
        self._link.close()
        self._link, self._next_link = await Link.over(self._next_link), None
        self._introduce()
        return await self._receive()

    def _introduce(self) -> None:
        """Say to a keeper that is new what the last one was told."""
        if self._table.version != NO_VERSION:
            self._link.send(Acknowledged(self._table.version))
        for group in self._table.groups.values():
            for target in group.targets.values():
                if target.draining and not target.in_flight:
                    self.on_drained(target)
        self._told.nothing()
        self._report_at_once()

    def _receive_socket(self) -> None:
        received = receive_socket(self._socket_channel)
        if received is not None:
            name, sock = received
            if name == LINK_NAME:
                self._next_link = sock
                return
            address, port = name.rsplit(" ", 1)
            self._sockets[address, int(port)] = sock
            self._work.set()

    # --- snapshots ----------------------------------------------------------------

    async def _apply(self) -> None:
        """Compile and swap the newest manifest; those in between are never seen."""
        while True:
            await self._work.wait()
            self._work.clear()
            snapshot = await self._compiler.compiled(self._table.version)
            if snapshot is not None:
                steps = self._table.prepare_steps(*snapshot)
                self._swap(await in_slices(steps, self._clock))
            await self._open_sites()

    def _swap(self, prepared: Prepared) -> None:
        swapped = self._table.take(prepared, self._clock.now_s())
        for target in (*swapped.left, *swapped.draining):
            for connection in [*target.idle]:
                connection.discard()
        if self.sessions.sealing is None:
            self._keep_sessions()
        self._link.send(Acknowledged(prepared.version))
        for target in swapped.draining:
            if not target.in_flight:
                self.on_drained(target)
        self._take_listeners()

    def _keep_sessions(self) -> None:
        """Read and write cookies by the newest keys, once something is sticky."""
        if self._session_keys is not None and self._table.is_sticky:
            self.sessions.sealing = keyring(self._session_keys)

    def _take_listeners(self) -> None:
        """Give every door its rules; close the doors that are no more."""
        for name, state in self._table.listeners.items():
            door = self._doors.get(name)
            if door is not None:
                door.take(state)
                door.draining = self._ending.is_set()
            else:
                now_s, unix_s = self._clock.now_s(), self._clock.unix_s()
                self._doors[name] = Door(self, state, now_s, unix_s)
            self._certify(name)
        gone = self._doors.keys() - self._table.listeners.keys()
        for name in gone:
            self._doors[name].draining = True
            self._certificates.pop(name, None)
        self._doors_at = {
            (address, state.listener.port): self._doors[name]
            for name, state in self._table.listeners.items()
            for address in state.listener.addresses
        }
        for place in self._sites.keys() - self._doors_at.keys():
            self._close_site(place)

    def _certify(self, name: str) -> None:
        """Have handshakes begin with the newest certificates."""
        door, served = self._doors.get(name), self._certificates.get(name)
        if door is not None and served is not None and door.listener.is_secure:
            door.handshakes.take(door.listener.ssl_policy, served)

    async def _open_sites(self) -> None:
        """Accept on every socket that is here and wanted."""
        here = self._sockets.keys() & self._doors_at.keys()
        for place in here - self._sites.keys():
            self._sites[place] = await asyncio.get_running_loop().create_server(
                partial(self._accept, place),
                sock=self._sockets[place],
                backlog=BACKLOG,
            )

    def _accept(self, place: Place) -> asyncio.Protocol:
        """Return who serves a connection that came in there."""
        door = self._doors_at[place]
        if door.listener.is_secure:
            return door.handshakes.accept()
        return ClientConnection(door)

    def _close_site(self, place: Place) -> None:
        site = self._sites.pop(place, None)
        self._sockets.pop(place, None)
        if site is not None:
            site.close()

    # --- what doors need ----------------------------------------------------------

    def connect(self, exchange: Exchange, target: TargetState) -> None:
        assert self._tasks is not None
        self._tasks.create_task(self._connector.connect(exchange, target))

    def _close_pools(self) -> bool:
        """Close what waits for requests to come; return whether anything did."""
        groups = self._table.groups.values()
        idle = [c for g in groups for t in g.targets.values() for c in t.idle]
        for connection in idle:
            connection.discard()
        return bool(idle)

    def on_drained(self, target: TargetState) -> None:
        self._link.send(Drained(target.id, target.counters.cut))

    # --- time ---------------------------------------------------------------------

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            now_s, unix_s = self._clock.now_s(), self._clock.unix_s()
            for door in [*self._doors.values()]:
                door.sweep(now_s, unix_s)
            await in_slices(self._table.tick_steps(now_s), self._clock)
            self._table.serve_waiting()
            await in_slices(self._end_what_is_due(now_s), self._clock)
            self._link.send(Alive())

    def _end_what_is_due(self, now_s: float) -> Generator[None, None, None]:
        """End connections that nobody used, and requests that nobody may wait for."""
        for group in [*self._table.groups.values()]:
            for target in group.targets.values():
                target.close_idle(now_s - POOL_IDLE_S)
                if target.cut_at_s is not None and now_s >= target.cut_at_s:
                    self._cut(target)
            yield

    def _cut(self, target: TargetState) -> None:
        """The deregistration delay has passed: cut what is still in flight."""
        target.cut_at_s = None
        if not target.in_flight:
            return
        for door in self._doors.values():
            for client in [*door.clients]:
                exchange = client.exchange
                if isinstance(exchange, Exchange) and exchange.target is target:
                    exchange.cut()

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            async for piece in pieces_in_slices(
                self._told.report(self._table), self._clock
            ):
                self._link.send(report_of(piece))
            self._end_report()

    def _report_at_once(self) -> None:
        for piece in self._told.report(self._table):
            if piece is not None:
                self._link.send(report_of(piece))
        self._end_report()

    def _end_report(self) -> None:
        doors, now_s = self._doors, self._clock.now_s()
        connections = sum(len(door.clients) for door in doors.values())
        levels = {name: door.report() for name, door in doors.items()}, connections
        self._link.send(report_of(self._told.ended(self._table, levels, now_s)))

    def _waiting_lines(self) -> list[ListenerLog]:
        return [log for door in self._doors.values() for log in door.logs()]

    # --- the end ------------------------------------------------------------------

    def _begin_drain(self, drain: Drain) -> None:
        """End once this has passed; told again, not later than was told before."""
        until_s = self._clock.now_s() + drain.within_s
        self._drained_by_s = min(self._drained_by_s, until_s)
        self._drain_idle_s = min(self._drain_idle_s, drain.idle_s)
        for door in self._doors.values():
            door.drain(self._drain_idle_s)
        self._ending.set()

    async def _finish(self) -> None:
        """Accept nothing more, let requests end, close what is idle."""
        for place in [*self._sites]:
            self._close_site(place)
        while any(door.is_busy for door in self._doors.values()):
            if self._clock.now_s() >= self._drained_by_s:
                break
            await asyncio.sleep(SWEEP_S / 10)
        for door in self._doors.values():
            door.abort()
        await asyncio.sleep(0)  # what was cut is logged as it ends
        self._report_at_once()
        try:
            await self._link.flush()
        except ConnectionError:
            _log.info("nobody hears the last report")
        await self._logs.end(self._waiting_lines())


def _by_id(told: Mapping[str, TargetHealth]) -> dict[TargetId, TargetHealth]:
    return {TargetId(name): how for name, how in told.items()}


def _for_clients(open_files: int) -> int:
    """Leave a quarter to connections to targets, which many clients share."""
    return open_files - max(FILES_APART, open_files // 4)


async def _serve(options: argparse.Namespace) -> None:
    link = await Link.over(socket.socket(fileno=options.link_fd))
    sockets = socket.socket(fileno=options.sockets_fd)
    counts = turnstile = None
    if options.counts_fd >= 0:
        memory = shared_memory.attach(options.counts_fd, SIZE)
        counts = SharedCounts(cells_of(memory), options.counts_column)
        turnstile = Turnstile(options.counts_fd, options.bell_fd)
    table = Table(options.slot, counts, turnstile)
    worker = Worker(table, link, sockets, SystemClock())
    if turnstile is not None:
        turnstile.listen(table.serve_waiting)
    await worker.run()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m alb.app.worker")
    parser.add_argument("--slot", type=int, required=True)
    parser.add_argument("--link-fd", type=int, required=True)
    parser.add_argument("--sockets-fd", type=int, required=True)
    parser.add_argument("--counts-fd", type=int, default=-1)
    parser.add_argument("--counts-column", type=int, default=0)
    parser.add_argument("--bell-fd", type=int, default=NO_BELL)
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    ask_for_short_slices()
    uvloop.run(_serve(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
