"""Control's side of the load balancer: what is wanted, and what the node says. Floor 4.

    configure, register, deregister --> snapshot --> keeper --> workers
    observe, statistics, ready      <-- acknowledgements, health, counters

Calls return at once; `run` publishes what changed, at most 20 times a second,
and listens. A new control joins a node that serves: it adopts health and
workers, and with `hold` publishes nothing until it knows what runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from alb.decide.sections import parts
from alb.drivers.link import Link, section_of, told_in
from alb.model import (
    HealthReason,
    HealthState,
    Listener,
    LoadBalancer,
    Target,
    TargetHealth,
    TargetId,
    TargetObservation,
    Version,
)
from alb.ports import (
    Acknowledged,
    Bound,
    Content,
    Drained,
    FromWorker,
    HealthChange,
    Hello,
    ListenerCertificates,
    Manifest,
    Message,
    NodeLink,
    OnChange,
    Report,
    Section,
    Stop,
    Superseded,
    Telemetry,
    Welcome,
    WorkerExited,
    WorkerStarted,
    WorkerState,
)
from alb.state.fleet import Fleet
from alb.state.holdings import changed
from alb.state.registrations import Registrations

PUBLISH_EVERY_S: Final = 0.05
_INITIAL = TargetHealth()
_DRAINING = TargetHealth(
    HealthState.DRAINING,
    HealthReason.DEREGISTRATION_IN_PROGRESS,
    "Target deregistration is in progress",
)


class DecidesNoMore(Exception):
    """Another control with a higher epoch has taken this node over."""


@dataclass(frozen=True, slots=True)
class BalancerStatistics:
    """Everything that is counted, over all workers since the node started."""

    totals: Telemetry
    workers: tuple[WorkerState, ...]
    worker_exits: int
    health: Mapping[str, TargetHealth]
    bound: tuple[Bound, ...]
    version: Version
    check_lines_dropped: int = 0
    """Of the health check log, by the prober that runs."""


async def join(path: str, epoch: int) -> Balancer:
    """Greet the keeper at the Unix socket `path` and return a balancer for its node.

    Raises OSError or ConnectionError when no keeper answers, DecidesNoMore when
    a control of a higher epoch decides there.
    """
    link = await Link.to(path)
    link.send(Hello(epoch))
    answer = await link.receive()
    if not isinstance(answer, Welcome):
        link.close()
        raise DecidesNoMore
    return Balancer(link, answer, epoch)


class Balancer:
    """The load balancer as control sees it."""

    def __init__(self, link: NodeLink, welcome: Welcome, epoch: int) -> None:
        self._link = link
        self._epoch = epoch
        self._wanted = Registrations()
        self._fleet = Fleet(welcome.workers)
        self._health = dict(welcome.health.targets)
        self._bound = {(bound.address, bound.port): bound for bound in welcome.bound}
        self._known = set(welcome.manifest.digests)
        self._sections: dict[int, tuple[Content, Section]] = {}
        """By the identity of the content, which lives as long as it is here."""
        self._served = dict(welcome.certificates)
        """The digest of the certificates that each listener has."""
        self._to_certify: list[ListenerCertificates] = []
        self._version = Version(epoch, 0)
        self._published_changes = 0
        self._configured: Version | None = None
        """The first version with what was configured last; None: none has it yet."""
        self._appeared: dict[TargetId, Version] = {}
        self._removed: dict[TargetId, Version] = {}
        self._exits = 0
        self._check_lines_dropped = welcome.health.log_lines_dropped
        self._held = False
        self._dirty = asyncio.Event()
        self._callbacks: list[OnChange] = []

    # --- what is wanted -----------------------------------------------------------

    def configure(self, load_balancer: LoadBalancer) -> None:
        before = self._wanted.changes
        self._wanted.configure(load_balancer)
        if self._wanted.changes != before:
            self._configured = None
        self._dirty.set()

    def certify(self, served: ListenerCertificates) -> None:
        """Have a listener serve these; they go before the snapshot, never in it."""
        if self._served.get(served.listener) != served.digest:
            self._served[served.listener] = served.digest
            self._to_certify.append(served)
            self._dirty.set()

    def certified(self, listener: str) -> bool:
        """Whether the node has certificates for it, by whatever control."""
        return listener in self._served

    def register(self, target_id: TargetId, group: str, host: str, port: int) -> None:
        self._removed.pop(target_id, None)
        self._wanted.register(Target(target_id, host, port), group)
        self._dirty.set()

    def deregister(self, target_id: TargetId) -> None:
        self._wanted.deregister(target_id)
        self._dirty.set()

    def forget(self, target_id: TargetId) -> None:
        self._wanted.forget(target_id)
        self._fleet.forget(target_id)
        self._dirty.set()

    def hold(self) -> None:
        """Publish nothing until `release`: what runs is not known yet."""
        self._held = True

    def release(self) -> None:
        self._held = False
        self._dirty.set()

    def stop_node(self, within_s: float) -> None:
        """Drain the workers within that time, then end the whole node."""
        self._link.send(Stop(within_s))

    # --- what is so ---------------------------------------------------------------

    def observe(self) -> Mapping[TargetId, TargetObservation]:
        """Return every registration, fixed ones too. From memory, at once."""
        return {
            target_id: self._observe(target_id, group, target)
            for target_id, (group, target) in self._wanted.all().items()
        }

    def _observe(
        self, target_id: TargetId, group: str, target: Target
    ) -> TargetObservation:
        health = self._health.get(target_id, _INITIAL)
        if target.draining:
            health = _DRAINING
        appeared = self._appeared.get(target_id)
        removed = self._removed.get(target_id)
        gone = drained = False
        if removed is not None and self._fleet.none_serves_before(removed):
            gone = True
            drained = self._fleet.all_drained(target_id, removed)
        return TargetObservation(
            group,
            health,
            eligible_everywhere=health.state is HealthState.HEALTHY
            and appeared is not None
            and self._fleet.all_serve(appeared),
            removed_everywhere=gone,
            in_flight=self._fleet.in_flight(target_id),
            drained=drained,
            cut=self._fleet.cut(target_id),
            anomalous=self._fleet.is_anomalous(target_id),
            mitigated=self._fleet.is_mitigated(target_id),
            ramp=self._fleet.ramp(target_id),
            weight=self._fleet.weight(target_id),
        )

    def statistics(self) -> BalancerStatistics:
        return BalancerStatistics(
            self._fleet.totals(),
            self._fleet.states(),
            self._exits,
            self._health,
            tuple(self._bound.values()),
            self._version,
            self._check_lines_dropped,
        )

    def reports(self) -> Mapping[int, int]:
        """Return how many reports each worker made, by incarnation.

        A worker that did not report counted nothing that is known yet.
        """
        return self._fleet.reports()

    def ready(self) -> tuple[bool, str]:
        """Whether every worker serves the newest snapshot, and if not, why."""
        problems = [
            f"{bound.address}:{bound.port}: {bound.error}"
            for bound in self._bound.values()
            if bound.error
        ]
        problems += [
            f"{content.name} has no certificate"
            for content, _ in self._sections.values()
            if isinstance(content, Listener)
            and content.is_secure
            and content.name not in self._served
        ]
        if problems:
            return False, "; ".join(problems)
        if self._held:
            return False, "waiting for the container instances to be listed"
        if (
            self._wanted.changes != self._published_changes
            or not self._version.number
            or self._to_certify
        ):
            return False, "the newest configuration is not published yet"
        if not self._fleet.states():
            return False, "no worker runs"
        if not self._fleet.all_serve(self._version):
            return False, "not every worker serves the newest configuration yet"
        return True, ""

    def configuration_served(self) -> bool:
        """Whether every worker serves what was configured last."""
        configured = self._configured
        return configured is not None and self._fleet.all_serve(configured)

    def bound(self) -> tuple[Bound, ...]:
        """Return the listeners' addresses that were opened, or why not."""
        return tuple(self._bound.values())

    def on_change(self, callback: OnChange) -> None:
        """Call `callback` whenever health, acknowledgements or drains changed."""
        self._callbacks.append(callback)

    # --- talking to the node ------------------------------------------------------

    async def run(self) -> None:
        """Publish and listen until cancelled.

        Raises ConnectionError when the node is lost, DecidesNoMore when another
        control has it.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._publish())
                tasks.create_task(self._listen())
        finally:
            self._link.close()

    async def _publish(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            if not self._held and (
                self._wanted.changes != self._published_changes
                or not self._version.number
                or self._to_certify
            ):
                self.publish_now()
            await asyncio.sleep(PUBLISH_EVERY_S)

    def publish_now(self) -> None:
        """Send what the node does not have, and the manifest that makes it whole."""
        known = [content for content, _ in self._sections.values()]
        contents = tuple(parts(self._wanted.contents(), known))
        self._sections = {
            id(content): self._sections.get(id(content))
            or (content, section_of(content))
            for content in contents
        }
        sections = [section for _, section in self._sections.values()]
        self._version = Version(self._epoch, self._version.number + 1)
        self._published_changes = self._wanted.changes
        self._configured = self._configured or self._version
        self._note_targets()
        for section in sections:
            if section.digest not in self._known:
                self._link.send(section)
        for served in self._to_certify:
            self._link.send(served)
        self._to_certify.clear()
        self._forget_addresses(contents)
        digests = tuple(section.digest for section in sections)
        self._known = set(digests)
        listeners = {
            content.name: tuple(
                (address, content.port) for address in content.addresses
            )
            for content in contents
            if isinstance(content, Listener)
        }
        self._link.send(Manifest(self._version, digests, listeners))

    def _forget_addresses(self, contents: Iterable[Content]) -> None:
        listeners = [one for one in contents if isinstance(one, Listener)]
        self._served = {
            one.name: self._served[one.name]
            for one in listeners
            if one.name in self._served
        }
        wanted = {(address, one.port) for one in listeners for address in one.addresses}
        self._bound = {at: b for at, b in self._bound.items() if at in wanted}

    def _note_targets(self) -> None:
        targets = self._wanted.all()
        for target_id, (_, target) in targets.items():
            when = self._removed if target.draining else self._appeared
            when.setdefault(target_id, self._version)
        for noted in (self._appeared, self._removed):
            for gone in noted.keys() - targets.keys():
                del noted[gone]

    async def _listen(self) -> None:
        while True:
            if self._hear(await self._link.receive()):
                for callback in self._callbacks:
                    callback()

    def _hear(self, message: Message) -> bool:
        """Take note; return whether somebody may want to look again."""
        match message:
            case FromWorker(slot, incarnation, Report() as report):
                self._fleet.said(slot, incarnation, told_in(report))
                return False
            case FromWorker(slot, incarnation, Acknowledged() | Drained() as said):
                self._fleet.said(slot, incarnation, said)
            case WorkerStarted(worker):
                self._fleet.started(worker)
            case WorkerExited(slot, incarnation):
                self._exits += 1
                self._fleet.exited(slot, incarnation)
            case HealthChange():
                self._health = changed(self._health, message)
                self._check_lines_dropped = message.log_lines_dropped
            case Bound(address, port):
                self._bound[address, port] = message
            case Superseded():
                raise DecidesNoMore
            case _:
                return False
        return True
