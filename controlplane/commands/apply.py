"""`alb apply`: change the running cluster to a file."""

from __future__ import annotations

import argparse
from typing import Final

from controlplane.commands import plan
from controlplane.commands.place import Place, control_of
from controlplane.commands.validate import check

TIMEOUT_S: Final = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def main(args: argparse.Namespace) -> int:
    place = Place.of(args)
    check(place)
    answer = control_of(args).post("/v1/apply", place.submission(), TIMEOUT_S)
    plan.tell(answer, args.output)
    return 0
