"""`alb activate INSTANCE…`: have container instances take tasks again."""

from __future__ import annotations

import argparse

from controlplane.commands.drain import change
from controlplane.commands.place import control_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instances", nargs="+", metavar="INSTANCE")


def main(args: argparse.Namespace) -> int:
    return change(control_of(args), args, "ACTIVE")
