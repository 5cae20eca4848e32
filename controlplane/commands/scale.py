"""`alb scale SERVICE=N`: set desired counts by hand."""

from __future__ import annotations

import argparse

from controlplane.client import path_of
from controlplane.commands.place import control_of
from controlplane.commands.terminal import say, say_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("counts", nargs="+", type=_count, metavar="SERVICE=N")


def main(args: argparse.Namespace) -> int:
    control = control_of(args)
    for service, count in args.counts:
        path = path_of("v1", "services", service, "scale")
        answer = control.post(path, {"desiredCount": count})
        if args.output == "json":
            say_json(answer)
        else:
            say(f"{service}: desired count {count}")
    return 0


def _count(text: str) -> tuple[str, int]:
    service, _, count = text.rpartition("=")
    if not service or not count.isdecimal():
        raise argparse.ArgumentTypeError(f'"{text}" is not SERVICE=N')
    return service, int(count)
