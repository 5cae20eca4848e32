"""`alb load URL`: see `controlplane.load`."""

from __future__ import annotations

import argparse

from controlplane.load import main as load
from controlplane.load.options import add_arguments

__all__ = ["add_arguments", "main"]


def main(args: argparse.Namespace) -> int:
    args.json = args.json or args.output == "json"
    return load.main(args)
