"""What holds now: the file's bounds and suspensions as commands and schedules left it.

    targets of the file + what was recorded + the wall clock --> targets in force

Floor 4, and as synchronous as the look it is a part of. A scheduled action runs once
for each of its times. What control slept through is made good by its last time; what
passed while schedules were suspended is not.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from autoscaler.app.sight import Memory, Outcome, Sight, Told
from autoscaler.decide import schedule as deciding
from autoscaler.model import Activity, ActivityStatus
from autoscaler.policies import (
    BoundsRecord,
    ScalableTarget,
    ScheduledAction,
    ScheduleRecord,
)

LATE_S: Final = 7 * 86_400.0
"""An action that was due longer ago is not made good any more."""
SET_BACK_S: Final = 3600.0
"""A clock that is set back further was wrong before: schedules begin anew."""


class Due(NamedTuple):
    """An action and the time it was for. Ordered by that, then as written."""

    unix_s: float
    position: int
    action: ScheduledAction


def in_force(
    sight: Sight, memory: Memory, outcome: Outcome
) -> Sequence[ScalableTarget]:
    """Run what is due; return the targets with the bounds and suspensions of now."""
    return [_in_force(target, sight, memory, outcome) for target in sight.targets]


def as_recorded(
    target: ScalableTarget, memory: Memory, outcome: Outcome
) -> ScalableTarget:
    """Return `target` as commands and schedules left it; a changed file wins."""
    name = target.resource
    written = (target.min_capacity, target.max_capacity)
    bounds = memory.bounds.get(name)
    if bounds is not None and bounds.of_file != written:
        outcome.bounds[name] = bounds = None
    suspension = memory.suspensions.get(name)
    if suspension is not None and suspension.of_file != target.suspended:
        outcome.suspensions[name] = suspension = None
    if suspension is not None:
        target = replace(target, suspended=suspension.state)
    if bounds is not None:
        low, high = bounds.min_capacity, bounds.max_capacity
        target = replace(target, min_capacity=low, max_capacity=high)
    return target


def next_time(
    resource: str, action: ScheduledAction, memory: Memory, now_unix_s: float
) -> float | None:
    """Return when `action` runs next; None when it does not any more."""
    schedule = parsed(action.schedule)
    first = _first(schedule, action, memory.schedules.get(key_of(resource, action)))
    begin = now_unix_s if first is None else max(now_unix_s, first - 1)
    if action.start_unix_s is not None:
        begin = max(begin, action.start_unix_s - 1)
    zone = zone_of(action.timezone)
    if zone is None:
        return None
    time = deciding.next_after(schedule, zone, begin, first or now_unix_s)
    ended = time is not None and time > (action.end_unix_s or time)
    return None if ended else time


def key_of(resource: str, action: ScheduledAction) -> str:
    return f"{resource}/{action.name}"


def expression_of(action: ScheduledAction) -> str:
    return f"{action.schedule} {action.timezone}"


@lru_cache(maxsize=1024)
def zone_of(name: str) -> datetime.tzinfo | None:
    """Return a time zone by its IANA name; None where this machine does not know it.

    UTC needs no database.
    """
    if name == "UTC":
        return datetime.UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@lru_cache(maxsize=1024)
def parsed(text: str) -> deciding.Schedule:
    """Return a schedule of the file, where it was parsed before."""
    return deciding.parse(text)


def _in_force(
    target: ScalableTarget, sight: Sight, memory: Memory, outcome: Outcome
) -> ScalableTarget:
    now = as_recorded(target, memory, outcome)
    if target.resource not in sight.capacities:
        return now
    written = (target.min_capacity, target.max_capacity)
    for one in sorted(_due(now, sight, memory, outcome)):
        now = _run(one, now, written, sight, outcome)
    return now


def _due(
    target: ScalableTarget, sight: Sight, memory: Memory, outcome: Outcome
) -> Iterator[Due]:
    """Yield what is due, at its last time; what is suspended has passed."""
    for position, action in enumerate(target.scheduled_actions):
        key = key_of(target.resource, action)
        time = _last_time(key, action, sight.wall_unix_s, memory, outcome)
        outcome.dealt_s[key] = sight.wall_unix_s
        if time is None:
            continue
        record = memory.schedules[key]
        outcome.schedules[key] = replace(record, through_unix_s=sight.wall_unix_s)
        if not target.suspended.scheduled_scaling:
            yield Due(time, position, action)


def _last_time(
    key: str, action: ScheduledAction, wall_s: float, memory: Memory, outcome: Outcome
) -> float | None:
    """Return the last time of `action` that was not dealt with, if there is one."""
    record = memory.schedules.get(key)
    expression = expression_of(action)
    dealt_s = max(memory.dealt_s.get(key, 0.0), record.through_unix_s if record else 0)
    if (
        record is None
        or record.expression != expression
        or wall_s < dealt_s - SET_BACK_S
    ):
        outcome.schedules[key] = ScheduleRecord(expression, wall_s, wall_s)
        return None
    schedule = parsed(action.schedule)
    first = _first(schedule, action, record)
    after = max(dealt_s, wall_s - LATE_S, (action.start_unix_s or 0.0) - 1)
    through = min(wall_s, action.end_unix_s or wall_s)
    zone = zone_of(action.timezone)
    if zone is None:
        return None
    return deciding.last_within(schedule, zone, after, through, first or 0.0)


def _first(
    schedule: deciding.Schedule, action: ScheduledAction, record: ScheduleRecord | None
) -> float | None:
    """Return a rate's first time: its startTime, else a period after it was written."""
    if not isinstance(schedule, deciding.Rate):
        return None
    if action.start_unix_s is not None:
        return action.start_unix_s
    return None if record is None else record.since_unix_s + schedule.period_s


def _run(
    due: Due,
    target: ScalableTarget,
    written: tuple[int, int],
    sight: Sight,
    outcome: Outcome,
) -> ScalableTarget:
    """Set the bounds of one action; return the target with them."""
    action = due.action
    low, high = target.min_capacity, target.max_capacity
    if action.min_capacity is not None:
        low = action.min_capacity
    if action.max_capacity is not None:
        high = action.max_capacity
    activity = _activity(due, target, (low, high), sight)
    outcome.activities[activity.activity_id] = activity
    message = f"{activity.status_message}. Cause: {activity.cause}"
    outcome.events.append(Told(target.resource, message))
    if activity.status is ActivityStatus.FAILED:
        return target
    outcome.bounds[target.resource] = BoundsRecord(low, high, written)
    return replace(target, min_capacity=low, max_capacity=high)


def _activity(
    due: Due, target: ScalableTarget, bounds: tuple[int, int], sight: Sight
) -> Activity:
    desired = sight.capacities[target.resource].desired
    low, high = bounds
    fits = low <= high
    details = f"{due.action.schedule} in {due.action.timezone}"
    if not fits:
        details = f"the minimum, {low}, would be above the maximum, {high}"
    return Activity(
        activity_id=f"{target.resource}-{due.action.name}-{int(due.unix_s)}",
        resource=target.resource,
        policy="",
        cause=f"scheduled action name {due.action.name} was triggered",
        details=details,
        from_capacity=desired,
        to_capacity=desired,
        if_version=sight.capacities[target.resource].version,
        status=ActivityStatus.SUCCESSFUL if fits else ActivityStatus.FAILED,
        start_unix_s=sight.now_unix_s,
        end_unix_s=sight.now_unix_s,
        bounds=bounds,
    )
