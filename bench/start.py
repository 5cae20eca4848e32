"""How long it is from `alb up` to the first answer of a target.

    python -m bench.start [--rounds 11]

The file is configs/fixed-targets.yaml, with a state directory that is new; workers as
many as cores, as without options. The clock begins before the command and ends when a
request through the listener is answered 200; the command itself may return later.
The wheel and the sources take turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.contestants import COMPILED, ROOT, VENV, Contestant, Values
from bench.cpu import cpu_s, descendants, end_since
from bench.record import is_smoke, write_result
from bench.stage import START_DEADLINE_S, answers, stage
from bench.workloads import NotComparable

CORES: Final = "0,1"
LOOK_S: Final = 0.002
BUILDS: Final = {"wheel": COMPILED / "bin", "sources": VENV}


def main() -> int:
    options = parse(sys.argv[1:])
    if is_smoke():
        options.rounds = 1
    try:
        found = rounds(options.rounds)
    except NotComparable as why:
        print(f"NOT MEASURED: {why}", file=sys.stderr)
        return 1
    medians = {name: median_s(of) for name, of in found.items()}
    for name, (wall_s, used_s) in medians.items():
        print(f"{name:8} ready after {wall_s:.3f} s, with {used_s:.2f} s of CPU")
    write_result(
        "start",
        "seconds from alb up with fixed targets to the first 200 through the "
        "listener, and CPU of all processes until then",
        {
            "ready_s": {
                name: round(wall_s, 3) for name, (wall_s, _) in medians.items()
            },
            "cpu_s": {name: round(used_s, 3) for name, (_, used_s) in medians.items()},
            "rounds": found,
        },
    )
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    return parser.parse_args(arguments)


def median_s(found: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the median of the seconds, and that of the CPU seconds."""
    return (
        statistics.median(wall_s for wall_s, _ in found),
        statistics.median(used_s for _, used_s in found),
    )


def rounds(count: int) -> dict[str, list[tuple[float, float]]]:
    """Return (seconds, CPU seconds) of each round, by what was started."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in BUILDS}
    with stage() as values:
        for number in range(count):
            for name, folder in BUILDS.items():
                wall_s, used_s = one(_command(name, folder, number), values)
                found[name].append((round(wall_s, 4), round(used_s, 3)))
                print(
                    f"round {number + 1}: {name:8} {wall_s:.3f} s, CPU {used_s:.2f} s"
                )
    return found


def _command(name: str, folder: Path, number: int) -> Contestant:
    # fmt: off
    return Contestant(
        f"start-{name}",
        (str(folder / "alb"), "up", "-f", str(ROOT / "configs" / "fixed-targets.yaml"),
         "--state-dir", f"${{DIRECTORY}}/{name}-{number}"),
        (str(folder / "alb"), "version"),
        environment={"LISTENER": "${LISTEN}", "TARGET_A": "${ORIGIN_A}",
                     "TARGET_B": "${ORIGIN_B}"},
    )
    # fmt: on


def one(contestant: Contestant, values: Values) -> tuple[float, float]:
    """Return seconds to the first answer, and the CPU seconds they took."""
    before = descendants(os.getpid())
    began = time.monotonic()
    process = contestant.start(values, CORES)
    try:
        while not answers(values["LISTEN"]):
            if process.poll() is not None or (
                time.monotonic() > began + START_DEADLINE_S
            ):
                raise NotComparable(f"{contestant.name} did not start")
            time.sleep(LOOK_S)
        return time.monotonic() - began, cpu_s(descendants(os.getpid()) - before)
    finally:
        end_since(before)
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
