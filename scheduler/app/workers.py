"""Performs what takes time: one worker per task, so that nobody waits for a host.

Floor 4. A look begins an action and goes on; the worker's outcome is an
observation of a later look. Actions of one task never overlap.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

from foundation.clock import Clock
from scheduler.decide.actions import Outcome, Start, Stop
from scheduler.errors import ContainerError, HostNotReached, OutcomeUnknown
from scheduler.model import ContainerName
from scheduler.ports import ContainerSpec, Runtime

START_DEADLINE_S = 600.0
"""For all containers of a task, a slow pull included."""
STOP_DEADLINE_S = 30.0
"""Beyond a container's own stop timeout."""

LAST_LINES = 50
LAST_BYTES = 16 << 10
"""What is kept of the output of a container that is removed."""
LAST_DEADLINE_S = 2.0
"""How long a removal waits for it: it is worth a look, not a stuck stop."""

log = logging.getLogger(__name__)


class Workers:
    """What is being done, and how what was done ended."""

    def __init__(
        self,
        clock: Clock,
        runtimes: Mapping[str, Runtime],
        ended: Callable[[str], None],
        adopted: Collection[str],
    ) -> None:
        """`ended` is told the instance; `adopted` were begun by an earlier life."""
        self.outcomes: dict[str, Outcome] = {}
        self.settled_at_s: dict[str, float] = {}
        self.outputs: dict[str, dict[ContainerName, bytes]] = {}
        """By key: the end of what its containers wrote before they were removed."""
        self._busy: set[str] = set()
        self._sent = set(adopted)
        self._clock = clock
        self._runtimes = runtimes
        self._ended = ended

    @property
    def busy(self) -> frozenset[str]:
        return frozenset(self._busy)

    def begin(self, group: asyncio.TaskGroup, action: Start | Stop) -> None:
        """Perform the action in `group`, unless its key is busy."""
        if action.key not in self._busy and action.instance in self._runtimes:
            self._busy.add(action.key)
            group.create_task(self._perform(action), name=action.key)

    def keep(self, keys: Collection[str]) -> None:
        """Forget what is known of all other keys."""
        told = self.outcomes.keys() | self.settled_at_s.keys() | self.outputs.keys()
        known = told | self._sent
        for key in known - set(keys) - self._busy:
            self.outcomes.pop(key, None)
            self.settled_at_s.pop(key, None)
            self.outputs.pop(key, None)
            self._sent.discard(key)

    async def _perform(self, action: Start | Stop) -> None:
        runtime = self._runtimes[action.instance]
        error: ContainerError | None = None
        killed: tuple[ContainerName, ...] = ()
        try:
            match action:
                case Start():
                    await self._start(runtime, action)
                case Stop():
                    killed = await self._stop(runtime, action)
        except ContainerError as failed:
            error = failed
            self._report(action.key, failed)
        self.outcomes[action.key] = Outcome(
            action=action,
            at_unix_s=self._clock.unix_s(),
            error=error,
            nothing_sent=error is not None and action.key not in self._sent,
            killed=killed,
        )
        self.settled_at_s[action.key] = self._clock.now_s()
        self._busy.discard(action.key)
        self._ended(action.instance)

    def _report(self, key: str, error: ContainerError) -> None:
        """Log an error when it is new: a host that is away is tried for hours."""
        before = self.outcomes.get(key)
        told = before is not None and str(before.error) == str(error)
        log.log(logging.DEBUG if told else logging.WARNING, "%s", error)

    async def _start(self, runtime: Runtime, action: Start) -> None:
        try:
            async with asyncio.timeout(START_DEADLINE_S):
                for spec in action.specs:
                    await self._start_one(runtime, spec)
        except TimeoutError:
            detail = f"no answer within {START_DEADLINE_S:g} s"
            raise OutcomeUnknown(action.instance, "start", detail) from None

    async def _start_one(self, runtime: Runtime, spec: ContainerSpec) -> None:
        sent_before = spec.task_id in self._sent
        self._sent.add(spec.task_id)
        try:
            await runtime.start(spec)
        except HostNotReached:
            if not sent_before:
                self._sent.discard(spec.task_id)
            raise

    async def _stop(self, runtime: Runtime, action: Stop) -> tuple[ContainerName, ...]:
        """Stop and remove, the last started first; return what had to be killed."""
        killed = []
        for name, timeout_s in reversed(action.containers):
            try:
                async with asyncio.timeout(timeout_s + STOP_DEADLINE_S):
                    outcome = await runtime.stop(name, timeout_s)
                    await self._keep_output(runtime, action.key, name)
                    await runtime.remove(name)
            except TimeoutError:
                detail = f"no answer within {timeout_s + STOP_DEADLINE_S:g} s"
                raise OutcomeUnknown(action.instance, "stop", detail) from None
            if outcome.killed:
                killed.append(name)
        return tuple(killed)

    async def _keep_output(
        self, runtime: Runtime, key: str, name: ContainerName
    ) -> None:
        """Remember a container's last lines: its removal takes its logs with it."""
        kept = b""
        with suppress(ContainerError, TimeoutError):
            async with asyncio.timeout(LAST_DEADLINE_S):
                async for chunk in runtime.logs(name, follow=False, tail=LAST_LINES):
                    kept = (kept + chunk)[-LAST_BYTES:]
        if kept:
            self.outputs.setdefault(key, {})[name] = kept
