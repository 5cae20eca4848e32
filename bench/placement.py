"""How fast tasks are placed, and what a look costs that changes nothing, in CPU.

    python -m bench.placement [--tasks 10000] [--hosts 1000] [--rounds 5]

In memory: the scheduler's own step over records of as many tasks on as many
hosts, in three zones, as an empty cluster is filled by one look and is then
looked at again. Besides half as many of both: does the cost grow with them?
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

from bench.record import is_smoke, write_result
from scheduler.app.look import Observed
from scheduler.app.step import step
from scheduler.decide.identity import container_names, target_ids
from scheduler.decide.specs import Surroundings
from scheduler.definition import ContainerDefinition, PortMapping
from scheduler.model import (
    ZONE_ATTRIBUTE,
    ContainerInstance,
    ContainerState,
    ContainerStatus,
    Deployment,
    InstanceStatus,
    PlacementStrategy,
    RolloutState,
    RuntimeKind,
    Service,
    ServiceLoadBalancer,
    ServiceRecord,
    StrategyType,
    Task,
    TaskDefinition,
    TaskStatus,
)
from scheduler.ports import TargetView
from scheduler.state.records import Records

SERVICES: Final = 20
UID: Final = "bench"
NOW: Final = 1_800_000_000.0
AROUND: Final = Surroundings(UID, "http://127.0.0.1:8080")
STRATEGIES: Final = {
    "zones": (),
    "binpack": (PlacementStrategy(StrategyType.BINPACK, "memory"),),
    "random": (PlacementStrategy(StrategyType.RANDOM),),
}
PLACED_PER_S: Final = 2_000
"""The least that is good enough."""
LOOK_MS: Final = 50.0
"""The most."""
SMOKE: Final = (400, 40)


class TooSlow(Exception):
    """A measure is not good enough."""


@dataclass(frozen=True, slots=True)
class Round:
    """One cluster filled and looked at once."""

    placed_per_s: float
    look_ms: float


def main() -> int:
    options = parse(sys.argv[1:])
    if is_smoke():
        options.tasks, options.hosts = SMOKE
        options.rounds = 1
    sizes = [
        (options.tasks // 2, options.hosts // 2),
        (options.tasks, options.hosts),
    ]
    found: dict[str, list[Round]] = {}
    for number in range(options.rounds):
        for tasks, hosts in sizes:
            for name in STRATEGIES:
                one = measure(tasks, hosts, STRATEGIES[name])
                found.setdefault(f"{name} {tasks}/{hosts}", []).append(one)
        print(f"round {number + 1} of {options.rounds}")
    print(table(found))
    record(options, found)
    try:
        judge(found)
    except TooSlow as slow:
        print(f"slower than promised: {slow}")
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.placement", description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--hosts", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args(arguments)


def measure(tasks: int, hosts: int, strategy: tuple[PlacementStrategy, ...]) -> Round:
    """Fill an empty cluster in one look, let it be healthy, look again."""
    instances, statuses = cluster(hosts)
    empty = Observed(instances=instances, statuses=statuses)
    records = wished(tasks, strategy)
    draws = (number * 0.6180339887498949 % 1 for number in count())
    with without_collections():
        begun = time.process_time()
        filled = step(NOW, empty, records, AROUND, draws.__next__)
        filling_s = time.process_time() - begun
    records.apply(filled.commits)
    placed = len(records.tasks)
    assert placed == tasks, f"{placed} of {tasks} were placed"
    settle(records)
    running = healthy(instances, statuses, records)
    for _ in range(3):  # what the first looks write down is not an unchanged world
        records.apply(step(NOW + 100, running, records, AROUND, draws.__next__).commits)
    with without_collections():
        begun = time.process_time()
        again = step(NOW + 100, running, records, AROUND, draws.__next__)
        look_s = time.process_time() - begun
    assert not again.commits, "a look at an unchanged cluster changed it"
    assert not again.actions, "a look at an unchanged cluster has something to do"
    return Round(tasks / filling_s, look_s * 1e3)


@contextmanager
def without_collections() -> Iterator[None]:
    """Measure what is done, not when garbage of before is collected."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def cluster(
    hosts: int,
) -> tuple[dict[str, ContainerInstance], dict[str, InstanceStatus]]:
    instances = {
        f"host-{number:05}": ContainerInstance(
            f"host-{number:05}",
            RuntimeKind.DOCKER,
            attributes={ZONE_ATTRIBUTE: "abc"[number % 3]},
        )
        for number in range(hosts)
    }
    statuses = {
        name: InstanceStatus(
            connected=True,
            cpu=16_384,
            memory_mib=65_536,
            address=f"10.{number >> 8}.{number & 255}.1",
            observed_at_s=1.0,
        )
        for number, name in enumerate(instances)
    }
    return instances, statuses


def wished(tasks: int, strategy: tuple[PlacementStrategy, ...]) -> Records:
    """Return services that want so many tasks together, and have none."""
    draft = Records().draft()
    for number in range(SERVICES):
        name = f"service-{number:02}"
        container = ContainerDefinition(
            *("web", "web:1", 256),
            memory_mib=512,
            port_mappings=(PortMapping(8080),),
            version_consistency=False,  # else an engine is asked before the first task
        )
        service = Service(
            name,
            TaskDefinition(name, (container,), revision=1),
            tasks // SERVICES + (number < tasks % SERVICES),
            (ServiceLoadBalancer(name, "web", 8080),),
            placement_strategy=strategy,
            availability_zone_rebalancing=not strategy,
        )
        deployment = f"ecs-svc/{number:019}"
        draft.put_service(ServiceRecord(service, deployment, NOW))
        draft.put_deployment(Deployment(deployment, name, service.task_definition, NOW))
    return draft.after


def settle(records: Records) -> None:
    """Let all tasks run and all deployments be completed."""
    draft = records.draft()
    for task in [*records.tasks.values()]:
        draft.put_task(replace(task, status=TaskStatus.RUNNING, started_at_unix_s=NOW))
    for deployment in [*records.deployments.values()]:
        draft.put_deployment(replace(deployment, rollout_state=RolloutState.COMPLETED))
    records.apply(draft.changes())


def healthy(
    instances: dict[str, ContainerInstance],
    statuses: dict[str, InstanceStatus],
    records: Records,
) -> Observed:
    """Return a world in which every task serves."""
    on: dict[str, list[Task]] = {}
    for task in records.tasks.values():
        on.setdefault(task.instance, []).append(task)
    return Observed(
        instances=instances,
        statuses={
            name: replace(
                status,
                containers=tuple(
                    ContainerStatus(container, task.id, ContainerState.RUNNING)
                    for task in on.get(name, ())
                    for container in container_names(UID, task)
                ),
            )
            for name, status in statuses.items()
        },
        targets={
            target: TargetView(
                healthy=True,
                unhealthy=False,
                reason="",
                eligible_everywhere=True,
                removed_everywhere=False,
                in_flight=0,
                drained=False,
            )
            for task in records.tasks.values()
            for target in target_ids(task)
        },
    )


def judge(found: dict[str, list[Round]]) -> None:
    """Raise TooSlow when a median is not good enough."""
    for name, rounds in found.items():
        per_s, look_ms = medians(rounds)
        if per_s < PLACED_PER_S:
            raise TooSlow(f"{name}: {per_s:.0f} placements/s, not {PLACED_PER_S}")
        if look_ms > LOOK_MS:
            raise TooSlow(f"{name}: {look_ms:.1f} ms for a look, not {LOOK_MS:g}")


def medians(rounds: Sequence[Round]) -> tuple[float, float]:
    """Return placements per second and milliseconds of a look."""
    return (
        statistics.median(one.placed_per_s for one in rounds),
        statistics.median(one.look_ms for one in rounds),
    )


def table(found: dict[str, list[Round]]) -> str:
    lines = [f"{'strategy tasks/hosts':24} {'placements/s':>13} {'look':>9}"]
    for name, rounds in found.items():
        per_s, look_ms = medians(rounds)
        lines.append(f"{name:24} {per_s:13,.0f} {look_ms:6.1f} ms")
    return "\n".join(lines)


def record(options: argparse.Namespace, found: dict[str, list[Round]]) -> None:
    write_result(
        "placement",
        "placements per CPU second into an empty cluster, and CPU ms of a look at an "
        f"unchanged one: {options.tasks} tasks of {SERVICES} services on "
        f"{options.hosts} hosts in 3 zones, and half of both; in memory",
        {
            "rounds": options.rounds,
            "sizes": {
                name: {
                    "placed_per_s": [round(one.placed_per_s) for one in rounds],
                    "look_ms": [round(one.look_ms, 2) for one in rounds],
                }
                for name, rounds in found.items()
            },
        },
    )


if __name__ == "__main__":
    sys.exit(main())
