"""The state of a cluster as a JSON document: AWS's words in lowerCamelCase.

Reads what every part says of itself and changes nothing. Absent: secrets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from alb.app.balancer import BalancerStatistics
from alb.model import LoadBalancer, Target, TargetId, TargetObservation
from alb.ports import Counters
from alb.state.counters import add_counters
from alb.state.histogram import merge, percentile_us
from autoscaler.model import (
    Activity,
    Alarm,
    AlarmView,
    CompositeAlarm,
    NotScaled,
    NotScaledReason,
)
from controlplane.api.ports import Document
from scheduler.decide.deployments import status_of
from scheduler.decide.protection import NotProtected, Protected
from scheduler.decide.wording import with_containers
from scheduler.instance import InstanceRecord
from scheduler.model import ContainerInstance, InstanceStatus, Service, Task, TaskStatus
from scheduler.told import DeploymentView, ServiceView

PERCENTILES: Final = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
MILLISECONDS: Final = 1000.0


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What is known of the node: the load balancer's own part of the document."""

    pid: int | None
    """The keeper's; None when its pid file is gone."""
    ready: bool
    why: str
    statistics: BalancerStatistics
    observed: Mapping[TargetId, TargetObservation]
    load_balancer: LoadBalancer | None
    addresses: Mapping[TargetId, tuple[str, int]]


def node_document(facts: NodeFacts) -> Document:
    return {
        "pid": facts.pid,
        "ready": facts.ready,
        "why": facts.why,
        "workers": [
            {
                "slot": worker.slot,
                "pid": worker.pid,
                "acknowledged": f"{worker.acknowledged.epoch}"
                f".{worker.acknowledged.number}",
            }
            for worker in sorted(facts.statistics.workers, key=lambda one: one.slot)
        ],
        "workerExits": facts.statistics.worker_exits,
        "snapshot": f"{facts.statistics.version.epoch}"
        f".{facts.statistics.version.number}",
    }


def listeners_document(facts: NodeFacts) -> list[Document]:
    """Every address of every listener, opened or why not."""
    bound = {(one.address, one.port): one.error for one in facts.statistics.bound}
    listeners = facts.load_balancer.listeners if facts.load_balancer else ()
    return [
        {
            "port": listener.port,
            "protocol": listener.protocol,
            "address": address,
            "bound": bound.get((address, listener.port), "not yet") == "",
            "error": bound.get((address, listener.port), ""),
            "rules": len(listener.rules) + 1,
        }
        for listener in listeners
        for address in listener.addresses
    ]


def balancer_document(facts: NodeFacts) -> Document:
    """The load balancer's counters, added up over listeners and groups."""
    totals = facts.statistics.totals
    doors = add_counters(totals.listeners.values()).totals
    groups = add_counters(totals.groups.values())
    return {
        "name": facts.load_balancer.name if facts.load_balancer else None,
        "requestCount": doors.get("requests", 0),
        "newConnectionCount": doors.get("newConnections", 0),
        "activeConnectionCount": totals.connections,
        "httpRedirectCount": doors.get("redirects", 0),
        "httpFixedResponseCount": doors.get("fixedResponses", 0),
        "nonStickyRequestCount": doors.get("nonSticky", 0),
        "appCookieNonStickinessCount": doors.get("appCookieNonSticky", 0),
        "httpCodeElb": _prefixed(doors, "elb."),
        "failures": _prefixed(doors, "failure."),
        "refusals": _prefixed(doors, "refused."),
        "httpCodeTarget": _prefixed(groups.totals, "target."),
        "targetConnectionErrorCount": groups.totals.get("connectionErrors", 0),
        "retryCount": groups.totals.get("retries", 0),
        "cutCount": groups.totals.get("cut", 0),
        "targetResponseTimeMs": _latency([groups]),
    }


def groups_document(facts: NodeFacts) -> list[Document]:
    groups = facts.load_balancer.groups if facts.load_balancer else ()
    return [
        {
            "name": group.name,
            "requestCount": _total(facts, group.name, "requests"),
            "targetResponseTimeMs": _latency(
                [facts.statistics.totals.groups.get(group.name, Counters())]
            ),
            "targets": [
                _target(target_id, seen, facts)
                for target_id, seen in facts.observed.items()
                if seen.group == group.name
            ],
        }
        for group in groups
    ]


def _target(target_id: TargetId, seen: TargetObservation, facts: NodeFacts) -> Document:
    host, port = facts.addresses.get(target_id, ("", 0))
    counters = facts.statistics.totals.targets.get(target_id, Counters())
    return {
        "id": target_id,
        "host": host,
        "port": port,
        "state": seen.health.state.value,
        "reason": seen.health.reason.value,
        "description": seen.health.description,
        "anomalyDetection": {
            "result": "anomalous" if seen.anomalous else "normal",
            "mitigationInEffect": "yes" if seen.mitigated else "no",
        },
        "inFlight": seen.in_flight,
        "requestCount": counters.totals.get("requests", 0),
    }


def _total(facts: NodeFacts, group: str, name: str) -> int:
    return facts.statistics.totals.groups.get(group, Counters()).totals.get(name, 0)


def _latency(counters: Sequence[Counters]) -> Document:
    """Percentiles since the node started, in milliseconds; None of none."""
    histogram = merge(one.latency for one in counters)
    found = {name: percentile_us(histogram, part) for part, name in PERCENTILES}
    return {
        name: None if value is None else value / MILLISECONDS
        for name, value in found.items()
    }


def _prefixed(totals: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {
        name.removeprefix(prefix): total
        for name, total in sorted(totals.items())
        if name.startswith(prefix)
    }


def addresses_of(
    tasks: Iterable[tuple[TargetId, tuple[str, int]]], fixed: LoadBalancer | None
) -> Mapping[TargetId, tuple[str, int]]:
    """Return where each target is: registered ones, and those of the file."""
    targets: list[Target] = []
    if fixed:
        targets = [one for group in fixed.fixed_targets.values() for one in group]
    return {target.id: (target.host, target.port) for target in targets} | dict(tasks)


def instances_document(
    instances: Iterable[ContainerInstance],
    statuses: Mapping[str, InstanceStatus],
    records: Mapping[str, InstanceRecord],
    tasks: Sequence[Task],
) -> list[Document]:
    return [
        {**_instance(one, statuses[one.name], tasks), **_kept(records.get(one.name))}
        for one in instances
        if one.name in statuses
    ]


def _kept(record: InstanceRecord | None) -> Document:
    """Return whether it takes tasks, and whether it was declared lost."""
    if record is None:
        return {}
    return {"status": record.status.value, "lostAt": record.lost_at_unix_s}


def _instance(
    instance: ContainerInstance, status: InstanceStatus, tasks: Sequence[Task]
) -> Document:
    here = [
        task
        for task in tasks
        if task.instance == instance.name and task.status is not TaskStatus.STOPPED
    ]
    cpu = instance.cpu or status.cpu
    memory_mib = instance.memory_mib or status.memory_mib
    reserved_cpu = sum(task.task_definition.reserved_cpu for task in here)
    reserved_mib = sum(task.task_definition.reserved_memory_mib for task in here)
    return {
        "name": instance.name,
        "runtime": instance.runtime.value,
        "endpoint": instance.endpoint,
        "address": status.address,
        "zone": instance.zone,
        "attributes": {**status.attributes, **instance.attributes},
        "connected": status.connected,
        "detail": status.detail,
        "runningTasksCount": sum(task.status is TaskStatus.RUNNING for task in here),
        "cpu": cpu,
        "memory": memory_mib,
        "registered": {"cpu": cpu, "memory": memory_mib},
        "remaining": {"cpu": cpu - reserved_cpu, "memory": memory_mib - reserved_mib},
    }


def service_document(view: ServiceView, cpu_percent: float | None) -> Document:
    return {
        "serviceName": view.service.name,
        "status": view.status.value,
        "desiredCount": view.desired,
        "runningCount": view.running,
        "pendingCount": view.pending,
        "healthyCount": view.healthy,
        "steady": view.reached,
        "taskDefinition": _primary_definition(view),
        **_placement(view.service),
        "targetGroups": [one.target_group for one in view.service.load_balancers],
        "deployments": [_deployment(one) for one in view.deployments],
        "serviceDeployments": _service_deployments(view),
        "cpuUtilization": cpu_percent,
        "events": [
            {"time": event.unix_s, "message": event.message} for event in view.events
        ],
    }


def _placement(service: Service) -> Document:
    rebalancing = service.availability_zone_rebalancing
    return {
        "placementConstraints": [
            {"type": one.type.value, "expression": one.expression}
            if one.expression
            else {"type": one.type.value}
            for one in service.placement_constraints
        ],
        "placementStrategy": [
            {"type": one.type.value, "field": one.field}
            if one.field
            else {"type": one.type.value}
            for one in service.placement_strategy
        ],
        "availabilityZoneRebalancing": "ENABLED" if rebalancing else "DISABLED",
    }


def _primary_definition(view: ServiceView) -> str:
    if view.deployments:
        return view.deployments[0].deployment.task_definition.name
    return view.service.task_definition.name


def _deployment(view: DeploymentView) -> Document:
    deployment = view.deployment
    return {
        "id": deployment.id,
        "status": view.status,
        "taskDefinition": deployment.task_definition.name,
        "rolloutState": deployment.rollout_state.value,
        "rolloutStateReason": deployment.rollout_state_reason,
        "desiredCount": view.desired,
        "runningCount": view.running,
        "pendingCount": view.pending,
        "failedTasks": deployment.failed_tasks,
        "createdAt": deployment.created_at_unix_s,
        "updatedAt": deployment.updated_at_unix_s,
    }


def _service_deployments(view: ServiceView) -> list[Document]:
    """Return what became of the latest deployments, as ECS's ServiceDeployment."""
    known = [one.deployment for one in view.history]
    primary = next((one.deployment.id for one in view.deployments), "")
    return [
        {
            "id": one.id,
            "status": status_of(one, primary, known),
            "statusReason": one.rollout_state_reason,
            "failure": one.failure,
            "rolledBackTo": one.rolled_back_to or None,
            "lifecycleStage": one.takeover.stage.value if one.takeover else None,
            "requestedProductionTrafficWeight": dict(view.production).get(one.id, 0.0),
            "requestedTestTrafficWeight": 100.0 if one.id == view.test_id else 0.0,
            "taskDefinition": one.task_definition.name,
            "failedTasks": one.failed_tasks,
            "createdAt": one.created_at_unix_s,
            "finishedAt": one.finished_at_unix_s,
        }
        for one in known
    ]


def task_document(task: Task, healths: Sequence[str], now_unix_s: float) -> Document:
    """`healths` are the states of the task's targets; the worst one is shown."""
    return {
        "taskId": task.id,
        "service": task.service,
        "startedBy": task.deployment_id,
        "lastStatus": task.status.value,
        "taskDefinition": task.task_definition.name,
        "containerInstance": task.instance,
        "address": task.address,
        "ports": [
            {
                "containerName": lease.container_name,
                "containerPort": lease.container_port,
                "hostPort": lease.host_port,
            }
            for lease in task.leases
        ],
        "health": _worst(healths),
        "createdAt": task.created_at_unix_s,
        "startedAt": task.started_at_unix_s,
        "stoppedAt": task.stopped_at_unix_s,
        "stopCode": task.stop_code.value if task.stop_code else None,
        "stoppedReason": task.stopped_reason,
        "explanation": with_containers(task.stopped_reason, task.containers),
        "protectionEnabled": task.is_protected(now_unix_s),
        "protectionExpiration": task.protected_until_unix_s,
    }


def protection_document(found: Iterable[Protected | NotProtected]) -> Document:
    """What became of the tasks that were to be protected, or not to be any more."""
    protected: list[Document] = []
    failures: list[Document] = []
    for one in found:
        match one:
            case Protected(task=task):
                until = task.protected_until_unix_s
                protected.append(
                    {
                        "taskId": task.id,
                        "protectionEnabled": until is not None,
                        "expirationDate": until,
                    }
                )
            case NotProtected(name=name, failure=failure):
                failures.append({"taskId": name, "reason": failure.value})
    return {"protectedTasks": protected, "failures": failures}


WORST_FIRST: Final = (
    "unhealthy",
    "draining",
    "initial",
    "unused",
    "unavailable",
    "healthy",
)


def _worst(healths: Sequence[str]) -> str | None:
    return min(healths, key=WORST_FIRST.index, default=None)


def alarm_document(view: AlarmView) -> Document:
    """Return how an alarm is; `/v1/alarms` tells all of it in CloudWatch's shape."""
    record = view.record
    told = {
        "name": view.name,
        "resource": view.resource,
        "state": record.state.value,
        "reason": record.reason,
        "since": record.since_unix_s,
        "value": view.value,
    }
    match view.definition:
        case Alarm() as alarm:
            dimensions = alarm.metric.dimensions
            return told | {
                "metricName": alarm.metric.name,
                "dimensions": [
                    {"name": name, "value": value} for name, value in dimensions
                ],
                "comparisonOperator": alarm.comparison.value,
                "threshold": alarm.threshold,
            }
        case CompositeAlarm() as composite:
            return told | {"alarmRule": composite.rule}


def activity_document(activity: Activity) -> Document:
    return {
        "activityId": activity.activity_id,
        "resource": activity.resource,
        "policy": activity.policy,
        "description": activity.description,
        "cause": activity.cause,
        "details": activity.details,
        "fromCapacity": activity.from_capacity,
        "toCapacity": activity.to_capacity,
        "statusCode": activity.status.value,
        "statusMessage": activity.status_message,
        "startTime": activity.start_unix_s,
        "endTime": activity.end_unix_s,
        "notScaledReasons": [
            _not_scaled(reason) for reason in activity.not_scaled_reasons
        ],
    }


def _not_scaled(reason: NotScaledReason) -> Document:
    """Return the code with the capacity that it is about, as AWS does."""
    about: Mapping[NotScaled, Document] = {
        NotScaled.ALREADY_AT_MAX: {"maxCapacity": reason.max_capacity},
        NotScaled.ALREADY_AT_MIN: {"minCapacity": reason.min_capacity},
        NotScaled.ALREADY_AT_DESIRED: {"currentCapacity": reason.current_capacity},
    }
    return {"code": reason.code.value, **about.get(reason.code, {})}
