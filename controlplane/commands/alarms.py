"""`alb alarms`: every alarm, its state and why, as a table."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Final

from controlplane.client import Document, path_of
from controlplane.commands.place import control_of
from controlplane.commands.terminal import say, say_json, table

REASON_SHOWN: Final = 72


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--alarm-name-prefix",
        default="",
        metavar="PREFIX",
        help="only those whose names begin so",
    )
    parser.add_argument(
        "--state-value",
        default="",
        choices=("OK", "ALARM", "INSUFFICIENT_DATA"),
        help="only those in this state",
    )


def main(args: argparse.Namespace) -> int:
    asked = {"alarmNamePrefix": args.alarm_name_prefix, "stateValue": args.state_value}
    answer = control_of(args).get(path_of("v1", "alarms", **asked))
    if args.output == "json":
        say_json(answer)
        return 0
    alarms = [*objects(answer, "MetricAlarms"), *objects(answer, "CompositeAlarms")]
    rows = [
        (
            alarm.get("AlarmName"),
            alarm.get("StateValue"),
            time_of(alarm, "StateTransitionedTimestamp"),
            "yes" if alarm.get("ActionsEnabled") else "no",
            watched(alarm),
            short(alarm.get("StateReason")),
        )
        for alarm in alarms
    ]
    for line in table(
        ("ALARM", "STATE", "SINCE", "ACTIONS", "WATCHES", "REASON"), rows
    ):
        say(line)
    return 0


def watched(alarm: Document) -> str:
    """Return what an alarm watches, on one line."""
    if "AlarmRule" in alarm:
        return short(alarm["AlarmRule"])
    name = alarm.get("MetricName")
    for query in objects(alarm, "Metrics"):
        if query.get("ReturnData"):
            name = query.get("Label") or query.get("Expression") or query.get("Id")
    sign = SIGNS.get(str(alarm.get("ComparisonOperator")), "?")
    return f"{name} {sign} {alarm.get('Threshold'):g}"


SIGNS: Final = {
    "GreaterThanThreshold": ">",
    "GreaterThanOrEqualToThreshold": ">=",
    "LessThanThreshold": "<",
    "LessThanOrEqualToThreshold": "<=",
}


def short(text: object) -> str:
    told = str(text or "")
    return told if len(told) <= REASON_SHOWN else f"{told[: REASON_SHOWN - 1]}…"


def time_of(document: Document, name: str) -> str:
    """Return a time of an answer as local date and time of day."""
    import datetime  # noqa: PLC0415 - lazy

    moment = datetime.datetime.fromisoformat(str(document[name])).astimezone()
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def objects(document: Document, name: str) -> list[Document]:
    """Return the objects under `name`; none when there are none."""
    value = document.get(name)
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, Mapping)]
