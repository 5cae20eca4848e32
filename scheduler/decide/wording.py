"""Events and reasons in ECS's words, which people and tools search for. Floor 1.

Sources: ECS developer guide, "Amazon ECS service event messages" and "Amazon
ECS stopped task error messages"; ECS API reference, Deployment and Task.
What ECS does not say (a container was killed) is said in the same form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from scheduler.container import TaskContainer
from scheduler.definition import Dependency
from scheduler.errors import (
    ContainerError,
    ImageNotFound,
    NameTaken,
)

ESSENTIAL_EXITED = "Essential container in task exited"
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
GUIDE = (
    "For more information, see the Troubleshooting section of the "
    "Amazon ECS Developer Guide."
)
NO_INSTANCES = "No Container Instances were found in your cluster."
NO_CPU = "has insufficient CPU units available."
NO_MEMORY = "has insufficient memory available."
PORT_IN_USE = "is already using a port required by your task."
AGENT = 'encountered error "AGENT".'
NO_MEMBER = 'encountered error "MemberOf placement constraint unsatisfied.".'
NOT_DISTINCT = 'encountered error "DistinctInstance placement constraint unsatisfied.".'
AGENT_ERRORS = (
    "CannotPullContainerError: ",
    "CannotCreateContainerError: ",
    "CannotStartContainerError: ",
    "ResourceInitializationError: ",
)


class Failure(NamedTuple):
    """Who found that a deployment failed, and what."""

    by: str
    what: str


TASKS_FAILED = Failure("ECS deployment circuit breaker", "tasks failed to start")
STOPPED_BY_REQUEST = Failure("ECS deployment", "stopped by request")


def alarms_raised(names: Iterable[str]) -> Failure:
    return Failure("ECS deployment alarms", f"{', '.join(names)} in ALARM")


def hook_failed(what: str) -> Failure:
    return Failure("ECS deployment lifecycle hook", what)


def started(service: str, tasks: Iterable[str]) -> str:
    names = tuple(tasks)
    return f"{_of(service)} has started {len(names)} tasks: {_tasks(names)}."


def stopped(service: str, tasks: Iterable[str]) -> str:
    names = tuple(tasks)
    return f"{_of(service)} has stopped {len(names)} running tasks: {_tasks(names)}."


def registered(service: str, targets: int, group: str) -> str:
    return f"(service {service}) registered {targets} targets in (target-group {group})"


def deregistered(service: str, targets: int, group: str) -> str:
    return (
        f"(service {service}) deregistered {targets} targets in (target-group {group})"
    )


def draining(service: str, deployment_id: str, tasks: int) -> str:
    return (
        f"(service {service}, taskSet {deployment_id}) has begun draining "
        f"connections on {tasks} tasks."
    )


def steady(service: str) -> str:
    return f"(service {service}) has reached a steady state."


def completed(service: str, deployment_id: str) -> str:
    return f"(service {service}) (deployment {deployment_id}) deployment completed."


def unhealthy(service: str, port: int, group: str, reason: str) -> str:
    return (
        f"(service {service}) (port {port}) is unhealthy in (target-group {group}) "
        f"due to (reason {reason})."
    )


def unplaceable(service: str, why: str) -> str:
    """`why` is NO_INSTANCES, or what `closest` returns."""
    reason = f"Reason: {why}" if why == NO_INSTANCES else why
    return (
        f"(service {service}) was unable to place a task because no container "
        f"instance met all of its requirements. {reason} {GUIDE}"
    )


def closest(instance: str, why: str) -> str:
    return f"The closest matching (container-instance {instance}) {why}"


def not_balanced(service: str, counts: Mapping[str, int]) -> str:
    return (
        f"service ({service}) is not AZ balanced with {_zones(counts)}. "
        "AZ Rebalancing in progress."
    )


def balanced(service: str, counts: Mapping[str, int]) -> str:
    return f"service ({service}) is AZ balanced with {_zones(counts)}."


def unplaceable_in_zone(service: str, zones: Iterable[str]) -> str:
    return (
        f"service ({service}) is unable to place a task in {', '.join(sorted(zones))} "
        "because no container instance met all of its requirements."
    )


def protected(service: str, deployment_id: str) -> str:
    return (
        f"(service {service}) was unable to reach steady state because task set "
        f"({deployment_id}) was unable to scale in. Reason: The number of protected "
        "tasks are more than the desired count of tasks."
    )


def throttled(service: str) -> str:
    return f"(service {service}) is unable to consistently start tasks successfully."


def stuck(service: str) -> str:
    return (
        f"service {service} was unable to stop or start tasks during a deployment "
        "because of the service deployment configuration. Update the "
        "minimumHealthyPercent or maximumPercent value and try again."
    )


def task_stopped(service: str, task_id: str, reason: str) -> str:
    return f"{_of(service)} (task {task_id}) stopped: {reason}."


def killed(service: str, task_id: str, timeout_s: float) -> str:
    return (
        f"{_of(service)} (task {task_id}) did not stop within {timeout_s:g} "
        "seconds of SIGTERM and was killed."
    )


def desired_changed(service: str, desired: int, reason: str) -> str:
    return f"(service {service}) updated desired count to {desired}: {reason}"


def scaling(deployment_id: str) -> str:
    return f"Scaling activity initiated by (deployment {deployment_id})"


def on_lost_host(instance: str) -> str:
    """Return the stoppedReason that ECS gives when a host has gone."""
    return f"Host (container-instance {instance}) stopped/terminated"


def host_lost(service: str, instance: str, tasks: int, why: str) -> str:
    return (
        f"(service {service}) (container-instance {instance}) is lost with {tasks} "
        f"tasks: {why}."
    )


def left_behind(service: str, tasks: Iterable[str]) -> str:
    names = tuple(tasks)
    return (
        f"{_of(service)} has given up {len(names)} tasks on a host that is lost: "
        f"{_tasks(names)}."
    )


def failed_health_checks(groups: Iterable[str]) -> str:
    names = " ".join(f"(target-group {group})" for group in groups)
    return f"Task failed ELB health checks in {names}"


FAILED_CONTAINER_CHECKS = "Task failed container health checks"


def in_progress(deployment_id: str) -> str:
    return f"ECS deployment {deployment_id} in progress."


def deployment_completed(deployment_id: str) -> str:
    return f"ECS deployment {deployment_id} completed."


def failed(why: Failure, back_to: str) -> str:
    """Return the rolloutStateReason of a failed deployment."""
    if back_to:
        return f"{why.by}: rolling back to deploymentId {back_to}."
    return f"{why.by}: {why.what}."


def deployment_failed(service: str, deployment_id: str, what: str) -> str:
    return (
        f"(service {service}) (deployment {deployment_id}) deployment failed: {what}."
    )


def rolling_back(service: str, deployment_id: str) -> str:
    return f"(service {service}) rolling back to deployment {deployment_id}."


def at_stage(service: str, deployment_id: str, stage: str) -> str:
    return f"(service {service}) (deployment {deployment_id}) is in {stage}."


def production(service: str, deployment_id: str, percent: float) -> str:
    return (
        f"(service {service}) (deployment {deployment_id}) gets {percent:g} percent "
        "of production traffic."
    )


def most_fail(service: str) -> str:
    return (
        f"(service {service}) most tasks fail their health checks at once: "
        "they are replaced one at a time."
    )


def of_containers(containers: Iterable[TaskContainer]) -> str:
    """Return what containers that ended say of it, for a person; empty: nothing."""
    told = []
    for container in containers:
        facts = [container.reason] if container.reason else []
        if container.exit_code is not None:
            facts.append(f"exit code {container.exit_code}")
        if facts:
            told.append(f"{container.name}: {', '.join(facts)}")
    return "; ".join(told)


def with_containers(reason: str, containers: Iterable[TaskContainer]) -> str:
    """Return why a task stopped, with what its containers say that is not in it."""
    told = of_containers(each for each in containers if each.reason != reason)
    return f"{reason} ({told})" if told else reason


def never(name: str, need: Dependency, exit_code: int | None) -> str:
    """Return why a container cannot start: what it waits for will not be."""
    return (
        f"Task failed to start: container {name} waits for {need.container_name} to "
        f"be {need.condition.value}, which ended with exit code {exit_code}"
    )


def waited(name: str, need: Dependency) -> str:
    return (
        f"Task failed to start: container {name} waited for {need.container_name} to "
        f"be {need.condition.value} until its startTimeout"
    )


def cannot_start(error: ContainerError) -> str:
    """Return the container reason that ECS's agent gives for such an error.

    A runtime that knows better which step failed has said so itself.
    """
    if error.detail.startswith(AGENT_ERRORS):
        return error.detail
    match error:
        case ImageNotFound():
            kind = "CannotPullContainerError"
        case NameTaken():
            kind = "CannotCreateContainerError"
        case _:
            kind = "CannotStartContainerError"
    return f"{kind}: {error.detail}"


def _of(service: str) -> str:
    """Name a service; what has a colon is another task group."""
    return f"({service})" if ":" in service else f"(service {service})"


def _zones(counts: Mapping[str, int]) -> str:
    """Return ``1 tasks in a, 2 tasks in b, and 3 tasks in c``."""
    *others, last = (f"{count} tasks in {zone}" for zone, count in counts.items())
    return f"{', '.join(others)}, and {last}" if others else last


def _tasks(names: Iterable[str]) -> str:
    return " ".join(f"(task {name})" for name in names)
