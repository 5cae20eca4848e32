"""The keeper: binds the sockets, starts the processes, passes messages on. Floor 4.

The one process of a node that lives as long as the node. It decides nothing
about traffic and reads no configuration: control (another process, which may
die) sends sections and manifests; the keeper holds the newest, opens the
sockets they name, hands both to workers and prober, and starts these again
when they end. It has what a new worker, prober or control needs to go on where
the last one stopped.

Every child runs in a session of its own, so that a Ctrl-C in a terminal ends
none of them. A keeper that is killed takes no request with it: its workers
finish what they have and end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from alb.app.columns import Columns
from alb.app.keeper_options import KeeperOptions
from alb.app.listening import Listening
from alb.app.member import Member
from alb.app.respawn import respawn
from alb.app.session_keys import KeptKeys
from alb.app.succession import (
    Legacy,
    adopt,
    all_serve,
    exec_successor,
    hand_over,
    leave,
    sockets_of,
)
from alb.drivers.child import exec_child, exit_reason
from alb.drivers.courtesy import give_way
from alb.drivers.link import Link, encode, send_sockets
from alb.ports import (
    Acknowledged,
    Doubted,
    Drain,
    Drained,
    FromWorker,
    HealthChange,
    Hello,
    ListenerCertificates,
    Manifest,
    Message,
    Place,
    Report,
    Section,
    SessionKeys,
    Stop,
    Superseded,
    TellAll,
    Welcome,
    WorkerExited,
    WorkerStarted,
    WorkerState,
)
from alb.state.holdings import Holdings
from foundation.clock import SystemClock

TICK_S: Final = 0.25
SILENT_TICKS_MAX: Final = 8
"""Ticks without a word after which a child is killed: 2 s of the keeper's own time."""
WORKER_BACKOFF_S: Final = (0.05, 0.2, 0.5, 1.0)
"""Connections queue on a dead worker's sockets: they can wait, but not for long."""
STOP_S: Final = 30.0
CONTROL_STOP_S: Final = 2.0
RETIRED_IDLE_S: Final = 5.0
"""A client that is about to send meets no connection that has just been closed."""

_log = logging.getLogger("alb.keeper")


class Keeper:
    """All that one node's keeper does; `run` until stopped."""

    def __init__(
        self,
        options: KeeperOptions,
        lock: int,
        holdings: Holdings,
        legacy: Legacy | None = None,
    ) -> None:
        """`lock` is the descriptor whose lock says that this keeper lives; `legacy`
        is what a former program left."""
        self._state_dir = options.state_dir
        self._slots = options.workers
        self._control_command = options.control_command
        self._drain_timeout_s = options.drain_timeout_s
        self._options = options
        self._lock = lock
        self._legacy = legacy
        self._holdings = holdings
        self._keys = KeptKeys(options.state_dir, SystemClock())
        self._members: dict[int, Member] = {}
        self._prober: Member | None = None
        self._retiring: list[Member] = []
        """Workers that a former program started."""
        self._listening = Listening(self._slots, self._send_opened, self._to_control)
        self._columns = Columns(legacy.counts if legacy else None)
        self._control: Link | None = None
        self._control_process: asyncio.subprocess.Process | None = None
        self._incarnations = 0
        self._stop_within_s: float | None = None
        self._ending = asyncio.Event()
        """Stopping, or becoming another program."""
        self._upgrade = asyncio.Event()

    async def run(self) -> None:
        """Serve until a Stop or a SIGTERM, then end all children."""
        await self._take_over()
        path, opening = self._state_dir / "node.sock", self._state_dir / "node.new"
        opening.unlink(missing_ok=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stop, STOP_S)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, self._upgrade.set)
        async with asyncio.TaskGroup() as tasks:
            loops: list[asyncio.Task[None]] = []

            def accept(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter
            ) -> None:
                loops.append(tasks.create_task(self._serve_control(reader, writer)))

            server = await asyncio.start_unix_server(accept, opening)
            opening.chmod(0o600)
            opening.replace(path)  # where it is found, it is answered
            try:
                loops += [
                    *(
                        tasks.create_task(self._keep_worker(n))
                        for n in range(self._slots)
                    ),
                    tasks.create_task(self._keep_prober()),
                    tasks.create_task(self._watch()),
                    tasks.create_task(self._listening.rebind()),
                    tasks.create_task(self._succeed()),
                    tasks.create_task(self._keys.keep(self._tell_keys)),
                    *(
                        tasks.create_task(self._keep_retiring(m))
                        for m in self._retiring
                    ),
                ]
                if self._retiring:
                    loops.append(tasks.create_task(self._retire()))
                if self._control_command:
                    loops.append(tasks.create_task(self._keep_control()))
                await self._ending.wait()
                if self._stop_within_s is None:
                    path.unlink(missing_ok=True)  # nobody is to meet us on the way
                    await self._become()
                await self._end_children(self._stop_within_s or 0.0)
            finally:
                for loop in loops:
                    loop.cancel()
                server.close()
                path.unlink(missing_ok=True)

    def stop(self, within_s: float) -> None:
        self._stop_within_s = within_s
        self._ending.set()

    # --- children -----------------------------------------------------------------

    async def _keep_worker(self, slot: int) -> None:
        await respawn(
            f"worker {slot}",
            lambda: self._live_worker(slot),
            self._ending,
            WORKER_BACKOFF_S,
        )

    async def _live_worker(self, slot: int) -> int:
        self._incarnations += 1
        with self._columns.lend() as column:
            return await self._live_in(column, slot, self._incarnations)

    async def _live_in(self, column: int, slot: int, incarnation: int) -> int:
        command = [sys.executable, "-P", "-m", "alb.app.worker", "--slot", str(slot)]
        command += self._columns.arguments(column)
        child = await exec_child(command, self._columns.inherited)
        state = WorkerState(slot, incarnation, child.process.pid)
        member = self._members[slot] = Member(child, state, column)
        self._to_control(WorkerStarted(state))
        child.link.send(self._keys.message)
        self._bring_up_to_date(member)
        for place, sockets in self._listening.sockets.items():
            send_sockets(child.sockets, [_name_of(place)], [sockets[slot]])
        status = await member.listen(self._heard)
        self._members.pop(slot, None)
        self._to_control(WorkerExited(slot, incarnation, exit_reason(status)))
        return status

    async def _keep_prober(self) -> None:
        await respawn("prober", self._live_prober, self._ending)

    async def _live_prober(self) -> int:
        child = await exec_child([sys.executable, "-P", "-m", "alb.app.prober_process"])
        self._prober = Member(child, None)
        self._bring_up_to_date(self._prober)
        status = await self._prober.listen(self._heard)
        self._prober = None
        return status

    async def _keep_control(self) -> None:
        await respawn("control", self._live_control, self._ending)

    async def _live_control(self) -> int:
        self._control_process = await asyncio.create_subprocess_exec(
            *self._control_command,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        return await self._control_process.wait()

    def _bring_up_to_date(self, member: Member) -> None:
        link = member.child.link
        link.send(self._holdings.health)
        for section in self._holdings.sections():
            link.send(section)
        if member is not self._prober:  # it serves nobody
            for served in self._holdings.certificates.values():
                link.send(served)
        link.send(self._holdings.manifest)

    def _heard(self, member: Member, message: Message) -> None:
        match message:
            case HealthChange():
                self._holdings.note(message)
                self._to_workers(message)
                self._to_control(message)
            case Report() | Acknowledged() | Drained():
                assert member.state is not None
                if isinstance(message, Acknowledged):
                    member.state = replace(member.state, acknowledged=message.version)
                state = member.state
                self._to_control(FromWorker(state.slot, state.incarnation, message))
            case Doubted() if self._prober is not None:
                self._prober.child.link.send(message)
            case _:
                pass  # Alive: to be heard is all

    async def _watch(self) -> None:
        """Kill a child whose loop no longer turns: its exit is its acknowledgement.

        Counts our own ticks, so that a machine that stood still accuses nobody.
        """
        while True:
            await asyncio.sleep(TICK_S)
            members = self._workers()
            if self._prober is not None:
                members.append(self._prober)
            for member in members:
                member.silent_ticks += 1
                if member.was_heard and member.silent_ticks > SILENT_TICKS_MAX:
                    _log.warning("pid %d is silent: killed", member.child.process.pid)
                    member.child.kill()

    def _workers(self) -> list[Member]:
        return [*self._members.values(), *self._retiring]

    async def _end_children(self, within_s: float) -> None:
        """Drain the workers; end what has not ended by then."""
        members = self._workers()
        for member in members:
            member.child.link.send(Drain(within_s))
        if self._prober is not None:
            self._prober.child.kill()
        waiting = [member.child.process.wait() for member in members]
        try:
            async with asyncio.timeout(within_s + CONTROL_STOP_S):
                await asyncio.gather(self._end_control(), *waiting)
        except TimeoutError:
            for member in members:
                member.child.kill()

    async def _end_control(self) -> None:
        """Tell control to end; it leaves what runs as it is."""
        process = self._control_process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            try:
                async with asyncio.timeout(CONTROL_STOP_S):
                    await process.wait()
            except TimeoutError:
                process.kill()

    # --- control ------------------------------------------------------------------

    async def _serve_control(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        link = Link(reader, writer)
        with contextlib.suppress(ConnectionError):
            hello = await link.receive()
            if not isinstance(hello, Hello) or not self._holdings.greet(hello.epoch):
                link.send(Superseded(self._holdings.epoch))
                await link.flush()
                link.close()
                return
            if self._control is not None:
                self._control.send(Superseded(self._holdings.epoch))
                self._control.close()
            self._control = link
            self._welcome(link)
            self._to_workers(TellAll())
            while self._control is link:
                message = await link.receive()
                give_way()
                self._obey(message)
        if self._control is link:
            self._control = None
        link.close()

    def _welcome(self, link: Link) -> None:
        holdings = self._holdings
        link.send(
            Welcome(
                holdings.manifest,
                tuple(m.state for m in self._workers() if m.state is not None),
                holdings.health,
                self._listening.bound(),
                self._holdings.certified(),
            )
        )

    def _obey(self, message: Message) -> None:
        match message:
            case Section():
                self._holdings.add(message)
                self._to_members(message)
            case ListenerCertificates():
                self._holdings.certify(message)
                self._to_workers(message)
            case Manifest():
                if self._holdings.publish(message):
                    self._listening.follow(self._holdings.places())
                    self._to_members(message)
            case Stop(within_s):
                self.stop(within_s)
            case _:
                _log.warning("control said %s, which means nothing here", message)

    def _to_control(self, message: Message) -> None:
        if self._control is not None:
            self._control.send(message)

    def _to_workers(self, message: Message) -> None:
        self._to_each(self._workers(), message)

    def _to_members(self, message: Message) -> None:
        prober = [self._prober] if self._prober is not None else []
        self._to_each([*self._workers(), *prober], message)

    @staticmethod
    def _to_each(members: Iterable[Member], message: Message) -> None:
        frame = encode(message)
        for member in members:
            member.child.link.send_frame(frame)

    def _tell_keys(self, keys: SessionKeys) -> None:
        for member in self._members.values():
            member.child.link.send(keys)

    # --- sockets ------------------------------------------------------------------

    def _send_opened(self, place: Place, sockets: Sequence[socket.socket]) -> None:
        for slot, member in self._members.items():
            send_sockets(member.child.sockets, [_name_of(place)], [sockets[slot]])

    # --- becoming another program ---------------------------------------------------

    async def _succeed(self) -> None:
        """When told, end for the program that is installed now, if that starts."""
        while True:
            await self._upgrade.wait()
            self._upgrade.clear()
            check = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "alb.app.keeper_process", "--check"),
                *self._options.arguments(),
                stdin=asyncio.subprocess.DEVNULL,
            )
            if not await check.wait():
                self._ending.set()
                return
            _log.error("the program that is installed does not start: not upgraded")

    async def _become(self) -> None:
        """End who starts quickly, and become the new program. Does not return."""
        if self._prober is not None:
            self._prober.child.kill()
            await self._prober.child.process.wait()
        await self._end_control()
        listening = tuple(
            (*place, tuple(sock.fileno() for sock in sockets))
            for place, sockets in self._listening.sockets.items()
        )
        workers = await leave(self._workers())
        counts = self._columns.descriptor
        legacy = Legacy(self._lock, self._incarnations, listening, workers, counts)
        exec_successor(self._options.arguments(), hand_over(legacy, self._holdings))

    async def _take_over(self) -> None:
        """Go on with the sockets and workers of a former program, if there was one."""
        if (legacy := self._legacy) is None:
            return
        self._incarnations = legacy.incarnations
        self._listening.inherit(sockets_of(legacy))
        self._retiring = await adopt(legacy.workers, self._slots)
        for member in self._retiring:
            self._columns.adopt(member.column)

    async def _keep_retiring(self, member: Member) -> None:
        assert member.state is not None
        self._bring_up_to_date(member)
        status = await member.listen(self._heard)
        self._retiring.remove(member)
        self._columns.clear(member.column)
        state = member.state
        reason = exit_reason(status)
        self._to_control(WorkerExited(state.slot, state.incarnation, reason))
        _log.info("worker %d of the former program %s", state.pid, reason)

    async def _retire(self) -> None:
        """Drain the former workers once all of ours serve what they serve."""
        retiring, told = self._retiring, self._holdings
        while not (  # noqa: ASYNC110 - seldom, and soon over
            len(self._members) == self._slots
            and all_serve(self._members.values(), retiring, told.manifest.version)
        ):
            await asyncio.sleep(TICK_S / 5)
        for member in self._retiring:
            member.child.link.send(Drain(self._drain_timeout_s, RETIRED_IDLE_S))


def _name_of(place: Place) -> str:
    """Return the name under which a listening socket goes to a worker."""
    return f"{place[0]} {place[1]}"
