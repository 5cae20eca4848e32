"""Start control: open what it stands on, make the parts, run them together.

    lock -> store -> token -> join the node -> parts -> API + loops -> adopt

Every loop runs in one task group: one that dies takes the process with it, and
the keeper starts it again. Nothing is published before the tasks that already
run were found, so a new control removes no target that serves.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from aiohttp import web

from alb.app.balancer import Balancer, join
from autoscaler.app.autoscaler import Autoscaler
from autoscaler.app.keeping import Keeping
from autoscaler.app.messenger import Messenger
from autoscaler.drivers.courier import Courier
from autoscaler.drivers.history import History
from autoscaler.state.series_table import SeriesTable
from controlplane import records
from controlplane.adapters import Capacities, FrontDoor, in_alarm
from controlplane.api import doors, measured, token
from controlplane.api.application import application
from controlplane.api.ports import Document
from controlplane.clean import clean
from controlplane.cluster import Cluster
from controlplane.ecs_feed import EcsFeed
from controlplane.elb_feed import ElbFeed
from controlplane.events import EventLog
from controlplane.events_feed import EventFeed
from controlplane.lock import StateLock
from controlplane.metric_commands import MetricCommands
from controlplane.parts import Parts
from controlplane.runtimes import Runtimes
from controlplane.service_discovery import targets_of
from controlplane.sources import Sources
from controlplane.state_dir import StateDir
from controlplane.store import Store
from controlplane.tls.authority import directory_of
from controlplane.tls.certificates import Certificates
from controlplane.tls.local import LocalCertificates
from controlplane.version import __version__
from foundation.clock import Clock
from foundation.journal import Delete
from scheduler.app.scheduler import Scheduler
from scheduler.drivers.hooks import CalledHooks
from scheduler.drivers.outputs import DiskOutputs

__all__ = ["clean", "serve"]

ADOPT_S: Final = 10.0
"""How long hosts may take to be listed before the first snapshot."""
LOOK_S: Final = 0.02
MEND_S: Final = 1.0
NODE_STOP_S: Final = 30.0
"""How long workers may take for their last requests when everything goes down."""
UID_BYTES: Final = 6
API_SHUTDOWN_S: Final = 2.0

log = logging.getLogger(__name__)

Loop = Callable[[], Awaitable[None]]


async def serve(state_dir: StateDir, address: tuple[str, int], clock: Clock) -> None:
    """Run control until SIGTERM or until everything is down.

    Raises StateInUse, NewerSchema, CommitFailed, NoDoor, TokenExposed when it
    cannot start, and whatever ended a loop.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as stack:
        lock = StateLock(state_dir.lock)
        stack.callback(lock.release)
        parts = await _parts(state_dir, clock, stack)
        cluster = Cluster(parts)
        metrics = MetricCommands(
            clock, parts.scaler, parts.keeping, lambda: _discovered(parts)
        )
        await stack.enter_async_context(_api(cluster, metrics, state_dir, address))
        await _run(parts, cluster, stopped)


async def _store(state_dir: StateDir, stack: AsyncExitStack) -> Store:
    store = await Store.open(
        state_dir.database,
        records.codec(),
        new_uid=secrets.token_hex(UID_BYTES),
        histories=records.HISTORIES,
    )
    stack.push_async_callback(store.close)
    return store


async def _parts(state_dir: StateDir, clock: Clock, stack: AsyncExitStack) -> Parts:
    store = await _store(state_dir, stack)
    balancer = await join(str(state_dir.node_socket), store.epoch)
    balancer.hold()
    front, hooks = FrontDoor(balancer), CalledHooks()
    runtimes = Runtimes(state_dir.tasks, store.cluster_uid, clock)
    stack.push_async_callback(runtimes.close)
    scheduler = Scheduler(
        clock=clock,
        cluster_uid=store.cluster_uid,
        journal=store,
        balancer=front,
        runtimes=runtimes,
        records=store.records,
        draw=random.SystemRandom().random,
        front_door="",
        in_alarm=lambda: in_alarm(scaler.alarms()),
        hooks=hooks,
        version=__version__,
        outputs=DiskOutputs(state_dir.outputs),
    )
    series = SeriesTable()
    scaler = Autoscaler(
        clock=clock,
        journal=store,
        capacities=Capacities(scheduler),
        records=store.records,
        series=series,
    )
    balancer.on_change(scheduler.wake)
    courier = Courier()
    events = EventLog()
    feed = EventFeed(clock, events, scheduler, scaler, balancer)
    return Parts(
        clock=clock,
        state_dir=state_dir,
        store=store,
        balancer=balancer,
        front=front,
        scheduler=scheduler,
        scaler=scaler,
        runtimes=runtimes,
        hooks=hooks,
        ecs=EcsFeed(clock, scheduler, scaler),
        elb=ElbFeed(clock, balancer, scheduler, scaler),
        keeping=await _keeping(state_dir, series, scaler, feed, stack),
        sources=Sources(clock, scheduler, scaler, feed.tell),
        events=events,
        feed=feed,
        certificates=_certificates(state_dir, balancer, feed),
        courier=courier,
        messenger=Messenger(scaler, courier),
    )


def _certificates(
    state_dir: StateDir, balancer: Balancer, feed: EventFeed
) -> Certificates:
    authority = directory_of(os.environ, Path.home())
    local = LocalCertificates(state_dir.certificates, authority)
    return Certificates(balancer, feed.tell, local)


def _discovered(parts: Parts) -> Sequence[Document]:
    ecs, elb = parts.ecs, parts.elb
    return targets_of(ecs.cluster, parts.scheduler.tasks(), elb.zones)


async def _keeping(
    state_dir: StateDir,
    series: SeriesTable,
    scaler: Autoscaler,
    feed: EventFeed,
    stack: AsyncExitStack,
) -> Keeping:
    """Have series outlive this process; what was kept is there before any look."""

    def tell(message: str) -> None:
        feed.tell("metrics", message)

    history = await History.open(state_dir.metrics)
    keeping = Keeping(series, history, scaler.now_s, tell)
    stack.push_async_callback(keeping.close)
    await keeping.restore()
    if history.moved_aside:
        tell(f"begin anew: {history.moved_aside}")
    return keeping


@asynccontextmanager
async def _api(
    cluster: Cluster,
    metrics: MetricCommands,
    state_dir: StateDir,
    address: tuple[str, int],
) -> AsyncIterator[None]:
    """Serve the API on the Unix socket and on the control address."""
    app = application(cluster, token.read_or_make(state_dir.token))
    measured.add_routes(app, metrics)
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=API_SHUTDOWN_S, handle_signals=False
    )
    await runner.setup()
    try:
        tcp = doors.open_tcp(*address)
        await web.SockSite(runner, tcp, backlog=doors.BACKLOG).start()
        unix = doors.open_unix(state_dir.control_socket)
        doors.tell(state_dir.control_address, doors.url_of(tcp))
        await web.SockSite(runner, unix, backlog=doors.BACKLOG).start()
        log.info("control answers at %s", doors.url_of(tcp))
        yield
    finally:
        await runner.cleanup()
        state_dir.control_socket.unlink(missing_ok=True)
        state_dir.control_address.unlink(missing_ok=True)


async def _run(parts: Parts, cluster: Cluster, stopped: asyncio.Event) -> None:
    """Run all loops until told to stop; tasks and node are left as they are."""
    loops: tuple[Loop, ...] = (
        parts.balancer.run,
        parts.scheduler.run,
        parts.scaler.run,
        parts.messenger.run,
        parts.ecs.run,
        parts.elb.run,
        parts.keeping.run,
        parts.sources.run,
        parts.feed.run,
        parts.certificates.run,
        cluster.listen_for_late_engines,
        lambda: _mend(parts.store),
        lambda: _adopt(parts, cluster),
        lambda: _go_down(parts, cluster, stopped),
    )
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(_awaited(loop)) for loop in loops]
        await cluster.resume()
        parts.feed.tell("control", f"decides, epoch {parts.store.epoch}")
        await stopped.wait()
        for task in running:
            task.cancel()


async def _awaited(loop: Loop) -> None:
    await loop()


async def _adopt(parts: Parts, cluster: Cluster) -> None:
    """Release the first snapshot when everything that runs is registered."""
    await cluster.configured.wait()
    try:
        async with asyncio.timeout(ADOPT_S):
            while not parts.scheduler.adopted():  # noqa: ASYNC110 - a look sets it
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        parts.feed.tell(
            "control", f"not every container instance was listed within {ADOPT_S:g} s"
        )
    parts.balancer.release()


async def _mend(store: Store) -> None:
    """After a failed commit find out when the disk takes commits again.

    A decision that is pending is tried by whoever decided it; a command that
    failed is tried by nobody, and must not keep us unready for ever.
    """
    while True:
        await asyncio.sleep(MEND_S)
        if store.failure:
            await store.try_again()


async def _go_down(parts: Parts, cluster: Cluster, stopped: asyncio.Event) -> None:
    """Once commanded: stop every task, forget the file, end the node, end."""
    await cluster.going_down.wait()
    await cluster.stop_services()
    await parts.store.commit([Delete(records.APPLIED, "file")])
    parts.balancer.stop_node(NODE_STOP_S)
    # The keeper ends us by SIGTERM: leaving earlier could leave the message behind.
    with suppress(TimeoutError):
        async with asyncio.timeout(NODE_STOP_S):
            await stopped.wait()
    stopped.set()
