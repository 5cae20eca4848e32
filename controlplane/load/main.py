"""`alb load`: the entry points. Importing this is cheap; running is not.

status = main(parser.parse_args())        a process of its own
report = await run(options)               inside another event loop
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from controlplane.load.options import (
    LoadOptions,
    OptionsInvalid,
    add_arguments,
    options_of,
)
from controlplane.load.shape import ShapeInvalid

if TYPE_CHECKING:
    from asyncio import Event

    from controlplane.load.outcome import Second
    from controlplane.load.report import LoadReport

__all__ = ["LoadOptions", "add_arguments", "main", "options_of", "run"]

FAILED_STATUS = 1
USAGE_STATUS = 2


async def run(
    options: LoadOptions,
    on_second: Callable[[Second], None] | None = None,
    stop: Event | None = None,
) -> LoadReport:
    """Send the whole shape and report; `stop` ends the sending early.

    Raises OSError if a host does not resolve or the witness's port is taken.
    """
    import asyncio  # noqa: PLC0415 - as cheap as the docstring says

    from controlplane.load.generator import generate  # noqa: PLC0415

    stop = stop or asyncio.Event()
    return await generate(options, on_second or (lambda _: None), stop)


def main(args: argparse.Namespace) -> int:
    """Run `alb load` and return its exit status: 0, 1 if a request failed, or 2."""
    try:
        options = options_of(args)
    except (OptionsInvalid, ShapeInvalid) as error:
        sys.stderr.write(f"alb load: {error}\n")
        return USAGE_STATUS
    from controlplane.load.terminal import run_in_terminal  # noqa: PLC0415

    try:
        return run_in_terminal(options)
    except OSError as error:
        sys.stderr.write(f"alb load: {error}\n")
        return FAILED_STATUS
