"""Services, as `scheduler.model` has them. Pure.

Source: ECS API reference, CreateService; ECS developer guide, deployments.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.fields.scaling import TASKS_MAX
from controlplane.cluster_file.meaning.actions import check_group
from controlplane.cluster_file.meaning.deployments import deployment_configuration
from controlplane.cluster_file.meaning.placement import (
    check_placement,
    constraints,
    rebalances,
    strategies,
    warn_stuck,
)
from controlplane.cluster_file.meaning.surroundings import Surroundings
from controlplane.cluster_file.meaning.takeovers import advanced, check_takeover
from controlplane.cluster_file.record import Findings, Record
from controlplane.problems import did_you_mean
from scheduler.model import (
    SchedulingStrategy,
    Service,
    ServiceLoadBalancer,
    TaskDefinition,
)

NO_TASK: Final = TaskDefinition("", ())
"""Stands where a family is not known; it never leaves this package."""


def service(record: Record, around: Surroundings, findings: Findings) -> Service:
    """Return one service."""
    definition = _task_definition(record, around, findings)
    desired = _desired_count(record, findings)
    deployment = record.record("deploymentConfiguration")
    strategy = SchedulingStrategy(record.text("schedulingStrategy"))
    result = Service(
        record.text("serviceName"),
        definition,
        desired,
        _load_balancers(record, definition, around, findings),
        deployment_configuration(deployment, strategy, findings),
        strategies(record, findings),
        float(record.whole("healthCheckGracePeriodSeconds")),
        constraints(record, findings),
        scheduling_strategy=strategy,
        enable_execute_command=record.flag("enableExecuteCommand"),
    )
    check_takeover(record, result, findings)
    balanced = rebalances(record, result, findings)
    check_placement(record, result, around.instances, findings)
    if not record.broken and not deployment.broken:
        warn_stuck(record, result, around.instances, findings)
    return replace(result, availability_zone_rebalancing=balanced)


def _task_definition(
    record: Record, around: Surroundings, findings: Findings
) -> TaskDefinition:
    family = record.text("taskDefinition")
    known = around.task_definitions
    if family in known or not record.has("taskDefinition"):
        return known.get(family, NO_TASK)
    at, path = record.at("taskDefinition"), record.path_of("taskDefinition")
    name, _, revision = family.partition(":")
    if name in known and revision:
        message = f"write {name} alone: the revision is the one this file defines"
    else:
        hint = did_you_mean(family, known)
        message = f'no task definition of family "{quoted(family)}"{hint}'
    findings.error(at, path, message)
    return NO_TASK


NOT_OF_A_DAEMON: Final = ("desiredCount", "autoScaling", "placementStrategy")


def _desired_count(record: Record, findings: Findings) -> int:
    if record.text("schedulingStrategy") == SchedulingStrategy.DAEMON.value:
        for name in NOT_OF_A_DAEMON:
            if not record.absent(name):
                message = "is not for a DAEMON: it has one task on each instance"
                findings.error(record.at(name), record.path_of(name), message)
        return 0
    if not record.absent("desiredCount"):
        desired = record.whole("desiredCount")
        if desired > TASKS_MAX:
            message = f"must be at most {TASKS_MAX} (got {desired})"
            at, path = record.at("desiredCount"), record.path_of("desiredCount")
            findings.error(at, path, message)
        return min(desired, TASKS_MAX)
    if record.absent("autoScaling"):
        findings.error(record.node, record.path, "desiredCount is missing")
        return 0
    return record.record("autoScaling").whole("minCapacity")


# --- load balancers -------------------------------------------------------------------


def _load_balancers(
    record: Record,
    definition: TaskDefinition,
    around: Surroundings,
    findings: Findings,
) -> tuple[ServiceLoadBalancer, ...]:
    found: dict[ServiceLoadBalancer, None] = {}
    for item in record.records("loadBalancers"):
        delays_s = around.deregistration_delays_s
        check_group(item, delays_s, findings)
        group = item.text("targetGroup")
        container, port = container_port(item, definition, findings)
        delay_s, pair = delays_s.get(group, 0.0), advanced(item, around, findings)
        balancer = ServiceLoadBalancer(group, container, port, delay_s, pair)
        if balancer in found:
            findings.error(item.node, item.path, "is listed already")
        found[balancer] = None
    return tuple(found)


def container_port(
    item: Record, definition: TaskDefinition, findings: Findings
) -> tuple[str, int]:
    """Return the container and its port that `item` names, or the only ones."""
    containers = {container.name: container for container in definition.containers}
    name = item.text("containerName")
    if item.absent("containerName") and len(containers) == 1:
        name = next(iter(containers))
    if not containers or "containerName" in item.broken:
        return name, item.whole("containerPort")
    if name not in containers:
        hint = did_you_mean(name, containers)
        message = f'no container named "{quoted(name)}" in {definition.family}{hint}'
        at, path = item.at("containerName"), item.path_of("containerName")
        findings.error(at, path, message)
        return name, item.whole("containerPort")
    ports = [mapping.container_port for mapping in containers[name].port_mappings]
    return name, _port(item, name, ports, findings)


def _port(item: Record, name: str, ports: list[int], findings: Findings) -> int:
    shown = ", ".join(str(port) for port in ports) or "none"
    if item.absent("containerPort"):
        if len(ports) == 1:
            return ports[0]
        message = f'containerPort is missing; container "{name}" has {shown}'
        findings.error(item.node, item.path, message)
    elif item.has("containerPort") and item.whole("containerPort") not in ports:
        port = item.whole("containerPort")
        message = f'container "{name}" maps no port {port}; it has {shown}'
        at, path = item.at("containerPort"), item.path_of("containerPort")
        findings.error(at, path, message)
    return item.whole("containerPort")
