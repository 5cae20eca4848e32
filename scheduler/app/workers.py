"""Performs what takes time: one worker per task, so that nobody waits for a host.

Floor 4. A look begins an action and goes on; the worker's outcome is an
observation of a later look. Actions of one task never overlap.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from foundation.clock import Clock
from scheduler.decide.actions import Outcome, Resolve, Restart, Start, Stop, Work
from scheduler.drivers.outputs import MemoryOutputs
from scheduler.errors import ContainerError, HostNotReached, OutcomeUnknown
from scheduler.model import ContainerName
from scheduler.ports import ContainerSpec, Outputs, Pulled, Runtime

START_DEADLINE_S = 600.0
"""For all containers of a task, a slow pull included."""
STOP_DEADLINE_S = 30.0
"""Beyond a container's own stop timeout."""

LAST_LINES = 10_000
LAST_BYTES = 1 << 20
"""What is kept, at most, of the output of a container that is removed."""
LAST_DEADLINE_S = 2.0
"""How long a removal waits for it: it is worth a look, not a stuck stop."""

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Done:
    """What an action has come to so far."""

    error: ContainerError | None = None
    failed: str = ""
    killed: list[ContainerName] = field(default_factory=list)
    exit_codes: dict[ContainerName, int | None] = field(default_factory=dict)
    pulled: Pulled | None = None
    resolved: tuple[tuple[str, str], ...] = ()

    def pull(self, pulled: Pulled) -> None:
        first = self.pulled[0] if self.pulled else pulled[0]
        self.pulled = (first, pulled[1])


@dataclass(slots=True)
class Pending:
    """An action that is being performed."""

    instance: str
    patience: asyncio.Timeout | None = None
    """None: not begun yet, or given up."""


class Workers:
    """What is being done, and how what was done ended."""

    def __init__(
        self,
        clock: Clock,
        runtimes: Mapping[str, Runtime],
        ended: Callable[[str], None],
        adopted: Collection[str],
        outputs: Outputs | None = None,
    ) -> None:
        """`ended` is told the instance; `adopted` were begun by an earlier life.

        `outputs` keeps what containers wrote; None: in memory.
        """
        self.outputs = outputs or MemoryOutputs()
        self.outcomes: dict[str, Outcome] = {}
        self.settled_at_s: dict[str, float] = {}
        self._busy: dict[str, Pending] = {}
        self._sent = set(adopted)
        self._clock = clock
        self._runtimes = runtimes
        self._ended = ended

    @property
    def busy(self) -> frozenset[str]:
        return frozenset(self._busy)

    def begin(self, group: asyncio.TaskGroup, action: Work) -> None:
        """Perform the action in `group`, unless its key is busy."""
        if action.key not in self._busy and action.instance in self._runtimes:
            self._busy[action.key] = Pending(action.instance)
            group.create_task(self._perform(action), name=action.key)

    def give_up(self, instances: Collection[str]) -> None:
        """Wait no longer for what was begun on these hosts: they are lost.

        Whether it has happened will be seen when they are back.
        """
        now_s = asyncio.get_running_loop().time()
        for pending in self._busy.values():
            if pending.instance in instances and pending.patience is not None:
                pending.patience.reschedule(now_s)
                pending.patience = None

    def keep(self, keys: Collection[str]) -> None:
        """Forget what is known of all other keys."""
        needed = self._busy.keys() | set(keys)
        self.outputs.keep_only(needed)
        told = self.outcomes.keys() | self.settled_at_s.keys()
        known = told | self._sent
        for key in known - needed:
            self.outcomes.pop(key, None)
            self.settled_at_s.pop(key, None)
            self._sent.discard(key)

    async def _perform(self, action: Work) -> None:
        runtime = self._runtimes[action.instance]
        done = Done()
        try:
            await self._do(runtime, action, done)
        except ContainerError as failed:
            done.error = failed
            self._report(action.key, failed)
        self.outcomes[action.key] = Outcome(
            action=action,
            at_unix_s=self._clock.unix_s(),
            error=done.error,
            nothing_sent=done.error is not None and action.key not in self._sent,
            killed=tuple(done.killed),
            failed=done.failed,
            exit_codes=tuple(done.exit_codes.items()),
            pulled_unix_s=done.pulled,
            resolved=done.resolved,
        )
        self.settled_at_s[action.key] = self._clock.now_s()
        del self._busy[action.key]
        self._ended(action.instance)

    async def _do(self, runtime: Runtime, action: Work, done: Done) -> None:
        try:
            async with asyncio.timeout(None) as patience:
                self._busy[action.key].patience = patience
                match action:
                    case Start():
                        await self._start(runtime, action, done)
                    case Restart():
                        await self._restart(runtime, action)
                    case Stop():
                        await self._stop(runtime, action, done)
                    case Resolve():
                        done.resolved = await self._resolve(runtime, action)
        except TimeoutError:
            what = type(action).__name__.lower()
            raise OutcomeUnknown(action.instance, what, "its host was lost") from None

    def _report(self, key: str, error: ContainerError) -> None:
        """Log an error when it is new: a host that is away is tried for hours."""
        before = self.outcomes.get(key)
        told = before is not None and str(before.error) == str(error)
        log.log(logging.DEBUG if told else logging.WARNING, "%s", error)

    async def _start(self, runtime: Runtime, action: Start, done: Done) -> None:
        try:
            async with asyncio.timeout(START_DEADLINE_S):
                for spec in action.specs:
                    done.failed = spec.definition.name
                    done.pull(await self._start_one(runtime, spec))
                done.failed = ""
        except TimeoutError:
            detail = f"no answer within {START_DEADLINE_S:g} s"
            raise OutcomeUnknown(action.instance, "start", detail) from None

    async def _start_one(self, runtime: Runtime, spec: ContainerSpec) -> Pulled:
        sent_before = spec.task_id in self._sent
        self._sent.add(spec.task_id)
        try:
            return await runtime.start(spec)
        except HostNotReached:
            if not sent_before:
                self._sent.discard(spec.task_id)
            raise

    async def _resolve(
        self, runtime: Runtime, action: Resolve
    ) -> tuple[tuple[str, str], ...]:
        try:
            async with asyncio.timeout(START_DEADLINE_S):
                return tuple(
                    [
                        (each.image, await runtime.resolve(each))
                        for each in action.containers
                    ]
                )
        except TimeoutError:
            detail = f"no answer within {START_DEADLINE_S:g} s"
            raise OutcomeUnknown(action.instance, "resolve", detail) from None

    async def _restart(self, runtime: Runtime, action: Restart) -> None:
        try:
            async with asyncio.timeout(STOP_DEADLINE_S):
                await runtime.restart(action.spec)
        except TimeoutError:
            detail = f"no answer within {STOP_DEADLINE_S:g} s"
            raise OutcomeUnknown(action.instance, "restart", detail) from None

    async def _stop(self, runtime: Runtime, action: Stop, done: Done) -> None:
        """Stop wave by wave, then remove all: what they shared goes last.

        What could not be stopped keeps those that it needs from being stopped.
        """
        for wave in action.waves:
            async with asyncio.TaskGroup() as group:
                for name, timeout_s in wave:
                    group.create_task(
                        self._stop_one(runtime, action, name, timeout_s, done)
                    )
            if done.error is not None:
                raise done.error
        for wave in action.waves:
            for name, _ in wave:
                await self._within(
                    self._take_away(runtime, action.key, name), action.instance
                )
        if action.volumes_of is not None:
            volumes = runtime.remove_volumes(action.volumes_of)
            await self._within(volumes, action.instance)

    async def _stop_one(
        self,
        runtime: Runtime,
        action: Stop,
        name: ContainerName,
        timeout_s: float,
        done: Done,
    ) -> None:
        stopped = runtime.stop(name, timeout_s)
        try:
            outcome = await self._within(stopped, action.instance, timeout_s)
        except ContainerError as failed:  # the others of its wave go on
            done.error = failed
            return
        done.exit_codes[name] = outcome.exit_code
        if outcome.killed:
            done.killed.append(name)

    async def _take_away(self, runtime: Runtime, key: str, name: ContainerName) -> None:
        await self._keep_output(runtime, key, name)
        await runtime.remove(name)

    async def _within(
        self, work: Awaitable[T], instance: str, timeout_s: float = 0.0
    ) -> T:
        deadline_s = timeout_s + STOP_DEADLINE_S
        try:
            async with asyncio.timeout(deadline_s):
                return await work
        except TimeoutError:
            detail = f"no answer within {deadline_s:g} s"
            raise OutcomeUnknown(instance, "stop", detail) from None

    async def _keep_output(
        self, runtime: Runtime, key: str, name: ContainerName
    ) -> None:
        """Keep a container's last lines: its removal takes its logs with it."""
        kept = bytearray()
        with suppress(ContainerError, TimeoutError):
            async with asyncio.timeout(LAST_DEADLINE_S):
                async for chunk in runtime.logs(name, follow=False, tail=LAST_LINES):
                    kept += chunk
                    if len(kept) > 2 * LAST_BYTES:
                        del kept[:-LAST_BYTES]
        if kept:
            await self.outputs.keep(key, name, bytes(kept[-LAST_BYTES:]))
