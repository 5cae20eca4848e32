"""`alb status`: one look at everything that runs, as compact tables."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Final

from controlplane.client import Document
from controlplane.commands.place import control_of
from controlplane.commands.terminal import listener_url, say, say_json, table

STOPPED_SHOWN: Final = 5
TASK_ID_SHOWN: Final = 8
REASON_SHOWN: Final = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def main(args: argparse.Namespace) -> int:
    state = control_of(args).get("/v1/state")
    if args.output == "json":
        say_json(state)
    else:
        for line in told(state):
            say(line)
    return 0


def told(state: Document) -> Iterator[str]:
    """Yield the lines of a state: a table for each kind of thing there is."""
    yield _first_line(state)
    for lines in (
        _listeners(state),
        _services(state),
        _tasks(state),
        _targets(state),
        _instances(state),
        _alarms(state),
    ):
        shown = list(lines)
        if shown:
            yield ""
            yield from shown


def _first_line(state: Document) -> str:
    node = state.get("node")
    node = node if isinstance(node, Mapping) else {}
    ready = "ready" if node.get("ready") else f"not ready: {node.get('why') or '?'}"
    workers = len(_list(node, "workers"))
    plural = "" if workers == 1 else "s"
    return f"cluster {state.get('cluster')}: {ready}, {workers} worker{plural}"


def _listeners(state: Document) -> Iterator[str]:
    rows = []
    for listener in _list(state, "listeners"):
        bound = listener.get("bound")
        rows.append(
            (listener_url(listener), "bound" if bound is True else bound or "not bound")
        )
    return table(("LISTENER", "STATE"), rows)


def _services(state: Document) -> Iterator[str]:
    names = ("desiredCount", "runningCount", "pendingCount", "healthyCount")
    rows = [
        (
            service.get("serviceName"),
            *(service.get(name) for name in names),
            service.get("cpuUtilization"),
            service.get("taskDefinition"),
            _deployment(service),
        )
        for service in _list(state, "services")
    ]
    title = ("SERVICE", "DESIRED", "RUNNING", "PENDING", "HEALTHY", "CPU %")
    return table((*title, "TASK DEFINITION", "ROLLOUT"), rows)


def _deployment(service: Document) -> object:
    """Return the newest deployment's state, with how many there are if several.

    Of one that takes over: the stage that it has come to.
    """
    deployments = _list(service, "deployments")
    if not deployments:
        return service.get("status")
    rollout = deployments[0].get("rolloutState") or deployments[0].get("status")
    stage = next(
        (
            one.get("lifecycleStage")
            for one in _list(service, "serviceDeployments")
            if one.get("id") == deployments[0].get("id")
        ),
        None,
    )
    if stage and rollout == "IN_PROGRESS":
        rollout = stage
    return rollout if len(deployments) == 1 else f"{rollout} ({len(deployments)})"


def _tasks(state: Document) -> Iterator[str]:
    rows = []
    tasks = _list(state, "tasks")
    stopped = [task for task in tasks if task.get("lastStatus") == "STOPPED"]
    old = stopped[:-STOPPED_SHOWN]
    for task in tasks:
        if task in old:
            continue
        ports = task.get("ports")
        rows.append(
            (
                str(task.get("taskId"))[:TASK_ID_SHOWN],
                task.get("service"),
                task.get("lastStatus"),
                task.get("health"),
                task.get("containerInstance"),
                _ports(ports),
                task.get("stoppedReason") or _protected(task),
            )
        )
    title = ("TASK", "SERVICE", "STATUS", "HEALTH", "INSTANCE", "PORTS", "REASON")
    yield from table(title, rows)
    if old:
        yield f"and {len(old)} that stopped earlier"


def _protected(task: Document) -> str:
    """Say so of a task that neither scale-in nor a deployment stops."""
    live = task.get("lastStatus") in {"PENDING", "ACTIVATING", "RUNNING"}
    return "protected" if live and task.get("protectionEnabled") else ""


def _ports(ports: object) -> str:
    """Show ports however they are told: numbers, or objects with a hostPort."""
    if isinstance(ports, Mapping):
        return " ".join(str(port) for port in ports.values())
    if not isinstance(ports, list):
        return ""
    return " ".join(
        str(port.get("hostPort")) if isinstance(port, Mapping) else str(port)
        for port in ports
    )


def _targets(state: Document) -> Iterator[str]:
    rows = [
        (
            group.get("name"),
            f"{target.get('host')}:{target.get('port')}",
            target.get("state"),
            target.get("inFlight"),
            target.get("requestCount"),
            _conduct(target) or target.get("description") or target.get("reason"),
        )
        for group in _list(state, "targetGroups")
        for target in _list(group, "targets")
    ]
    title = ("TARGET GROUP", "TARGET", "STATE", "IN FLIGHT", "REQUESTS", "REASON")
    return table(title, rows)


def _conduct(target: Document) -> str:
    """Say so of a target that fails more than its peers, or did until lately."""
    found = target.get("anomalyDetection")
    if not isinstance(found, Mapping):
        return ""
    parts = []
    if found.get("result") == "anomalous":
        parts.append("anomalous: fails more than its peers")
    if found.get("mitigationInEffect") == "yes":
        parts.append("mitigation in effect: gets less than its share")
    return "; ".join(parts)


def _instances(state: Document) -> Iterator[str]:
    rows = [
        (
            instance.get("name"),
            instance.get("zone"),
            instance.get("runtime"),
            _standing(instance),
            instance.get("detail"),
        )
        for instance in _list(state, "containerInstances")
    ]
    return table(("INSTANCE", "ZONE", "RUNTIME", "STATE", "DETAIL"), rows)


def _standing(instance: Document) -> str:
    """Return whether it answers, and what else keeps tasks from it."""
    if instance.get("lostAt"):
        return "lost"
    connected = "connected" if instance.get("connected") else "not connected"
    draining = instance.get("status") == "DRAINING"
    return f"{connected}, draining" if draining else connected


def _alarms(state: Document) -> Iterator[str]:
    rows = [
        (
            alarm.get("name"),
            alarm.get("state"),
            alarm.get("value", alarm.get("metricValue")),
            alarm.get("threshold"),
            _short(alarm.get("reason")),
        )
        for alarm in _list(state, "alarms")
    ]
    return table(("ALARM", "STATE", "VALUE", "THRESHOLD", "REASON"), rows)


def _short(reason: object) -> str:
    text = str(reason or "")
    return text if len(text) <= REASON_SHOWN else f"{text[: REASON_SHOWN - 1]}…"


def _list(document: Document, name: str) -> list[Document]:
    """Return the objects under `name`; none when there are none."""
    value = document.get(name)
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, Mapping)]
