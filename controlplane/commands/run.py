"""`alb run FAMILY [-- COMMAND…]`: run tasks once, of no service.

With `--wait` it returns when they have ended, with the exit code of the first
essential container that did not end with 0.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from typing import Final

from controlplane.client import Control, Document, path_of
from controlplane.commands.place import control_of
from controlplane.commands.terminal import complain, say, say_json

COMMAND_AFTER: Final = "overriding"
"""What stands behind ``--`` takes the place of a container's command."""
LOOK_S: Final = 0.5
FAILED: Final = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("family", metavar="FAMILY", help="as the file defines it")
    parser.set_defaults(overriding=[])
    parser.add_argument(
        "-c",
        "--container",
        metavar="NAME",
        help="whose command and variables (default: the first essential one's)",
    )
    parser.add_argument("--count", type=int, default=1, metavar="N", help="tasks")
    parser.add_argument(
        "-e", "--env", action="append", default=[], type=_variable, metavar="NAME=VALUE"
    )
    parser.add_argument(
        "--placement-strategy",
        nargs="+",
        default=[],
        type=_shorthand,
        metavar="type=T,field=F",
        help="one after the other: spread, binpack, random",
    )
    parser.add_argument(
        "--placement-constraints",
        nargs="+",
        default=[],
        type=_shorthand,
        metavar="type=T,expression=E",
        help="distinctInstance; memberOf with a cluster query",
    )
    parser.add_argument("--started-by", default="", metavar="TEXT")
    parser.add_argument(
        "--enable-execute-command",
        action="store_true",
        help="so that `alb exec` can run commands in them",
    )
    parser.add_argument("--wait", action="store_true", help="until they have ended")


def main(args: argparse.Namespace) -> int:
    control = control_of(args)
    answer = control.post("/v1/tasks", _asked(args))
    if args.wait:
        answer = {**answer, "tasks": list(_ended(control, answer))}
    if args.output == "json":
        say_json(answer)
    else:
        _tell(answer)
    if _list(answer, "failures"):
        return FAILED
    return exit_status(_list(answer, "tasks")) if args.wait else 0


def _asked(args: argparse.Namespace) -> Document:
    override: dict[str, object] = {"name": args.container or ""}
    if args.overriding:
        override["command"] = args.overriding
    if args.env:
        override["environment"] = [{"name": n, "value": v} for n, v in args.env]
    differs = len(override) > 1
    return {
        "taskDefinition": args.family,
        "count": args.count,
        "startedBy": args.started_by,
        "placementStrategy": args.placement_strategy,
        "placementConstraints": args.placement_constraints,
        "enableExecuteCommand": args.enable_execute_command,
        "overrides": {"containerOverrides": [override] if differs else []},
    }


def _variable(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f'"{text}" is not NAME=VALUE')
    return name, value


def _shorthand(text: str) -> dict[str, str]:
    """Read ``type=T,NAME=VALUE`` as the AWS CLI does; a value may have commas."""
    kind, _, rest = text.partition(",")
    found = dict([kind.partition("=")[::2]])
    if rest:
        name, separator, value = rest.partition("=")
        found[name] = value if separator else ""
    if "type" not in found or "" in found.values():
        message = f'"{text}" is not type=T or type=T,NAME=VALUE'
        raise argparse.ArgumentTypeError(message)
    return found


def _ended(control: Control, answer: Document) -> Iterator[Document]:
    """Yield each task once it is STOPPED."""
    for task in _list(answer, "tasks"):
        path = path_of("v1", "tasks", id_of(task))
        while True:
            found = control.get(path)["task"]
            assert isinstance(found, Mapping)
            if found["lastStatus"] == "STOPPED":
                yield found
                break
            time.sleep(LOOK_S)


def exit_status(tasks: list[Document]) -> int:
    """Return the first exit code that is not 0; 1 for a task that never ran."""
    for task in tasks:
        codes = [each.get("exitCode") for each in _list(task, "containers")]
        for code in codes:
            if isinstance(code, int) and code:
                return code
        if task.get("stopCode") == "TaskFailedToStart":
            return FAILED
    return 0


def _tell(answer: Document) -> None:
    for task in _list(answer, "tasks"):
        reason = task.get("stoppedReason", "")
        say(f"{id_of(task)}  {task['lastStatus']}  {reason}".rstrip())
    for failure in _list(answer, "failures"):
        complain(f"alb: {failure['reason']}: {failure['detail']}")


def id_of(task: Document) -> str:
    return str(task["taskArn"]).rpartition("/")[2]


def _list(document: Document, name: str) -> list[Document]:
    value = document.get(name)
    assert isinstance(value, list)
    return value
