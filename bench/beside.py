"""Run a program of ours beside a benchmark, until the benchmark ends its input."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.contestants import ROOT
from bench.load import Disturbed


@asynccontextmanager
async def beside(module: str, *arguments: str) -> AsyncIterator[None]:
    """Wait until it says that it is ``here``. Raises Disturbed when it ends early."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", module, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        said = await process.stdout.readline()
        if said != b"here\n":
            raise Disturbed(f"{module} said {said!r}")
        yield
        if process.returncode is not None:
            raise Disturbed(f"{module} ended with {process.returncode}")
    finally:
        process.stdin.close()
        await process.wait()
