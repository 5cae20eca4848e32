"""How long it is from a step in the load to the last task that it needs.

    python -m bench.reaction [--rounds 3] [--ways alarm,fast]

`alb up` with a service of one task, which can serve 100 requests a second and has 35;
after a while five times as many come. Told are the seconds from that step until the
alarm, until the decision for as many tasks as are needed, and until so many are healthy
and have answered. Tasks are containers where an engine answers, else processes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench.contestants import ROOT, free_ports
from bench.cpu import adopt_orphans, descendants, end_since
from bench.record import is_smoke, write_result
from bench.workloads import NotComparable
from controlplane.client import ClientError, Control, UnixAddress
from controlplane.demo.host import Host, choose_host
from controlplane.demo.image import COMMAND
from controlplane.load.main import run
from controlplane.load.options import LoadOptions, parse_url
from controlplane.load.shape import parse_shape
from foundation.clock import SystemClock
from scheduler.model import RuntimeKind

BEFORE: Final = 35
"""Requests a second: a third of what a task can serve."""
TIMES: Final = 5
EACH: Final = 40
"""Requests a second that a task shall serve."""
NEEDED: Final = -(-BEFORE * TIMES // EACH)
TASKS_MAX: Final = NEEDED + 1
QUIET_S: Final = 15
AFTER_S: Final = 40
PERIOD_S: Final = 10
LOOK_S: Final = 0.1
COMMAND_S: Final = 120.0
AWS: Final = {
    "metrics every 20 s": {"decision_s": 86, "serving_s": 109},
    "metrics every 60 s": {"decision_s": 363, "serving_s": 386},
    "source": "containers-roadmap issue 2113, June 2026: seconds to trigger, "
    "and to tasks that are provisioned",
}
"""What AWS publishes of ECS; other tasks, another load: no ratio is taken."""

Document = dict[str, Any]

WAYS: Final[Mapping[str, Document]] = {
    "alarm": {
        "policyName": "requests",
        "policyType": "TargetTrackingScaling",
        "targetValue": EACH * PERIOD_S,
        "predefinedMetricSpecification": {
            "predefinedMetricType": "ALBRequestCountPerTarget"
        },
        "period": PERIOD_S,
        "scaleOutDatapoints": 1,
        "scaleOutCooldown": 0,
    },
    "fast": {
        "policyName": "fast",
        "policyType": "FastTracking",
        "metricType": "InFlightPerTarget",
        "targetValue": 2,
    },
}
"""Target tracking by an alarm of 10 s; ours with its defaults."""


@dataclass(frozen=True, slots=True)
class Look:
    """What control said at a moment, in seconds from the step."""

    at_s: float
    in_alarm: bool
    desired: int
    serving: int
    """Targets that are healthy and have answered."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """Seconds from the step; None: there is no alarm."""

    alarm_s: float | None
    decision_s: float
    serving_s: float
    failed: int
    """Requests that had no good answer: one task cannot serve five times as many."""


def main() -> int:
    options = parse(sys.argv[1:])
    if is_smoke():
        options.rounds = 1
    adopt_orphans()
    host = choose_host(None, SystemClock())
    print(f"tasks are {host.why}")
    found: dict[str, list[Reaction]] = {}
    try:
        for way in options.ways.split(","):
            rounds = range(options.rounds)
            found[way] = [measured(way, host, number) for number in rounds]
    except NotComparable as why:
        print(f"NOT MEASURED: {why}", file=sys.stderr)
        return 1
    told = {way: medians(rounds) for way, rounds in found.items()}
    for way, figures in told.items():
        print(f"{way:6} " + ", ".join(f"{n} {v}" for n, v in figures.items()))
    write_result(
        "reaction",
        f"seconds from {BEFORE} to {BEFORE * TIMES} requests/s until alarm, decision "
        f"for {NEEDED} tasks instead of one, and all of them healthy and answering",
        {
            "tasks": host.why,
            "alarm_period_s": PERIOD_S,
            "policies": {way: WAYS[way] for way in found},
            "seconds": told,
            "rounds": {way: [asdict(one) for one in of] for way, of in found.items()},
            "aws": AWS,
        },
    )
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.reaction", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", default=",".join(WAYS))
    return parser.parse_args(arguments)


def medians(rounds: Sequence[Reaction]) -> dict[str, float]:
    """Return the median of each figure that there is."""
    names = ("alarm_s", "decision_s", "serving_s")
    found = {name: [getattr(one, name) for one in rounds] for name in names}
    return {
        name: round(statistics.median(values), 2)
        for name, values in found.items()
        if None not in values
    }


def reaction_of(looks: Sequence[Look], failed: int) -> Reaction:
    """Return when what was needed was first seen. Raises NotComparable if never."""
    after = [look for look in looks if look.at_s >= 0]
    alarm = next((look.at_s for look in after if look.in_alarm), None)
    decision = next((look.at_s for look in after if look.desired >= NEEDED), None)
    serving = next((look.at_s for look in after if look.serving >= NEEDED), None)
    if decision is None or serving is None:
        last = after[-1] if after else None
        raise NotComparable(f"{NEEDED} tasks were never there: {last}")
    return Reaction(
        None if alarm is None else round(alarm, 2),
        round(decision, 2),
        round(serving, 2),
        failed,
    )


# --- one round --------------------------------------------------------------------


def measured(way: str, host: Host, number: int) -> Reaction:
    with cluster(way, host) as (port, control):
        looks, failed = asyncio.run(_step(port, control))
    found = reaction_of(looks, failed)
    alarm = "" if found.alarm_s is None else f"alarm {found.alarm_s} s, "
    print(
        f"round {number + 1}: {way:6} {alarm}decision {found.decision_s} s, "
        f"{NEEDED} tasks answering {found.serving_s} s",
        flush=True,
    )
    return found


async def _step(port: int, control: Control) -> tuple[list[Look], int]:
    """Send the load and look at control meanwhile."""
    text = f"{BEFORE}x{QUIET_S}s,{BEFORE * TIMES}x{AFTER_S}s"
    url = parse_url(f"http://127.0.0.1:{port}/")
    options = LoadOptions((url,), parse_shape(text), text)
    looks: list[Look] = []
    stop = asyncio.Event()
    step_s = time.monotonic() + QUIET_S
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(run(options, stop=stop))
        while not sending.done() and not stop.is_set():
            state = await asyncio.to_thread(control.get, "/v1/state")
            look = look_of(state, time.monotonic() - step_s)
            looks.append(look)
            if look.at_s > 0 and look.serving >= NEEDED:
                stop.set()
            await asyncio.sleep(LOOK_S)
    return looks, sending.result().failed


def look_of(state: Mapping[str, Any], at_s: float) -> Look:
    (service,) = state["services"]
    (group,) = state["targetGroups"]
    return Look(
        at_s,
        any(
            one["state"] == "ALARM" and "AlarmHigh" in one["name"]
            for one in state["alarms"]
        ),
        service["desiredCount"],
        sum(
            one["state"] == "healthy" and one["requestCount"] > 0
            for one in group["targets"]
        ),
    )


@contextmanager
def cluster(way: str, host: Host) -> Iterator[tuple[int, Control]]:
    """Run a cluster with one task that is healthy; end all of it afterwards."""
    before = descendants(os.getpid())
    (port,) = map(int, free_ports(1))
    with tempfile.TemporaryDirectory(prefix="alb-bench-") as name:
        directory = Path(name)
        file = directory / "alb.yaml"
        file.write_text(json.dumps(cluster_file(way, port, host)))  # JSON is YAML
        try:
            _alb(file, "up", "-d", "--workers", "1")
            control = Control(UnixAddress(directory / ".alb" / "control.sock"))
            _until_healthy(control)
            yield port, control
        finally:
            _alb(file, "down", "--wait", "60")
            end_since(before)


def cluster_file(way: str, port: int, host: Host) -> Document:
    container: Document = {
        "name": "web",
        "cpu": 128,
        "memory": 64,
        "portMappings": [{"containerPort": 8080}],
        "stopTimeout": 5,
    }
    instance = {"name": "here", "runtime": host.runtime.value}
    if host.runtime is RuntimeKind.DOCKER:
        instance["endpoint"] = host.endpoint
        container |= {"image": host.image, "command": [*COMMAND]}
    else:
        task = str(ROOT / "controlplane" / "demo" / "task.py")
        container["command"] = [sys.executable, task]
    container["environment"] = [
        {"name": "DEMO_MS", "value": "10"},
        {"name": "DEMO_CPU_MS", "value": "1"},
    ]
    return {
        "cluster": "reaction",
        "containerInstances": [instance],
        "taskDefinitions": [{"family": "web", "containerDefinitions": [container]}],
        "targetGroups": [
            {
                "name": "web",
                "healthCheckPath": "/healthz",
                "healthCheckIntervalSeconds": 1,
                "healthyThresholdCount": 2,
                "attributes": {"deregistration_delay.timeout_seconds": "1"},
            }
        ],
        "listeners": [
            {
                "port": port,
                "defaultActions": [{"type": "forward", "targetGroup": "web"}],
            }
        ],
        "services": [
            {
                "serviceName": "web",
                "taskDefinition": "web",
                "loadBalancers": [{"targetGroup": "web"}],
                "autoScaling": {
                    "minCapacity": 1,
                    "maxCapacity": TASKS_MAX,
                    "policies": [WAYS[way]],
                },
            }
        ],
    }


def _until_healthy(control: Control) -> None:
    deadline_s = time.monotonic() + COMMAND_S
    while time.monotonic() < deadline_s:
        with suppress(ClientError):  # it is starting
            state: Mapping[str, Any] = control.get("/v1/state")
            if any(service["steady"] for service in state["services"]):
                return
        time.sleep(LOOK_S)
    raise NotComparable("the first task was never healthy")


def _alb(file: Path, *words: str) -> None:
    done = subprocess.run(
        (sys.executable, "-m", "controlplane.cli", "-f", str(file), *words),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    if done.returncode:
        raise NotComparable(f"alb {words[0]}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
