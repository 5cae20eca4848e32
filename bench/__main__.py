"""Every measurement, one after the other, and what is promised beside what was found.

    python -m bench [KIND...] [--rounds N]
    python -m bench --table

Without kinds all of them run. The table is of the newest results in `results/`. With
BENCH_SMOKE=1 each runs for a moment, and the table, which then says nothing of
speed, is of what that found.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.contestants import ROOT
from bench.promises import table
from bench.record import RESULTS, is_smoke, kind_of
from bench.workloads import WORKLOADS

COMMANDS: Final = {
    **{
        kind_of(workload): ("bench.proxy", "--workload", name)
        for name, workload in WORKLOADS.items()
    },
    **{
        kind: (f"bench.{kind}",)
        for kind in (
            "slope",
            "idle",
            "latency",
            "workers",
            "pause",
            "start",
            "changes",
            "hostile",
            "placement",
            "series",
            "tasks",
            "reaction",
            "soak",
        )
    },
}
"""What makes the results of each kind."""
APART: Final = frozenset({"soak"})
"""It takes an hour: only where it is named, or tried."""


def main() -> int:
    options = parse(sys.argv[1:])
    if options.table:
        print(table(RESULTS))
        return 0
    if not is_smoke():
        return _run(options, RESULTS)
    with tempfile.TemporaryDirectory(prefix="alb-bench-") as directory:
        return _run(options, Path(directory))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(COMMANDS))
    parser.add_argument("--rounds", help="instead of what each takes")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    options = parser.parse_args(arguments)
    if unknown := set(options.kinds) - set(COMMANDS):
        parser.error(f"no such kind: {', '.join(sorted(unknown))}")
    return options


def _run(options: argparse.Namespace, results: Path) -> int:
    """Run what was asked for; say what failed, go on, and print the table."""
    failed = []
    more = ("--rounds", options.rounds) if options.rounds else ()
    usual = [kind for kind in COMMANDS if kind not in APART or is_smoke()]
    for kind in options.kinds or usual:
        print(f"== {kind}", flush=True)
        done = subprocess.run(
            (sys.executable, "-m", *COMMANDS[kind], *(() if kind in APART else more)),
            cwd=ROOT,
            env={**os.environ, "BENCH_RESULTS": str(results)},
            check=False,
        )
        if done.returncode:
            failed.append(kind)
    print(table(results))
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
