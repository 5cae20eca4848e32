"""`alb plan`: what `apply` would change, and where live values have drifted."""

from __future__ import annotations

import argparse
from typing import Final

from controlplane.client import Document, Unreachable
from controlplane.commands.place import Place, control_of
from controlplane.commands.terminal import complain, say, say_json
from controlplane.commands.validate import check

CHANGES: Final = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--detailed-exitcode",
        action="store_true",
        help=f"exit with {CHANGES} when there are changes",
    )


def main(args: argparse.Namespace) -> int:
    place = Place.of(args)
    check(place)
    try:
        answer = control_of(args).post("/v1/plan", place.submission())
    except Unreachable:
        if args.control:
            raise
        complain("nothing runs here: alb up creates all of it")
        return CHANGES if args.detailed_exitcode else 0
    changed = tell(answer, args.output)
    return CHANGES if changed and args.detailed_exitcode else 0


def tell(answer: Document, output: str) -> bool:
    """Print a plan; return whether it changes anything."""
    plan = answer.get("plan")
    assert isinstance(plan, list)
    changes = [change for change in plan if change.get("kind") not in UNCHANGING]
    if output == "json":
        say_json(answer)
        return bool(changes)
    for change in plan:
        say(str(change["text"]))
    if not changes:
        say("no changes")
    return bool(changes)


UNCHANGING: Final = frozenset({"drift", "kept"})
"""Kinds of a plan's lines that say what stays as it is."""
