"""Take the cluster's portrait: what all parts say at one moment, put together.

parts + what is in force --> the state document, and the metrics' picture
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from alb.model import LoadBalancer, TargetId
from alb.ports import Counters
from controlplane import views
from controlplane.api.ports import Document
from controlplane.metrics import Picture
from controlplane.parts import Parts
from controlplane.records import Applied
from controlplane.routing import group_routing, states_of
from controlplane.service_discovery import address_of
from controlplane.state_dir import StateDir
from controlplane.target_metrics import RegisteredTarget
from controlplane.version import __version__
from scheduler.decide.identity import target_ids
from scheduler.model import ContainerInstance, Task

PERCENT: Final = 100.0


@dataclass(frozen=True, slots=True)
class InForce:
    """What was applied, what of it every part was told, and whether it serves."""

    applied: Applied | None
    instances: tuple[ContainerInstance, ...]
    load_balancer: LoadBalancer | None
    ready: bool
    why: str


def state_document(parts: Parts, now: InForce) -> Document:
    """Return everything that `/v1/state` tells."""
    facts = _node_facts(parts, now)
    tasks = parts.scheduler.tasks()
    services = parts.scheduler.observe_services()
    return {
        "cluster": now.applied.content.cluster if now.applied else None,
        "uid": parts.store.cluster_uid,
        "version": __version__,
        "file": now.applied.file if now.applied else None,
        "control": {"pid": os.getpid(), "epoch": parts.store.epoch},
        "node": views.node_document(facts),
        "listeners": views.listeners_document(facts),
        "loadBalancer": views.balancer_document(facts),
        "targetGroups": views.groups_document(facts),
        "containerInstances": views.instances_document(
            now.instances,
            parts.scheduler.instances(),
            parts.scheduler.instance_records(),
            tasks,
        ),
        "services": [
            views.service_document(view, parts.ecs.by_service.get(name))
            for name, view in services.items()
        ],
        "tasks": [
            views.task_document(task, _healths(task, facts), parts.clock.unix_s())
            for task in tasks
        ],
        "alarms": [
            views.alarm_document(view) for view in parts.scaler.alarms().values()
        ],
        "scalingActivities": [
            views.activity_document(one) for one in parts.scaler.activities()
        ],
    }


def picture(parts: Parts, now: InForce) -> Picture:
    """Return what `/metrics` shows."""
    observed = parts.balancer.observe().values()
    states = states_of(observed)
    in_flight: dict[str, int] = {}
    anomalous: dict[str, int] = {}
    mitigated: dict[str, int] = {}
    for seen in observed:
        in_flight[seen.group] = in_flight.get(seen.group, 0) + seen.in_flight
        anomalous[seen.group] = anomalous.get(seen.group, 0) + seen.anomalous
        mitigated[seen.group] = mitigated.get(seen.group, 0) + seen.mitigated
    ratios = {name: part / PERCENT for name, part in parts.ecs.by_service.items()}
    return Picture(
        version=__version__,
        ready=now.ready,
        commit_failed=bool(parts.store.failure),
        balancer=parts.balancer.statistics(),
        group_states=states,
        group_in_flight=in_flight,
        group_anomalous=anomalous,
        group_mitigated=mitigated,
        group_routing=group_routing(states, now.load_balancer),
        targets=_registered(parts, now),
        services=parts.scheduler.observe_services(),
        cpu_ratios=ratios,
        instances=parts.scheduler.instances(),
        alarms=parts.scaler.alarms(),
        series=parts.scaler.statistics(),
        kept=parts.keeping.statistics,
        outputs=parts.scheduler.outputs.statistics(),
    )


def _registered(parts: Parts, now: InForce) -> list[RegisteredTarget]:
    """Return every target that has an address, with the zone of its task."""
    facts = _node_facts(parts, now)
    zones = {one.name: one.zone for one in now.instances}
    zone_of = {
        TargetId(name): zones.get(task.instance, "")
        for task in parts.scheduler.tasks()
        for name in target_ids(task)
    }
    counters = facts.statistics.totals.targets
    return [
        RegisteredTarget(
            seen.group,
            address_of(*facts.addresses[target]),
            zone_of.get(target, ""),
            seen.health.state,
            seen.in_flight,
            counters.get(target, Counters()),
        )
        for target, seen in facts.observed.items()
        if target in facts.addresses
    ]


def _node_facts(parts: Parts, now: InForce) -> views.NodeFacts:
    registered = (
        (TargetId(target_id), (task.address, lease.host_port))
        for task in parts.scheduler.tasks()
        for target_id, (_, lease) in target_ids(task).items()
    )
    return views.NodeFacts(
        pid=_keeper_pid(parts.state_dir),
        ready=now.ready,
        why=now.why,
        statistics=parts.balancer.statistics(),
        observed=parts.balancer.observe(),
        load_balancer=now.load_balancer,
        addresses=views.addresses_of(registered, now.load_balancer),
    )


def _healths(task: Task, facts: views.NodeFacts) -> list[str]:
    return [
        facts.observed[TargetId(name)].health.state.value
        for name in target_ids(task)
        if TargetId(name) in facts.observed
    ]


def _keeper_pid(state_dir: StateDir) -> int | None:
    try:
        return int((state_dir.path / "keeper.pid").read_text())
    except (OSError, ValueError):
        return None
