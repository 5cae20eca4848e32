"""`alb alarm NAME`: one alarm; `alb alarm set|enable|disable NAME`: command it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Final

from controlplane.client import Control, Document, path_of
from controlplane.commands.alarms import objects, time_of, watched
from controlplane.commands.place import control_of
from controlplane.commands.terminal import complain, say, say_json, table

DESCRIPTION: Final = """\
alb alarm NAME                        its state, datapoints and history
alb alarm set NAME STATE --reason R   its state until it is evaluated next
alb alarm enable NAME...              run its actions
alb alarm disable NAME...             do not run its actions

An alarm that is named like one of these words: alb alarm show NAME."""
HISTORY_SHOWN: Final = 20
USAGE: Final = 2
STATES: Final = ("OK", "ALARM", "INSUFFICIENT_DATA")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="+", metavar="NAME", help="see above")
    parser.add_argument(
        "--reason", metavar="TEXT", help="of set: why, for its history and actions"
    )
    parser.add_argument(
        "--reason-data",
        default="",
        metavar="JSON",
        help="of set: its newest of recentDatapoints is what policies scale by",
    )


def main(args: argparse.Namespace) -> int:
    word, *rest = args.words
    found = _WORDS.get(word)
    if found is None:
        found, rest = _show, args.words
    return found(args, rest)


def _show(args: argparse.Namespace, words: list[str]) -> int:
    if len(words) != 1:
        complain("alb alarm: one NAME is shown; alb alarms shows all")
        return USAGE
    control, (name,) = control_of(args), words
    alarm = control.get(path_of("v1", "alarms", name))
    history = control.get(path_of("v1", "alarms", name, "history"))
    if args.output == "json":
        say_json({**alarm, **history})
        return 0
    for line in told(alarm, history):
        say(line)
    return 0


def told(alarm: Document, history: Document) -> Iterator[str]:
    """Yield an alarm's lines: what it is, why, what it saw, what became of it."""
    since = time_of(alarm, "StateTransitionedTimestamp")
    yield f"{alarm.get('AlarmName')}: {alarm.get('StateValue')} since {since}"
    yield f"  {watched(alarm)}"
    yield f"  {alarm.get('StateReason')}"
    if not alarm.get("ActionsEnabled"):
        yield "  its actions are disabled"
    if "ActionsSuppressedBy" in alarm:
        yield f"  its actions are suppressed by {alarm['ActionsSuppressedBy']}"
    points = [
        (time_of(point, "Timestamp"), _value(point.get("Value")))
        for point in reversed(objects(alarm, "Datapoints"))
    ]
    items = [
        (
            time_of(item, "Timestamp"),
            item.get("HistoryItemType"),
            item.get("HistorySummary"),
        )
        for item in objects(history, "AlarmHistoryItems")
    ]
    for lines in (
        table(("DATAPOINT", "VALUE"), points),
        table(("TIME", "HISTORY", "WHAT"), items[:HISTORY_SHOWN]),
    ):
        shown = list(lines)
        if shown:
            yield ""
            yield from shown


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else "missing"


def _set(args: argparse.Namespace, words: list[str]) -> int:
    if len(words) != 2 or words[1] not in STATES or args.reason is None:  # noqa: PLR2004
        complain(f"usage: alb alarm set NAME {'|'.join(STATES)} --reason TEXT")
        return USAGE
    name, state = words
    body = {
        "stateValue": state,
        "stateReason": args.reason,
        "stateReasonData": args.reason_data,
    }
    answer = control_of(args).post(path_of("v1", "alarms", name, "state"), body)
    if args.output == "json":
        say_json(answer)
    else:
        say(f"{name}: {state}, until it is evaluated next")
    return 0


def _enable(args: argparse.Namespace, words: list[str]) -> int:
    return _switch(args, words, "enabled")


def _disable(args: argparse.Namespace, words: list[str]) -> int:
    return _switch(args, words, "disabled")


def _switch(args: argparse.Namespace, names: list[str], word: str) -> int:
    if not names:
        complain("alb alarm: which? NAME is missing")
        return USAGE
    control: Control = control_of(args)
    body = {"actionsEnabled": word == "enabled"}
    answers = [
        control.post(path_of("v1", "alarms", name, "actions"), body) for name in names
    ]
    if args.output == "json":
        say_json(answers)
        return 0
    for name in names:
        say(f"{name}: its actions are {word}")
    return 0


_WORDS: Final[dict[str, Callable[[argparse.Namespace, list[str]], int]]] = {
    "show": _show,
    "set": _set,
    "enable": _enable,
    "disable": _disable,
}
