"""`alb weight LISTENER[/RULE] GROUP=N…`: change the weights of a forward by hand."""

from __future__ import annotations

import argparse

from controlplane.client import path_of
from controlplane.commands.place import control_of
from controlplane.commands.terminal import complain, say, say_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "place",
        metavar="LISTENER[/RULE]",
        help="a listener's port or name, a rule's name or priority; "
        "without a rule: the default action",
    )
    parser.add_argument("weights", nargs="+", type=_weight, metavar="GROUP=N")
    parser.add_argument(
        "--if-version",
        type=int,
        metavar="N",
        help="only if nobody changed weights since the answer that told this number",
    )


def main(args: argparse.Namespace) -> int:
    listener, _, rule = args.place.partition("/")
    body: dict[str, object] = {"weights": dict(args.weights), "rule": rule}
    if args.if_version is not None:
        body["ifVersion"] = args.if_version
    answer = control_of(args).post(
        path_of("v1", "listeners", listener, "weights"), body
    )
    if args.output == "json":
        say_json(answer)
        return 0
    weights = answer["weights"]
    assert isinstance(weights, dict)
    parts = ", ".join(f"{group} {weight}" for group, weight in weights.items())
    say(f"{args.place}: {parts} (version {answer['version']})")
    if not any(weights.values()):
        complain("every weight is 0: nothing receives these requests")
    return 0


def _weight(text: str) -> tuple[str, int]:
    group, _, weight = text.rpartition("=")
    if not group or not weight.isdecimal():
        raise argparse.ArgumentTypeError(f'"{text}" is not GROUP=N')
    return group, int(weight)
