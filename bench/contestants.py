"""The proxies that are compared: how each is started, on which cores, with what.

Each has its configuration in `peers/`, with ${LISTEN}, ${ORIGIN_A}, ${ORIGIN_B},
${ADMIN} and ${DIRECTORY} filled in, and may use one worker. Ours beside itself, with
one more feature on, is in VARIANTS.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PEERS: Final = Path(__file__).parent / "peers"
ROOT: Final = PEERS.parents[1]
VENV: Final = Path(sys.executable).parent
PYPI_PEERS: Final = Path(os.environ.get("ALB_PEERS", ROOT / ".venv-peers")) / "bin"
COMPILED: Final = Path(os.environ.get("ALB_COMPILED_VENV", ROOT / ".venv-compiled"))
"""Where the wheel is installed: the same sources, the request path compiled."""
PATH: Final = f"{PYPI_PEERS}:{VENV}:{os.environ['PATH']}:/usr/sbin:/sbin"

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Contestant:
    """One proxy. Everywhere ${NAME} stands for a value."""

    name: str
    command: tuple[str, ...]
    version: tuple[str, ...]
    environment: Values = field(default_factory=dict)
    prepare: tuple[str, ...] = ()
    """Files of `peers/` that are written, filled in, into the directory."""
    log_off: str = ""
    """What stands for ${LOG} in its configuration when it writes no access log."""
    log_on: str = ""
    settings: Values = field(default_factory=dict)
    """What else stands in its configuration."""

    def missing(self) -> str:
        """What is not installed, or nothing ("")."""
        program = self.command[0]
        return "" if shutil.which(program, path=PATH) else f"no {program}"

    def version_told(self) -> str:
        """What it says of itself, without where on this machine it stands."""
        done = subprocess.run(
            self.version,
            env={"PATH": PATH},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line]
        if not lines:
            return "unknown"
        words = (
            Path(word).name if word[:1] == "/" else word for word in lines[0].split()
        )
        return " ".join(words)

    def start(
        self, values: Values, cores: str, *, logs: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start it on `cores`, its output in `${DIRECTORY}/NAME.log`."""
        more = {**self.settings, "LOG": self.log_on if logs else self.log_off}
        values = {**values, **{name: filled(more[name], values) for name in more}}
        for name in self.prepare:
            written = Path(values["DIRECTORY"], name)
            written.write_text(filled((PEERS / name).read_text(), values))
        command = [filled(part, values) for part in self.command]
        environment = {n: filled(v, values) for n, v in self.environment.items()}
        with Path(values["DIRECTORY"], f"{self.name}.log").open("ab") as output:
            return subprocess.Popen(
                ["taskset", "--cpu-list", cores, *command],
                env={**os.environ, "PATH": PATH, **environment},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )


# fmt: off
def _ours(
    name: str, folder: Path = COMPILED / "bin", attributes: str = "", targets: int = 1
) -> Contestant:
    """Ours as installed in `folder`; `attributes` of both groups, of so many targets.

    The target answers at many addresses of this machine.
    """
    a, b = (
        ", ".join(
            f"{{id: 127.0.0.{number + 1}, port: ${{ORIGIN_{group}}}}}"
            for number in range(targets)
        )
        for group in "AB"
    )
    return Contestant(
        name,
        (str(folder / "alb"), "up", "-f", "${DIRECTORY}/alb.yaml",
         "--workers", "1", "--state-dir", "${DIRECTORY}/alb"),
        (str(folder / "alb"), "version"), prepare=("alb.yaml",),
        log_on="access_logs.s3.enabled: true,"
        " alb.access_logs.directory: ${DIRECTORY}/logs, ",
        settings={"GROUP": f"{{{attributes}}}", "TARGETS_A": a, "TARGETS_B": b},
    )


CONTESTANTS: Final = {
    contestant.name: contestant
    for contestant in (
        _ours("alb"),
        _ours("alb-pure", VENV),
        Contestant(
            "haproxy", ("haproxy", "-db", "-f", "${DIRECTORY}/haproxy.cfg"),
            ("haproxy", "-v"), prepare=("haproxy.cfg",),
            log_off="log stderr local0 emerg",
            log_on="log stdout format raw local0 info",
        ),
        Contestant(
            "nginx", ("nginx", "-c", "${DIRECTORY}/nginx.conf"),
            ("nginx", "-v"), prepare=("nginx.conf",),
            log_off="access_log off;",
            log_on="access_log ${DIRECTORY}/access.log combined buffer=64k flush=1s;",
        ),
        Contestant(
            "envoy",
            ("envoy", "--config-path", "${DIRECTORY}/envoy.yaml", "--concurrency", "1",
             "--log-level", "error", "--disable-hot-restart"),
            ("envoy", "--version"), prepare=("envoy.yaml",),
        ),
        Contestant(
            "caddy",
            ("caddy", "run", "--config", "${DIRECTORY}/Caddyfile",
             "--adapter", "caddyfile"),
            ("caddy", "version"), {"GOMAXPROCS": "1", "HOME": "${DIRECTORY}"},
            prepare=("Caddyfile",),
        ),
        Contestant(
            "aiohttp",
            (sys.executable, str(PEERS / "aiohttp_application.py"),
             "${LISTEN}", "${ORIGIN_A}", "${ORIGIN_B}"),
            (sys.executable, "-c",
             "import aiohttp; print('aiohttp', aiohttp.__version__)"),
        ),
    )
}
VARIANTS: Final = {
    name: _ours(name, attributes=attributes, targets=4)
    for name, attributes in (
        ("round-robin", ""),
        ("sticky", "stickiness.enabled: true, stickiness.type: lb_cookie"),
        ("least-outstanding",
         "load_balancing.algorithm.type: least_outstanding_requests"),
        ("max-concurrency", "alb.max_concurrency: 32"),
    )
}
"""Ours with four targets in each group, and what is on there; 32: of 64 connections
no group can be full."""
KNOWN: Final = {**CONTESTANTS, **VARIANTS}
ORIGIN: Final = Contestant(
    "origin", ("nginx", "-c", "${DIRECTORY}/origin.conf"),
    ("nginx", "-v"), prepare=("origin.conf",),
)
SINK: Final = Contestant(
    "sink", (sys.executable, str(PEERS / "sink.py"), "${SINK}"), (sys.executable, "-V")
)
"""Swallows uploads behind the target: nginx would keep them on its disk."""
# fmt: on


def filled(text: str, values: Values) -> str:
    """Put values in the place of ${NAME}; other uses of $ are the peer's own."""
    return re.sub(
        r"\$\{([A-Z_]+)\}", lambda found: values.get(found[1], found[0]), text
    )


_KEPT: Final[list[socket.socket]] = []
"""What tells other benchmarks of this machine that our ports are taken."""


def free_ports(count: int) -> list[str]:
    """Ports nobody listens on now, below the range the kernel takes clients' from.

    They are ours until this process ends, also while nothing listens on them: two
    benchmarks that run at once must not measure each other's proxies.
    """
    found: list[str] = []
    for port in range(20_000, 24_000):
        if len(found) == count:
            return found
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0alb-bench-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            mark.close()
            continue
        _KEPT.append(mark)
        found.append(str(port))
    raise RuntimeError("no free ports between 20000 and 24000")
