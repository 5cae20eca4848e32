"""`alb logs SERVICE|TASK [CONTAINER]`: what tasks write, each line with its task.

Also of tasks that have stopped, as long as they can be described.
"""

from __future__ import annotations

import argparse

from controlplane.client import path_of
from controlplane.commands.place import control_of
from controlplane.commands.terminal import say, say_json_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="SERVICE|TASK", help="a service, or how a task's id begins"
    )
    parser.add_argument("container", nargs="?", default="", metavar="CONTAINER")
    parser.add_argument("-F", "--follow", action="store_true", help="go on")
    parser.add_argument(
        "--tail", type=int, metavar="N", help="only the last N lines of each container"
    )


def main(args: argparse.Namespace) -> int:
    query: dict[str, str | int | list[str]] = {"follow": int(args.follow)}
    if args.tail is not None:
        query["tail"] = args.tail
    if args.container:
        query["container"] = args.container
    path = path_of("v1", "services", args.name, "logs", **query)
    for line in control_of(args).lines(path):
        if args.output == "json":
            say_json_line({"line": line})
        else:
            say(line)
    return 0
