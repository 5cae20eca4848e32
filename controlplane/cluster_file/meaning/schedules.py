"""Scheduled actions, as `autoscaler.policies` has them. Pure, but for time zones.

Source: Application Auto Scaling API reference, PutScheduledAction.
"""

from __future__ import annotations

import datetime
import zoneinfo
from typing import Final

from autoscaler.app.schedules import zone_of
from autoscaler.decide import schedule as schedules
from autoscaler.policies import ScheduledAction
from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.record import Findings, Record
from controlplane.problems import did_you_mean

_BOUNDS: Final = ("minCapacity", "maxCapacity")


def scheduled_action(
    record: Record, scaling: Record, findings: Findings
) -> ScheduledAction:
    """Return one action; `scaling` is the mapping that it stands in."""
    zone = _zone(record, findings)
    _check_schedule(record, zone, findings)
    start, end = (_time(record, n, zone, findings) for n in ("startTime", "endTime"))
    if start is not None and end is not None and start >= end:
        at, path = record.at("endTime"), record.path_of("endTime")
        findings.error(at, path, "must be after startTime")
    bounds = record.record("scalableTargetAction")
    low, high = (bounds.whole_or_none(name) for name in _BOUNDS)
    if record.has("scalableTargetAction"):
        _check_bounds(bounds, scaling, findings)
    return ScheduledAction(
        record.text("scheduledActionName"),
        record.text("schedule"),
        record.text("timezone"),
        start,
        end,
        low,
        high,
    )


def _zone(record: Record, findings: Findings) -> datetime.tzinfo:
    name = record.text("timezone")
    zone = zone_of(name)
    if zone is None:
        hint = did_you_mean(name, zoneinfo.available_timezones())
        message = f'no time zone named "{quoted(name)}"{hint}'
        findings.error(record.at("timezone"), record.path_of("timezone"), message)
    return zone or datetime.UTC


def _check_schedule(record: Record, zone: datetime.tzinfo, findings: Findings) -> None:
    if not record.has("schedule"):
        return
    at, path = record.at("schedule"), record.path_of("schedule")
    try:
        schedule = schedules.parse(record.text("schedule"))
    except schedules.ScheduleInvalid as invalid:
        findings.error(at, path, str(invalid))
        return
    if not schedules.exists(schedule, zone):
        message = f"never comes in {record.text('timezone')}"
        findings.error(at, path, message)


def _time(
    record: Record, name: str, zone: datetime.tzinfo, findings: Findings
) -> float | None:
    if not record.has(name):
        return None
    text = record.text(name)
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        message = f"is no time (got {quoted(text)})"
        findings.error(record.at(name), record.path_of(name), message)
        return None
    if time.tzinfo is None:
        time = time.replace(tzinfo=zone)
    return time.timestamp()


def _check_bounds(bounds: Record, scaling: Record, findings: Findings) -> None:
    """Tell of bounds that cannot hold together with those of the file."""
    if all(bounds.absent(name) for name in _BOUNDS):
        message = "needs minCapacity, maxCapacity or both"
        findings.error(bounds.node, bounds.path, message)
        return
    if {*_BOUNDS} & (bounds.broken | scaling.broken):
        return
    low, high = (
        (bounds if bounds.has(name) else scaling).whole(name) for name in _BOUNDS
    )
    if low > high:
        which = next(name for name in reversed(_BOUNDS) if bounds.has(name))
        message = f"the minimum, {low}, would be above the maximum, {high}"
        findings.error(bounds.at(which), bounds.path_of(which), message)
