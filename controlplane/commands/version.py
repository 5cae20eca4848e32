"""`alb version`: the version of this program, and how its request path runs."""

from __future__ import annotations

import argparse
import importlib.util
from importlib.machinery import EXTENSION_SUFFIXES

from controlplane.commands.terminal import say, say_json
from controlplane.version import __version__


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def main(args: argparse.Namespace) -> int:
    path = request_path()
    if args.output == "json":
        say_json({"version": __version__, "requestPath": path})
    else:
        say(f"alb {__version__} (request path: {path})")
    return 0


def request_path() -> str:
    """Return "compiled" or "python": what the workers of this installation run.

    A wheel may have it compiled; a checkout runs its sources.
    """
    found = importlib.util.find_spec("alb.app.exchange")
    origin = found.origin if found else None
    compiled = origin is not None and origin.endswith(tuple(EXTENSION_SUFFIXES))
    return "compiled" if compiled else "python"
