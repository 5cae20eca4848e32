"""`alb events`: what happened, each decision with its reason."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from controlplane.commands.place import control_of
from controlplane.commands.terminal import clock_time, say, say_json_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-F", "--follow", action="store_true", help="go on")
    parser.add_argument(
        "--since", type=int, default=0, metavar="ID", help="only events after this one"
    )


def main(args: argparse.Namespace) -> int:
    control = control_of(args)
    ask = control.follow_events if args.follow else control.events
    for event in ask(args.since):
        if args.output == "json":
            document = asdict(event)
            say_json_line({"id": event.id, "time": document.pop("unix_s"), **document})
        else:
            subject = f"{event.subject}: " if event.subject else ""
            when = clock_time(event.unix_s)
            say(f"{when} {event.source:<8} {subject}{event.message}")
    return 0
