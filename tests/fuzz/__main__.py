"""Fuzz one target guided by coverage: python -m tests.fuzz TARGET [libFuzzer's flags]

Needs atheris (`make fuzz` installs it). What it finds is written to a file beside it,
`crash-…`; give that file as an argument to see it again, and its bytes to a test.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

NEEDED = 2


def main(arguments: list[str]) -> int:
    try:
        import atheris  # noqa: PLC0415 - optional
    except ImportError:
        sys.stderr.write("fuzz: skipped, atheris has no wheel for this Python\n")
        return 0
    with atheris.instrument_imports(include=["alb"]):
        from tests.fuzz.targets import TARGETS, WORDS  # noqa: PLC0415 - instrumented
    if len(arguments) < NEEDED or arguments[1] not in TARGETS:
        sys.stderr.write(f"fuzz: one of {', '.join(TARGETS)}\n")
        return 2
    target = TARGETS[arguments[1]]
    with tempfile.TemporaryDirectory() as seeds:
        for number, word in enumerate(WORDS[target]):
            Path(seeds, str(number)).write_bytes(word * 2)
        Path(seeds, "all").write_bytes(b"".join(WORDS[target]))
        atheris.Setup([arguments[0], *arguments[2:], seeds], target)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
