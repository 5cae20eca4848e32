"""The keeper: binds the sockets, starts the processes, passes messages on. Floor 4.

    python -m alb.app.keeper --state-dir DIR --workers N [--control-command JSON]

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

import argparse
import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from alb.drivers.child import Child, exec_child, exit_reason
from alb.drivers.link import Link, encode, send_sockets
from alb.drivers.sockets import bind_slots
from alb.ports import (
    Acknowledged,
    Bound,
    Drain,
    Drained,
    FromWorker,
    HealthReport,
    Hello,
    Manifest,
    Message,
    Section,
    Stop,
    Superseded,
    Telemetry,
    Welcome,
    WorkerExited,
    WorkerStarted,
    WorkerState,
)
from alb.state.holdings import Holdings

TICK_S: Final = 0.25
SILENT_TICKS_MAX: Final = 8
"""Ticks without a word after which a child is killed: 2 s of the keeper's own time."""
BACKOFF_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
WORKER_BACKOFF_S: Final = (0.05, 0.2, 0.5, 1.0)
"""Connections queue on a dead worker's sockets: they can wait, but not for long."""
STEADY_S: Final = 10.0
"""A child that lived this long is started again at once."""
LAST_WORDS_S: Final = 1.0
"""What a child that hung up may still take to write why."""
STOP_S: Final = 30.0
REBIND_S: Final = 1.0

_log = logging.getLogger("alb.keeper")


class Member:
    """A child that talks: a worker, or the prober."""

    def __init__(self, child: Child, state: WorkerState | None) -> None:
        self.child = child
        self.state = state
        self.silent_ticks = 0
        self.was_heard = False
        """A starting child may take its time to say its first word."""


class Keeper:
    """All that one node's keeper does; `run` until stopped."""

    def __init__(
        self, state_dir: Path, workers: int, control_command: Sequence[str] = ()
    ) -> None:
        self._state_dir = state_dir
        self._slots = workers
        self._control_command = control_command
        self._holdings = Holdings()
        self._members: dict[int, Member] = {}
        self._prober: Member | None = None
        self._sockets: dict[tuple[str, int], list[socket.socket]] = {}
        self._bound: dict[tuple[str, int], Bound] = {}
        self._control: Link | None = None
        self._control_process: asyncio.subprocess.Process | None = None
        self._incarnations = 0
        self._stop_within_s: float | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Serve until a Stop or a SIGTERM, then end all children."""
        path, opening = self._state_dir / "node.sock", self._state_dir / "node.new"
        opening.unlink(missing_ok=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stop, STOP_S)
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
                        for n in self._slot_range
                    ),
                    tasks.create_task(self._keep_prober()),
                    tasks.create_task(self._watch()),
                    tasks.create_task(self._rebind()),
                ]
                if self._control_command:
                    loops.append(tasks.create_task(self._keep_control()))
                await self._stopping.wait()
                await self._end_children()
            finally:
                for loop in loops:
                    loop.cancel()
                server.close()
                path.unlink(missing_ok=True)

    @property
    def _slot_range(self) -> range:
        return range(self._slots)

    def stop(self, within_s: float) -> None:
        self._stop_within_s = within_s
        self._stopping.set()

    # --- children -----------------------------------------------------------------

    async def _keep(
        self,
        name: str,
        live_once: Callable[[], Awaitable[int]],
        backoff_s: Sequence[float] = BACKOFF_S,
    ) -> None:
        """Run a child again and again, waiting longer while it does not last."""
        loop = asyncio.get_running_loop()
        attempt = 0
        while not self._stopping.is_set():
            began = loop.time()
            status = await live_once()
            if self._stopping.is_set():
                return
            lasted = loop.time() - began
            attempt = 0 if lasted > STEADY_S else attempt + 1
            pause = backoff_s[min(attempt, len(backoff_s) - 1)]
            _log.warning(
                "%s %s after %.1f s; again in %.2f s",
                name,
                exit_reason(status),
                lasted,
                pause,
            )
            await asyncio.sleep(pause)

    async def _keep_worker(self, slot: int) -> None:
        await self._keep(
            f"worker {slot}", lambda: self._live_worker(slot), WORKER_BACKOFF_S
        )

    async def _live_worker(self, slot: int) -> int:
        self._incarnations += 1
        incarnation = self._incarnations
        command = [sys.executable, "-P", "-m", "alb.app.worker", "--slot", str(slot)]
        child = await exec_child(command)
        state = WorkerState(slot, incarnation, child.process.pid)
        member = self._members[slot] = Member(child, state)
        self._to_control(WorkerStarted(state))
        self._bring_up_to_date(member)
        for (address, port), sockets in self._sockets.items():
            send_sockets(child.sockets, [f"{address} {port}"], [sockets[slot]])
        await self._listen_to(member)
        status = await child.process.wait()
        child.close()
        self._members.pop(slot, None)
        self._to_control(WorkerExited(slot, incarnation, exit_reason(status)))
        return status

    async def _keep_prober(self) -> None:
        await self._keep("prober", self._live_prober)

    async def _live_prober(self) -> int:
        child = await exec_child([sys.executable, "-P", "-m", "alb.app.prober_process"])
        self._prober = Member(child, None)
        self._bring_up_to_date(self._prober)
        await self._listen_to(self._prober)
        status = await child.process.wait()
        child.close()
        self._prober = None
        return status

    async def _keep_control(self) -> None:
        await self._keep("control", self._live_control)

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
        link.send(self._holdings.manifest)

    async def _listen_to(self, member: Member) -> None:
        """Pass on what a child says, until it says no more."""
        with contextlib.suppress(ConnectionError):
            while True:
                message = await member.child.link.receive()
                member.was_heard = True
                member.silent_ticks = 0
                self._heard(member, message)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                await member.child.process.wait()
        member.child.kill()

    def _heard(self, member: Member, message: Message) -> None:
        match message:
            case HealthReport():
                self._holdings.health = message
                self._to_workers(message)
                self._to_control(message)
            case Telemetry() | Acknowledged() | Drained():
                assert member.state is not None
                if isinstance(message, Acknowledged):
                    member.state = replace(member.state, acknowledged=message.version)
                state = member.state
                self._to_control(FromWorker(state.slot, state.incarnation, message))
            case _:
                pass  # Alive: to be heard is all

    async def _watch(self) -> None:
        """Kill a child whose loop no longer turns: its exit is its acknowledgement.

        Counts our own ticks, so that a machine that stood still accuses nobody.
        """
        while True:
            await asyncio.sleep(TICK_S)
            members = [*self._members.values()]
            if self._prober is not None:
                members.append(self._prober)
            for member in members:
                member.silent_ticks += 1
                if member.was_heard and member.silent_ticks > SILENT_TICKS_MAX:
                    _log.warning("pid %d is silent: killed", member.child.process.pid)
                    member.child.kill()

    async def _end_children(self) -> None:
        """Drain the workers; end what has not ended by then."""
        within_s = self._stop_within_s or 0.0
        members = [*self._members.values()]
        for member in members:
            member.child.link.send(Drain(within_s))
        if self._prober is not None:
            self._prober.child.kill()
        if self._control_process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._control_process.terminate()
        waiting = [member.child.process.wait() for member in members]
        if self._control_process is not None:
            waiting.append(self._control_process.wait())
        try:
            async with asyncio.timeout(within_s + 2.0):
                await asyncio.gather(*waiting)
        except TimeoutError:
            for member in members:
                member.child.kill()
            if self._control_process is not None:
                with contextlib.suppress(ProcessLookupError):
                    self._control_process.kill()

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
            while self._control is link:
                self._obey(await link.receive())
        if self._control is link:
            self._control = None
        link.close()

    def _welcome(self, link: Link) -> None:
        holdings = self._holdings
        workers = tuple(m.state for m in self._members.values() if m.state is not None)
        bound = tuple(self._bound.values())
        link.send(
            Welcome(
                holdings.manifest, holdings.sections(), workers, holdings.health, bound
            )
        )

    def _obey(self, message: Message) -> None:
        match message:
            case Section():
                self._holdings.add(message)
                self._to_members(message)
            case Manifest():
                if self._holdings.publish(message):
                    self._open_sockets()
                    self._to_members(message)
            case Stop(within_s):
                self.stop(within_s)
            case _:
                _log.warning("control said %s, which means nothing here", message)

    def _to_control(self, message: Message) -> None:
        if self._control is not None:
            self._control.send(message)

    def _to_workers(self, message: Message) -> None:
        frame = encode(message)
        for member in self._members.values():
            member.child.link.send_frame(frame)

    def _to_members(self, message: Message) -> None:
        self._to_workers(message)
        if self._prober is not None:
            self._prober.child.link.send(message)

    # --- sockets ------------------------------------------------------------------

    def _open_sockets(self) -> None:
        """Open what the manifest names, close what it does not."""
        wanted = self._holdings.addresses()
        for gone in self._sockets.keys() - wanted:
            for sock in self._sockets.pop(gone):
                sock.close()
        for gone in self._bound.keys() - wanted:
            del self._bound[gone]
        for place in sorted(wanted - self._sockets.keys()):
            self._open(*place)

    def _open(self, address: str, port: int) -> None:
        try:
            sockets = bind_slots(address, port, self._slots)
        except OSError as problem:
            self._report(Bound(address, port, problem.strerror or str(problem)))
            return
        self._sockets[address, port] = sockets
        for slot, member in self._members.items():
            send_sockets(member.child.sockets, [f"{address} {port}"], [sockets[slot]])
        self._report(Bound(address, port))

    def _report(self, bound: Bound) -> None:
        if self._bound.get((bound.address, bound.port)) != bound:
            self._bound[bound.address, bound.port] = bound
            self._to_control(bound)

    async def _rebind(self) -> None:
        """Try again to open what could not be opened."""
        while True:
            await asyncio.sleep(REBIND_S)
            for bound in [*self._bound.values()]:
                if bound.error:
                    self._open(bound.address, bound.port)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m alb.app.keeper")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--control-command", type=json.loads, default=[])
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    options.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (options.state_dir / "keeper.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.error("another keeper runs in %s", options.state_dir)
            return 1
        pid_file = options.state_dir / "keeper.pid"
        pid_file.write_text(f"{os.getpid()}\n")
        keeper = Keeper(options.state_dir, options.workers, options.control_command)
        try:
            asyncio.run(keeper.run())
        finally:
            pid_file.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
