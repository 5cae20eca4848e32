"""Composite alarms, as `autoscaler.model` has them. Pure.

Source: CloudWatch API reference (PutCompositeAlarm).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from autoscaler.decide.alarm_rule import children, parse_rule
from autoscaler.model import CompositeAlarm
from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.meaning.alarms import actions_of
from controlplane.cluster_file.record import Findings, Record
from controlplane.problems import did_you_mean
from foundation.tokens import Unreadable

NEVER: Final = "FALSE"
"""Stands where a rule cannot be read; it never leaves this package."""
PERIODS: Final = ("actionsSuppressorWaitPeriod", "actionsSuppressorExtensionPeriod")


def composite_alarms(
    root: Record, metric_alarms: Collection[str], findings: Findings
) -> tuple[CompositeAlarm, ...]:
    """Return the composite alarms; `metric_alarms` are the names of the others."""
    records = root.records("compositeAlarms")
    found = tuple(_composite(record, findings) for record in records)
    known = {*metric_alarms, *(alarm.name for alarm in found)}
    for record, alarm in zip(records, found, strict=True):
        _check_names(record, alarm, known, findings)
    circles = _in_circles({alarm.name: _named(alarm) for alarm in found})
    for record, alarm in zip(records, found, strict=True):
        if alarm.name in circles:
            message = f"goes round in a circle: {' -> '.join(circles[alarm.name])}"
            findings.error(record.at("alarmRule"), record.path_of("alarmRule"), message)
    return found


def _composite(record: Record, findings: Findings) -> CompositeAlarm:
    rule = record.text("alarmRule") or NEVER
    try:
        parse_rule(rule)
    except Unreadable as invalid:
        at, path = record.at("alarmRule"), record.path_of("alarmRule")
        findings.error(at, path, str(invalid))
        rule = NEVER
    suppressed = not record.absent("actionsSuppressor")
    for name in PERIODS:
        if suppressed and record.absent(name):
            findings.error(record.node, record.path, f"{name} is missing")
        elif not suppressed and not record.absent(name):
            message = "is for an alarm with actionsSuppressor"
            findings.error(record.at(name), record.path_of(name), message)
    wait, extension = (float(record.whole(name)) for name in PERIODS)
    return CompositeAlarm(
        record.text("alarmName"),
        rule,
        record.text("actionsSuppressor"),
        wait,
        extension,
        actions_of(record, findings),
        record.text("alarmDescription"),
    )


def _check_names(
    record: Record, alarm: CompositeAlarm, known: Collection[str], findings: Findings
) -> None:
    for child in children(parse_rule(alarm.rule)):
        if child.name not in known:
            hint = did_you_mean(child.name, known)
            message = f'no alarm named "{quoted(child.name)}"{hint}'
            message += f", at character {child.column}"
            findings.error(record.at("alarmRule"), record.path_of("alarmRule"), message)
    name = "actionsSuppressor"
    if record.has(name) and alarm.suppressor not in known:
        hint = did_you_mean(alarm.suppressor, known)
        message = f'no alarm named "{quoted(alarm.suppressor)}"{hint}'
        findings.error(record.at(name), record.path_of(name), message)


def _named(alarm: CompositeAlarm) -> tuple[str, ...]:
    """Return what an alarm waits for: its children, and its suppressor."""
    names = [child.name for child in children(parse_rule(alarm.rule))]
    return tuple(dict.fromkeys([*names, *filter(None, [alarm.suppressor])]))


def _in_circles(named: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Return of each alarm that leads back to itself one way round."""
    found: dict[str, list[str]] = {}
    for start in named:
        ways = [[start, name] for name in named[start]]
        seen: set[str] = set()
        for way in ways:  # grows while it is walked
            if way[-1] == start:
                found[start] = way
                break
            if way[-1] not in seen:
                seen.add(way[-1])
                ways += [[*way, name] for name in named.get(way[-1], ())]
    return found
