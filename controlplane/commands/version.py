"""`alb version`: the version of this program."""

from __future__ import annotations

import argparse

from controlplane.commands.terminal import say, say_json
from controlplane.version import __version__


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def main(args: argparse.Namespace) -> int:
    if args.output == "json":
        say_json({"version": __version__})
    else:
        say(f"alb {__version__}")
    return 0
