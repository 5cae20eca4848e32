"""One service's zones are made even, in a look. Floor 4, synchronous.

steady, uneven -> start one more, remember it -> one is too many -> even, told
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from scheduler.app.look import Look
from scheduler.app.placing import REPEAT_EVENT_S, Placing, make
from scheduler.decide import wording
from scheduler.decide.fitness import Fitness
from scheduler.decide.placement import Unplaceable
from scheduler.decide.rebalance import (
    ZoneTask,
    are_even,
    awaits_extra,
    counts_of,
    zones_to_fill,
)
from scheduler.decide.rollout import Plan, Why
from scheduler.model import ServiceRecord, Task, TaskId


def hold_extra(
    look: Look,
    record: ServiceRecord,
    live: Sequence[Task],
    fitness: Mapping[TaskId, Fitness],
    plan: Plan,
) -> Plan:
    """Return the plan without what is too many only until the extra task is healthy."""
    service = record.service
    if not record.rebalancing or not service.availability_zone_rebalancing:
        return plan
    if not awaits_extra(service.desired_count, _zone_tasks(look, live, fitness)):
        return plan
    kept = tuple(one for one in plan.stop if one[1] is not Why.SURPLUS)
    return replace(plan, stop=kept)


def rebalance(
    look: Look,
    name: str,
    live: Sequence[Task],
    fitness: Mapping[TaskId, Fitness],
) -> None:
    """Start one more task of a steady service whose zones are uneven."""
    record = look.draft.after.services[name]
    service = record.service
    if not record.steady or not service.availability_zone_rebalancing:
        return
    homes = look.zones()
    zones = set(homes.values())
    counts = Counter(homes.get(task.instance, "") for task in live)
    if are_even(counts, zones) and not record.rebalancing:
        return  # the usual case, found quickly
    tasks = _zone_tasks(look, live, fitness)
    fill = zones_to_fill(service.desired_count, service.deployment, tasks, zones)
    if fill:
        _start_in(look, record, fill, counts_of(tasks, zones))
    elif record.rebalancing:
        look.tell(name, wording.balanced(name, counts_of(tasks, zones)))
        look.draft.put_service(replace(record, rebalancing=False))


def _start_in(
    look: Look, record: ServiceRecord, zones: frozenset[str], counts: Mapping[str, int]
) -> None:
    """Start one more task in one of the zones, if it fits anywhere there."""
    name = record.service.name
    made = Placing(look, record, lambda room: room.instance.zone in zones).new_task()
    if not isinstance(made, Unplaceable):
        if not make(look, made):
            return
        look.tell(name, wording.not_balanced(name, counts))
        look.draft.put_service(replace(record, rebalancing=True, steady=False))
        return
    if not made.reason.endswith((wording.NO_MEMBER, wording.AGENT)):
        message = wording.unplaceable_in_zone(name, zones)
        look.tell_once(name, message, REPEAT_EVENT_S)
    if record.rebalancing:
        look.draft.put_service(replace(record, rebalancing=False))


def _zone_tasks(
    look: Look, live: Sequence[Task], fitness: Mapping[TaskId, Fitness]
) -> list[ZoneTask]:
    homes = look.zones()
    return [
        ZoneTask(
            homes.get(task.instance, ""),
            fitness[task.id],
            task.is_protected(look.now_unix_s),
        )
        for task in live
    ]
