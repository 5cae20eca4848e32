"""The scheduler: looks, writes down, acts; until cancelled. Floor 4.

    watches, workers, load balancer --> step --> journal --> workers, load balancer
         ^                                                        |
         +---------------- wake: something has changed -----------+

The thin shell around `step`. It awaits no action: workers perform them, one
per task. A decision that was not written down is not acted on. When it is
cancelled, tasks go on running and serving; the next life finds them in the
records and on their hosts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from foundation.clock import Clock
from foundation.journal import Change, CommitFailed, Journal
from scheduler.app import wishing
from scheduler.app.front import Front
from scheduler.app.hook_calls import HookCalls, NoHooks
from scheduler.app.look import Look, Observed, Step, verdicts
from scheduler.app.one_off import Ran, run_tasks
from scheduler.app.step import step
from scheduler.app.views import (
    counted,
    is_empty,
    keys_of,
    lost_and_away,
    task_uses,
    view_service,
)
from scheduler.app.watch import UNSEEN
from scheduler.app.watches import Watches
from scheduler.app.workers import Workers
from scheduler.configuration import TimeoutAction
from scheduler.decide import wishes
from scheduler.decide.actions import Action, CallHook, Resolve, Restart, Start, Stop
from scheduler.decide.identity import Draw, new_deployment_id
from scheduler.decide.overrides import RunTask
from scheduler.decide.protection import NotProtected, Protected
from scheduler.decide.specs import Surroundings
from scheduler.instance import (
    LOST_AFTER_S,
    ContainerInstanceStatus,
    InstanceRecord,
)
from scheduler.model import (
    ContainerInstance,
    InstanceStatus,
    Service,
    ServiceEvent,
    Task,
    TaskDefinition,
    TaskStatus,
)
from scheduler.ports import Hooks, LoadBalancer, Outputs, Runtime
from scheduler.state.records import Draft, Records
from scheduler.told import ServiceView, TaskUse

PERIOD_S: Final = 1.0
"""The safety net: a look happens this often even when nothing woke it."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class Scheduler:
    """Keeps services as they are wished. Complete after construction."""

    def __init__(  # noqa: PLR0913 - one argument for each thing it stands on
        self,
        *,
        clock: Clock,
        cluster_uid: str,
        journal: Journal,
        balancer: LoadBalancer,
        runtimes: Mapping[str, Runtime],
        records: Mapping[str, Mapping[str, object]],
        draw: Draw,
        front_door: str,
        in_alarm: Callable[[], Collection[str]] = frozenset,
        hooks: Hooks | None = None,
        version: str = "",
        outputs: Outputs | None = None,
    ) -> None:
        """`records` is what the journal holds; `runtimes` go by instance name.

        `in_alarm` returns the names of the alarms that are in ALARM; `outputs` keeps
        what containers wrote, None: in memory.
        """
        self._in_alarm = in_alarm
        self._clock = clock
        self._around = Surroundings(cluster_uid, front_door, version)
        self._journal = journal
        self._balancer = balancer
        self._runtimes = runtimes
        self._records = Records.read(records)
        self._draw = draw
        self._instances: dict[str, ContainerInstance] | None = None
        self._retired: dict[str, ContainerInstance] = {}
        self._aside: frozenset[str] = frozenset()
        self._lost_after_s = LOST_AFTER_S
        self._watches = Watches(clock, runtimes, self.wake)
        begun = set(self._records.tasks)
        self._workers = Workers(clock, runtimes, self._ended, begun, outputs)
        self._deciding = asyncio.Lock()
        self._woken = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self._front = Front(balancer)
        self._hooks = HookCalls(hooks or NoHooks(), self.wake)
        self._adopted = False
        self._closing = False
        self._closed = asyncio.Event()

    # --- wishes -------------------------------------------------------------------

    async def configure(
        self,
        instances: Sequence[ContainerInstance],
        services: Sequence[Service],
        front_door: str | None = None,
        lost_after_s: float = LOST_AFTER_S,
    ) -> None:
        """Make these the cluster's instances and services. Raises CommitFailed.

        A changed task definition becomes the next revision and a deployment; a
        service that is not among them drains and stops. Tasks that start from
        now on are told of `front_door`; None leaves it as it is.
        """
        async with self._deciding:
            draft, now = self._records.draft(), self._clock.unix_s()
            wishing.wish_all(draft, services, self._draw, now)
            named = {instance.name: instance for instance in instances}
            wishing.register(draft, named, now)
            await self._commit(draft.changes())
            self._retired = {**self._retired, **(self._instances or {})}
            self._instances, self._lost_after_s = named, lost_after_s
            self._aside = frozenset()
            if front_door is not None:
                self._around = replace(self._around, front_door=front_door)
        self.wake()

    async def set_aside(self, instances: Collection[str]) -> tuple[str, ...]:
        """Place nothing on instances that are about to be other hosts.

        Until the next `configure` or `set_aside`. Returns those where something runs,
        and then sets none aside.
        """
        async with self._deciding:
            occupied = tuple(sorted(filter(self._has_tasks, instances)))
            self._aside = frozenset(() if occupied else instances)
        return occupied

    def _has_tasks(self, instance: str) -> bool:
        """Tell whether anything would be left behind; on a lost host nothing is."""
        status = self._watches.statuses().get(instance)
        seen = bool(status and status.connected and status.containers)
        record = self._records.instances.get(instance)
        lost = record is None or record.lost_at_unix_s is not None
        return seen or any(
            task.status is not TaskStatus.STOPPED and (task.is_live or not lost)
            for task in self._records.tasks_on(instance)
        )

    async def set_desired(
        self,
        service: str,
        desired: int,
        if_version: int | None,
        activity_id: str,
        reason: str,
    ) -> bool:
        """Set the desired count. Raises CommitFailed.

        False when there is no such service or `if_version` is not its version;
        an `activity_id` that took effect before is True and changes nothing.
        """

        def decide(draft: Draft, now: float) -> bool:
            before = draft.after.services.get(service)
            if before is None:
                return False
            after = wishes.wish_desired(before, desired, if_version, activity_id)
            if after is None:
                return False
            wishing.put_desired(draft, before, after, reason, now)
            return True

        return await self._change(decide)

    async def force_deployment(self, service: str) -> str:
        """Replace the service's tasks by new ones; return the deployment's id.

        Raises KeyError when there is no such service, and CommitFailed.
        """
        new_id = new_deployment_id(self._draw)
        return await self._change(
            lambda draft, now: wishing.force(draft, service, new_id, now)
        )

    async def roll_back(self, service: str) -> str:
        """Make the deployment that was completed before PRIMARY again; return its id.

        Raises KeyError, NothingToRollBackTo, and CommitFailed.
        """
        return await self._change(
            lambda draft, now: wishing.roll_back(draft, service, now)
        )

    async def stop_deployment(self, service: str) -> str:
        """Give up the deployment under way, without a roll-back; return its id.

        Raises KeyError, NothingUnderWay, and CommitFailed.
        """
        return await self._change(lambda draft, now: wishing.abort(draft, service, now))

    async def continue_deployment(
        self, service: str, action: TimeoutAction, hook_id: str
    ) -> str:
        """Say how a deployment goes on that a PAUSE holds; return its id.

        An empty `hook_id` is every PAUSE. Raises KeyError, NothingWaits, CommitFailed.
        """
        return await self._change(
            lambda draft, _: wishing.go_on(draft, service, action, hook_id)
        )

    async def run_task(self, wanted: RunTask) -> Ran:
        """Start tasks of no service, as many as find a place. Raises CommitFailed."""

        def decide(draft: Draft, now: float) -> Ran:
            look = Look(now, self._observe(), self._around, self._draw, draft)
            return run_tasks(look, wanted)

        return await self._change(decide)

    async def stop_task(self, task_id: str, reason: str) -> Task:
        """Stop a task, whoever wants it. Raises KeyError, and CommitFailed."""
        return await self._change(
            lambda draft, now: wishing.stop(
                draft, draft.after.tasks[task_id], reason, now
            )
        )

    async def _change(self, decide: Callable[[Draft, float], T]) -> T:
        """Decide about a draft, write it down, and have it looked at."""
        async with self._deciding:
            draft = self._records.draft()
            decided = decide(draft, self._clock.unix_s())
            await self._commit(draft.changes())
        self.wake()
        return decided

    def definitions(self) -> Sequence[TaskDefinition]:
        """Return all revisions."""
        return tuple(self._records.definitions.values())

    async def update_task_protection(
        self, names: Sequence[str], until_unix_s: float | None
    ) -> Sequence[Protected | NotProtected]:
        """Protect tasks from scale-in, or (None) do not any more. Raises CommitFailed.

        Names are task ids, or the beginnings of ids.
        """
        return await self._change(
            lambda draft, now: wishing.protect_all(draft, names, until_unix_s, now)
        )

    async def update_instances_state(
        self, names: Sequence[str], status: ContainerInstanceStatus
    ) -> Sequence[str]:
        """Have instances take tasks or drain. Raises CommitFailed.

        Return the names of which there is no instance; the others change.
        """
        return await self._change(
            lambda draft, _: wishing.set_status(draft, names, status)
        )

    # --- told ---------------------------------------------------------------------

    def observe_services(self) -> Mapping[str, ServiceView]:
        """Return every service as it stands, by name."""
        observed, now = self._observe(), self._clock.unix_s()
        # After a restart nobody is to read that what serves is not healthy.
        targets = {**observed.targets, **self._balancer.inherited()}
        observed = replace(observed, targets=targets)
        known = verdicts(observed, self._around.cluster_uid)
        return {
            name: view_service(record, self._records, known, now)
            for name, record in self._records.services.items()
        }

    def tasks(self) -> Sequence[Task]:
        """Return all tasks, the oldest first; those that stopped lately, too."""
        tasks = self._records.tasks.values()
        return sorted(tasks, key=lambda task: task.created_at_unix_s)

    def instances(self) -> Mapping[str, InstanceStatus]:
        """Return every configured instance as last seen."""
        statuses = self._statuses()
        return {name: statuses.get(name, UNSEEN) for name in self._instances or {}}

    def instance_records(self) -> Mapping[str, InstanceRecord]:
        """Return what is kept of every instance, by name."""
        return self._records.instances

    def adopted(self) -> bool:
        """Tell whether what an earlier life left is taken over.

        Every instance was asked once, and a look after that has registered the
        targets of all tasks that serve.
        """
        return self._adopted

    def events(self) -> Sequence[ServiceEvent]:
        """Return the events of all services, newest last."""
        return sorted(self._records.events.values(), key=lambda event: event.unix_s)

    def task_uses(self) -> Sequence[TaskUse]:
        """Return what each running task of a service used over the last second."""
        uid = self._around.cluster_uid
        watches = self._watches.by_instance
        return task_uses(self._records.tasks.values(), watches, uid)

    @property
    def outputs(self) -> Outputs:
        """What containers that were removed wrote, of tasks that are still told."""
        return self._workers.outputs

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back, at once and briefly, whenever the records have changed."""
        self._listeners.append(callback)

    # --- the loop -----------------------------------------------------------------

    def wake(self) -> None:
        """Look again now: something outside has changed, such as target health."""
        self._woken.set()

    async def run(self) -> None:
        """Look, write down, begin, wait; until cancelled. Leaves tasks running."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._watches.begin(group)
                self._woken.clear()
                async with self._deciding:
                    decided = await self._look()
                for action in decided.actions:
                    self._begin(group, action)
                self._adopted = self._adopted or decided.complete
                await self._rest(decided)

    async def shut_down(self) -> None:
        """Stop everything, while `run` goes on: deregister, drain, stop, remove.

        Returns when no container is left on any instance that is connected.
        """
        self._closing = True
        self.wake()
        await self._closed.wait()

    async def watch_no_others(self) -> None:
        """Return when runtimes that are no instance's any more may be closed."""
        await self._watches.left()

    async def _look(self) -> Step:
        """Take one step and write it down; without that nothing is to be done."""
        if self._instances is None:
            return Step()
        observed, now = self._observe(), self._clock.unix_s()
        decided = step(now, observed, self._records, self._around, self._draw)
        try:
            await self._commit(decided.commits)
        except CommitFailed as failed:
            log.warning("nothing is done while nothing can be written: %s", failed)
            return Step()
        self._workers.keep(keys_of(observed, self._records))
        self._hooks.keep(self._records.deployments)
        self._workers.give_up(lost_and_away(observed, self._records))
        if self._closing and not decided.commits and is_empty(observed, self._records):
            self._closed.set()
        return decided

    def _begin(self, group: asyncio.TaskGroup, action: Action) -> None:
        match action:
            case Start() | Restart() | Stop() | Resolve():
                self._workers.begin(group, action)
            case CallHook():
                self._hooks.begin(group, action)
            case _:
                self._front.perform(action)

    async def _rest(self, decided: Step) -> None:
        """Wait until something wakes us: at once when something was decided."""
        pause_s = PERIOD_S
        if decided.next_wake_unix_s is not None:
            until_s = decided.next_wake_unix_s - self._clock.unix_s()
            pause_s = min(PERIOD_S, max(0.0, until_s))
        if decided.commits:
            pause_s = 0.0
        try:
            async with asyncio.timeout(pause_s):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _commit(self, changes: Sequence[Change]) -> None:
        """Write down, then hold it true. The journal has its own deadline."""
        if not changes:
            return
        await self._journal.commit(changes)
        self._records.apply(changes)
        for listener in self._listeners:
            listener()

    def _observe(self) -> Observed:
        configured = self._instances or {}
        return Observed(
            instances={**self._retired, **configured},
            retired=frozenset(self._retired.keys() - configured.keys()) | self._aside,
            statuses=self._statuses(),
            targets=self._balancer.observe(),
            weights=self._balancer.observe_weights(),
            hook_answers=self._hooks.answers,
            hooks_busy=self._hooks.busy,
            outcomes=self._workers.outcomes,
            busy=self._workers.busy,
            settled_at_s=self._workers.settled_at_s,
            closing=self._closing,
            listed=self._adopted or self._watches.listed(configured),
            in_alarm=frozenset(self._in_alarm()),
            lost_after_s=self._lost_after_s,
        )

    def _statuses(self) -> dict[str, InstanceStatus]:
        return counted(self._watches.statuses(), self._instances or {})

    def _ended(self, instance: str) -> None:
        """A worker has ended: see what it did, and go on from there."""
        self._watches.look_now(instance)
        self.wake()
