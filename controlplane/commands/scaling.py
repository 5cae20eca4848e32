"""`alb scaling suspend|resume|activities SERVICE`: what scales, what has been done."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

from controlplane.client import Control, Document, path_of
from controlplane.commands.place import control_of
from controlplane.commands.terminal import clock_time, say, say_json, table

PARTS = {
    "in": "dynamicScalingInSuspended",
    "out": "dynamicScalingOutSuspended",
    "scheduled": "scheduledScalingSuspended",
}
"""Options, and what each is in Application Auto Scaling's SuspendedState."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("suspend", "resume", "activities"))
    parser.add_argument("service", metavar="SERVICE")
    parser.add_argument("--in", action="store_true", dest="in_", help="scaling in")
    parser.add_argument("--out", action="store_true", help="scaling out")
    parser.add_argument("--scheduled", action="store_true", help="scheduled actions")
    parser.add_argument(
        "--include-not-scaled-activities",
        action="store_true",
        help="activities: also what policies wanted and did not get",
    )


def main(args: argparse.Namespace) -> int:
    control = control_of(args)
    if args.what == "activities":
        return _activities(control, args)
    asked = {"in": args.in_, "out": args.out, "scheduled": args.scheduled}
    names = [name for name, on in asked.items() if on] or [*PARTS]
    state = {PARTS[name]: args.what == "suspend" for name in names}
    path = path_of("v1", "services", args.service, "scaling")
    answer = control.post(path, {"suspendedState": state})
    if args.output == "json":
        say_json(answer)
        return 0
    found = answer.get("suspendedState")
    assert isinstance(found, Mapping)
    say(f"{args.service}: {suspended_words(found)}")
    return 0


def suspended_words(state: Mapping[str, object]) -> str:
    """Say what is suspended: ``suspended: in, scheduled``."""
    names = [name for name, field in PARTS.items() if state.get(field)]
    return f"suspended: {', '.join(names)}" if names else "nothing is suspended"


def scaling_told(document: Document) -> Iterator[str]:
    """Yield why a service's count is what it is, line by line."""
    service = document["serviceName"]
    yield (
        f"{service}: desired {document['desiredCount']}, running"
        f" {document['runningCount']}, healthy {document['healthyCount']}; at least"
        f" {document['minCapacity']}, at most {document['maxCapacity']}"
        f"{_of_file(document)}"
    )
    state = document["suspendedState"]
    assert isinstance(state, Mapping)
    if any(state.values()):
        yield suspended_words(state)
    if document["deploying"]:
        yield "a deployment is under way: it does not scale in"
    yield _cooldown(document["cooldown"])
    rows = [
        (a["name"], a["state"], a["value"], a["threshold"], a["reason"])
        for a in _objects(document, "alarms")
    ]
    yield from table(("ALARM", "STATE", "VALUE", "THRESHOLD", "REASON"), rows)
    for policy in _objects(document, "policies"):
        yield _policy(policy)
    for action in _objects(document, "scheduledActions"):
        yield _scheduled(action)
    yield f"decision: {document['decision']}"
    yield from activity_lines(_objects(document, "scalingActivities"))


def _of_file(document: Document) -> str:
    of_file = document["capacitiesOfFile"]
    assert isinstance(of_file, Mapping)
    names = ("minCapacity", "maxCapacity")
    if all(of_file[name] == document[name] for name in names):
        return ""
    low, high = (of_file[name] for name in names)
    return f" (by a scheduled action; the file says {low} and {high})"


def _cooldown(cooldown: object) -> str:
    if not isinstance(cooldown, Mapping):
        return "no cooldown"
    seconds = float(cooldown["remainingSeconds"])
    return (
        f"cooldown of policy {cooldown['policyName']} (scale {cooldown['direction']}"
        f" from {cooldown['capacityBefore']}): {seconds:.0f} s more"
    )


def _policy(policy: Document) -> str:
    wants, refused = policy["desiredCount"], policy["notScaledReason"]
    end = ""
    if wants is not None:
        end = f" -> {wants}"
    elif refused is not None:
        end = f" -> nothing ({refused})"
    return (
        f"policy {policy['policyName']} ({policy['policyType']}):"
        f" {policy['reason']}{end}"
    )


def _scheduled(action: Document) -> str:
    bounds = action["scalableTargetAction"]
    assert isinstance(bounds, Mapping)
    parts = [f"{name} {value}" for name, value in bounds.items() if value is not None]
    time = action["nextTime"]
    when = "never again"
    if isinstance(time, int | float):
        when = f"next at {_date(time)}"
    return (
        f"scheduled action {action['scheduledActionName']}: {', '.join(parts)} by"
        f" {action['schedule']} in {action['timezone']}, {when}"
    )


def _date(unix_s: float) -> str:
    """Return a date and a time of day, local."""
    import datetime  # noqa: PLC0415 - lazy

    moment = datetime.datetime.fromtimestamp(unix_s, datetime.UTC).astimezone()
    return f"{moment:%Y-%m-%d %H:%M %Z}"


def _objects(document: Document, name: str) -> list[Document]:
    value = document.get(name)
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, Mapping)]


def _activities(control: Control, args: argparse.Namespace) -> int:
    all_ = "true" if args.include_not_scaled_activities else "false"
    answer = control.get(
        path_of(
            "v1",
            "services",
            args.service,
            "scaling",
            "activities",
            includeNotScaledActivities=all_,
        )
    )
    if args.output == "json":
        say_json(answer)
        return 0
    listed = _objects(answer, "scalingActivities")
    if not listed:
        say(f"{args.service}: no scaling activities")
    for line in activity_lines(listed):
        say(line)
    return 0


def activity_lines(listed: Sequence[Document]) -> list[str]:
    """Return activities as a table, oldest first."""
    rows = [
        (
            _time(one.get("startTime")),
            _status(one),
            one.get("description"),
            one.get("cause"),
            one.get("details"),
        )
        for one in listed
    ]
    return [*table(("TIME", "STATUS", "DESCRIPTION", "CAUSE", "DETAILS"), rows)]


def _time(value: object) -> str:
    return clock_time(value) if isinstance(value, int | float) else ""


def _status(activity: Document) -> object:
    """Return the status, or why nothing was scaled."""
    reasons = activity.get("notScaledReasons")
    if isinstance(reasons, list) and reasons:
        return ", ".join(str(one.get("code")) for one in reasons)
    return activity.get("statusCode")
