"""Run a command where a Docker Engine answers: the one there is, else one of our own.

    python -m tests.support.with_engine COMMAND...

Ours lives in a network of its own, as the command then does, and ends with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.engines import own_network, private_engine
from tests.support.needs import answering_engine


def main(command: Sequence[str]) -> int:
    if answering_engine():
        return subprocess.call(command)
    own_network()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the engine ends with us
    with (
        tempfile.TemporaryDirectory(prefix="alb-engine-") as name,
        private_engine(Path(name)) as engine,
    ):
        environment = {**os.environ, "DOCKER_HOST": engine.endpoint}
        return subprocess.call(command, env=environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
