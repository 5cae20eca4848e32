"""One running cluster as people command it: what the control API stands on.

    submission -> load -> merge with what is live -> check -> commit -> configure

Everything that can be refused is refused before the commit; what was committed
is configured again by the next control, should this one end in between.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from alb.model import LoadBalancer
from controlplane import explain, logs
from controlplane.alarm_commands import AlarmCommands
from controlplane.api.ports import (
    Document,
    LogsAsked,
    ProtectionChange,
    Question,
    Submission,
)
from controlplane.cluster_file import ClusterFile
from controlplane.cluster_file.ownership import Change, Merged, live_of, merge
from controlplane.deployment_commands import DeploymentCommands, active_service
from controlplane.errors import (
    GoingDown,
    InvalidParameter,
    ListenerNotBound,
    NotApplied,
    VersionPassed,
)
from controlplane.events import EventLog
from controlplane.front_door import (
    local_gateways,
    require_free,
    url_of,
)
from controlplane.instance_commands import InstanceCommands
from controlplane.known import known_of
from controlplane.metrics import render
from controlplane.parts import Parts
from controlplane.portrait import InForce, picture, state_document
from controlplane.records import APPLIED, DEFAULT_INSTANCE, WEIGHTS, Applied
from controlplane.runtimes import (
    InstanceMoved,
    choose_default,
    engine_endpoint,
    require_commands,
)
from controlplane.scaling_commands import ScalingCommands
from controlplane.shares import require_nobodys
from controlplane.submissions import (
    directory_of,
    load_balancer_of,
    load_submission,
    planned,
    warnings_of,
)
from controlplane.task_commands import TaskCommands
from controlplane.views import protection_document
from controlplane.weights import (
    LiveWeights,
    WeightChange,
    difference,
    reweighted,
    shown,
    weighted_at,
    with_weights,
)
from foundation.journal import Change as JournalChange
from foundation.journal import CommitFailed, Put
from scheduler.decide.protection import MINUTE_S
from scheduler.instance import ContainerInstanceStatus
from scheduler.model import ContainerInstance, RuntimeKind, ServiceStatus
from scheduler.ports import Runtime

LATE_S: Final = 1.0
"""How often it is asked whether an engine answers that did not before."""
KEY: Final = "file"
INSTANCE_KEY: Final = "instance"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A submission that would be accepted, and what it changes."""

    applied: Applied
    desired: ClusterFile
    plan: Sequence[Change]


class Cluster:
    """Implements `api.ports.Cluster` over the parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        records = parts.store.records
        applied = records.get(APPLIED, {}).get(KEY)
        default = records.get(DEFAULT_INSTANCE, {}).get(INSTANCE_KEY)
        assert applied is None or isinstance(applied, Applied)
        assert default is None or isinstance(default, ContainerInstance)
        weights = records.get(WEIGHTS, {}).get(KEY, LiveWeights())
        assert isinstance(weights, LiveWeights)
        self._weights = weights
        self._applied = applied
        self._default = default
        self._instances: tuple[ContainerInstance, ...] = ()
        self._reached: frozenset[str] = frozenset()
        self._changing = asyncio.Lock()
        self.configured = asyncio.Event()
        """Set once a file is in force."""
        self.going_down = asyncio.Event()
        uid, runtimes = parts.store.cluster_uid, parts.runtimes
        self.events: EventLog = parts.events
        self.tasks = TaskCommands(parts.scheduler, self._in_force, runtimes, uid)
        self.deployments = DeploymentCommands(parts.scheduler, self._in_force)
        self.instances = InstanceCommands(
            parts.scheduler, self._in_force, lambda: self._instances
        )
        self.scaling = ScalingCommands(parts.scaler, self._in_force)
        self.alarms = AlarmCommands(parts.scaler)

    # --- commands -----------------------------------------------------------------

    async def resume(self) -> None:
        """Put the last applied file in force again, live values kept."""
        if self._applied is None:
            return
        async with self._changing:
            merged = self._merge(self._applied.content)
            await self._configure(self._applied, merged.result)
            if not self._applied.settled:
                await self._settle(self._applied, merged.result)

    async def listen_for_late_engines(self) -> None:
        """Open the listeners where engines that answer only now reach us. A loop."""
        while True:
            await asyncio.sleep(LATE_S)
            async with self._changing:
                applied, answering = self._applied, self._engines()
                if applied and applied.settled and answering != self._reached:
                    with suppress(CommitFailed):
                        await self._listen_where_reachable(applied, answering)
                        self._reached = answering

    async def _listen_where_reachable(
        self, applied: Applied, engines: Iterable[str]
    ) -> None:
        gateways = tuple(sorted({*applied.gateways, *local_gateways(engines)}))
        if gateways == applied.gateways:
            return
        desired = self._merge(applied.content).result
        wanted = load_balancer_of(desired, gateways, applied.directory)
        try:
            self._require_free(wanted)
        except ListenerNotBound as taken:
            self._parts.feed.tell("cluster", f"not opened for its tasks: {taken}")
            return
        await self._commit_applied(replace(applied, gateways=gateways))
        await self._parts.certificates.follow(wanted)
        self._parts.front.configure(wanted)

    def _engines(self) -> frozenset[str]:
        """Return the addresses of the engines that answer."""
        docker = {
            one.name for one in self._instances if one.runtime is RuntimeKind.DOCKER
        }
        seen = self._parts.scheduler.instances()
        return frozenset(
            status.address
            for name, status in seen.items()
            if name in docker and status.connected
        )

    async def validate(self, submission: Submission) -> Document:
        content = await load_submission(submission)
        return {"warnings": warnings_of(submission.file, content)}

    async def plan(self, submission: Submission) -> Document:
        async with self._changing:
            prepared = await self._prepare(submission)
        return planned(submission, prepared.applied.content, prepared.plan)

    async def apply(self, submission: Submission) -> Document:
        if self.going_down.is_set():
            raise GoingDown
        async with self._changing:
            prepared = await self._prepare(submission)
            async with self._opened(prepared.applied) as instances:
                applied = await self._complete(prepared, instances)
                await self._commit_applied(applied)
            await self._configure(applied, prepared.desired)
            await self._settle(applied, prepared.desired)
        self._parts.feed.tell("cluster", f"{submission.file} was applied")
        return planned(submission, prepared.applied.content, prepared.plan)

    async def scale(self, service: str, desired: int) -> None:
        self._require(service)
        scheduler = self._parts.scheduler
        if not await scheduler.set_desired(service, desired, None, "", "as commanded"):
            message = f"{service} is a DAEMON: one task on each instance"
            raise InvalidParameter("desiredCount", message)

    async def weigh(self, change: WeightChange) -> Document:
        """Change weights while they run; a file that changes them later wins."""
        if self.going_down.is_set():
            raise GoingDown
        async with self._changing:
            applied, before = self._applied, self._weights
            if applied is None or not applied.settled:
                raise NotApplied
            if change.if_version not in (None, before.version):
                raise VersionPassed(change.if_version or 0, before.version)
            desired = self._merge(applied.content).result
            balancer = desired.load_balancer or LoadBalancer(desired.cluster)
            found = weighted_at(balancer, change.listener, change.rule)
            require_nobodys(desired.services, found.place, change.weights)
            wanted = reweighted(found, change.weights)
            if wanted != found.weights:
                balancer = with_weights(balancer, {found.place: wanted})
                await self._commit_weights(applied.content, balancer)
                desired = replace(desired, load_balancer=balancer)
                wanted_now = load_balancer_of(
                    desired, applied.gateways, applied.directory
                )
                self._parts.front.configure(wanted_now)
                told = f"{found.shown}: weights {shown(wanted)}, "
                told += f"were {shown(found.weights)}, as commanded"
                self._parts.feed.tell("cluster", told)
            version = self._weights.version
        place = {"listener": change.listener, "rule": change.rule}
        return {**place, "weights": wanted, "version": version}

    async def protect(self, change: ProtectionChange) -> Document:
        minutes, until = change.expires_in_minutes, None
        if minutes is not None:
            until = self._parts.clock.unix_s() + minutes * MINUTE_S
        update = self._parts.scheduler.update_task_protection
        return protection_document(await update(change.tasks, until))

    def down(self) -> None:
        self._parts.feed.tell("cluster", "going down")
        self.going_down.set()

    async def stop_services(self) -> None:
        """Drain and stop everything, and want nothing any more."""
        async with self._changing:
            self._parts.scaler.configure(())
            await self._parts.scheduler.configure(self._instances, ())
            await self._parts.scheduler.shut_down()

    def _require(self, service: str) -> None:
        active_service(self._parts.scheduler, service)

    def _in_force(self) -> ClusterFile | None:
        """Return the file that runs: the applied one once it is configured."""
        applied = self._applied
        if applied is None:
            return None
        return applied.content if applied.settled else applied.previous

    def _merge(self, content: ClusterFile) -> Merged:
        """Merge with what commands and the autoscaler made of what runs."""
        last = self._in_force()
        counts = {
            name: view.desired
            for name, view in self._parts.scheduler.observe_services().items()
            if view.status is ServiceStatus.ACTIVE
        }
        parts = self._parts
        statuses = self._statuses()
        weights, enabled = self._weights.by_place, parts.scaler.actions_enabled()
        live = last and live_of(last, counts, weights, enabled, statuses)
        return merge(last, content, live)

    def _statuses(self) -> dict[str, ContainerInstanceStatus]:
        records = self._parts.scheduler.instance_records()
        return {name: record.status for name, record in records.items()}

    async def _prepare(self, submission: Submission) -> Prepared:
        content = await load_submission(submission)
        merged = self._merge(content)
        applied = Applied(
            submission.file,
            submission.directory or directory_of(submission.file),
            submission.text,
            content,
            submission.variables,
            previous=self._in_force(),
        )
        return Prepared(applied, merged.result, merged.changes)

    @asynccontextmanager
    async def _opened(
        self, applied: Applied
    ) -> AsyncGenerator[tuple[ContainerInstance, ...]]:
        """Have a runtime for each of the file's instances; as before if it fails."""
        runtimes, scheduler = self._parts.runtimes, self._parts.scheduler
        instances = await self._instances_of(applied.content)
        if occupied := await scheduler.set_aside(runtimes.moved(instances)):
            raise InstanceMoved(occupied)
        opened = runtimes.open(instances, Path(applied.directory))
        try:
            yield instances
        except BaseException:
            await self._close(runtimes.take_back(opened))
            await scheduler.set_aside(())
            raise

    async def _close(self, unused: Iterable[Runtime]) -> None:
        await self._parts.scheduler.watch_no_others()
        for runtime in unused:
            await runtime.close()

    async def _complete(
        self, prepared: Prepared, instances: Sequence[ContainerInstance]
    ) -> Applied:
        """Find out what the file leaves open, and refuse what cannot be."""
        applied = prepared.applied
        gateways = await self._gateways(instances)
        wanted = load_balancer_of(prepared.desired, gateways, applied.directory)
        self._require_free(wanted)
        return replace(applied, gateways=gateways)

    async def _instances_of(
        self, content: ClusterFile
    ) -> tuple[ContainerInstance, ...]:
        if content.instances or not content.services:
            return content.instances
        if self._default is None:
            endpoint = engine_endpoint(os.environ, Path.home())
            chosen, why = await choose_default(
                endpoint, content.services, self._parts.clock
            )
            await self._parts.store.commit(
                [Put(DEFAULT_INSTANCE, INSTANCE_KEY, chosen)]
            )
            self._default = chosen
            self._parts.feed.tell(chosen.name, why)
        elif self._default.runtime is RuntimeKind.PROCESS:
            require_commands(content.services)
        status = self._statuses().get(self._default.name, self._default.status)
        return (replace(self._default, status=status),)

    async def _gateways(
        self, instances: Sequence[ContainerInstance]
    ) -> tuple[str, ...]:
        engines = [one for one in instances if one.runtime is RuntimeKind.DOCKER]
        async with asyncio.TaskGroup() as group:
            address_of = self._parts.runtimes.address_of
            asked = [group.create_task(address_of(one.name)) for one in engines]
        return local_gateways(one.result() for one in asked)

    def _require_free(self, wanted: LoadBalancer) -> None:
        require_free(wanted, self._parts.balancer.bound(), self._parts.front.runs)

    async def _commit_applied(self, applied: Applied) -> None:
        change: JournalChange = Put(APPLIED, KEY, applied)
        await self._parts.store.commit([change])
        self._applied = applied

    async def _commit_weights(
        self, content: ClusterFile, runs: LoadBalancer | None, *more: JournalChange
    ) -> None:
        """Commit how what runs differs from the file."""
        by_place = difference(content.load_balancer, runs)
        weights = LiveWeights(self._weights.version + 1, by_place)
        await self._parts.store.commit([*more, Put(WEIGHTS, KEY, weights)])
        self._weights = weights

    async def _settle(self, applied: Applied, desired: ClusterFile) -> None:
        """Every part was told: from now on live values differ from this file."""
        settled = replace(applied, settled=True)
        change: JournalChange = Put(APPLIED, KEY, settled)
        await self._commit_weights(applied.content, desired.load_balancer, change)
        self._applied = settled

    async def _configure(self, applied: Applied, desired: ClusterFile) -> None:
        instances = await self._instances_of(desired)
        self._parts.runtimes.open(instances, Path(applied.directory))
        self._parts.hooks.directory = Path(applied.directory)
        wanted = load_balancer_of(desired, applied.gateways, applied.directory)
        await self._parts.certificates.follow(wanted)
        self._parts.front.configure(wanted)
        await self._parts.scheduler.configure(
            instances,
            desired.services,
            url_of(wanted.listeners),
            desired.host_lost_after_s,
        )
        self._parts.courier.directory = Path(applied.directory)
        self._parts.scaler.configure(
            desired.scalable_targets, desired.alarms, desired.composite_alarms
        )
        self._parts.sources.configure(desired.sources)
        self._parts.ecs.cluster = desired.cluster
        self._parts.elb.configure(wanted, instances, desired.services)
        self._instances = instances
        self.configured.set()
        await self._close(self._parts.runtimes.settle())

    # --- what is so -----------------------------------------------------------------

    def ready(self) -> tuple[bool, str]:
        if not self.configured.is_set():
            return False, str(NotApplied())
        if self._parts.store.failure:
            return False, f"the last commit failed: {self._parts.store.failure}"
        return self._parts.balancer.ready()

    def state(self) -> Document:
        return state_document(self._parts, self._in_view())

    def _in_view(self) -> InForce:
        return InForce(
            self._applied, self._instances, self._parts.front.runs, *self.ready()
        )

    async def metrics(self) -> bytes:
        return await asyncio.to_thread(render, picture(self._parts, self._in_view()))

    def logs(self, asked: LogsAsked) -> AsyncGenerator[bytes, None]:
        return logs.of(self._parts, asked)

    def explain(self, question: Question) -> Document:
        parts = self._parts
        known = known_of(parts.balancer, parts.state_dir, parts.clock.unix_s())
        return explain.explain(parts.front.runs, known, question)
