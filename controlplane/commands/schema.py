"""`alb schema`: the cluster file as a JSON Schema, for editors."""

from __future__ import annotations

import argparse

from controlplane.commands.terminal import say_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def main(args: argparse.Namespace) -> int:
    from controlplane.cluster_file import schema  # noqa: PLC0415 - lazy

    del args
    say_json(schema())
    return 0
