"""Compile the request path while a wheel is built (a build hook of hatchling).

    HATCH_BUILD_HOOKS_ENABLE=true pip wheel --no-deps .

mypyc reads the sources as they are and writes C: the wheel has a module of
machine code beside each source it was made from, and Python prefers that one.
Without the variable, or in an editable install, the same sources run as they
are. `alb.errors` and `alb.model` stay Python: mypyc cannot read the Enum of the
one, and the other is read when configuration arrives, not per request.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMPILED = (
    "alb/decide/access_log.py",
    "alb/decide/anomaly.py",
    "alb/decide/balance.py",
    "alb/decide/certificates.py",
    "alb/decide/choosers.py",
    "alb/decide/chunked.py",
    "alb/decide/conditions.py",
    "alb/decide/cookies.py",
    "alb/decide/desync.py",
    "alb/decide/draws.py",
    "alb/decide/fixed.py",
    "alb/decide/forwarded.py",
    "alb/decide/head.py",
    "alb/decide/path_index.py",
    "alb/decide/ramp.py",
    "alb/decide/redirect.py",
    "alb/decide/rendezvous.py",
    "alb/decide/request.py",
    "alb/decide/response.py",
    "alb/decide/retry.py",
    "alb/decide/rewrite.py",
    "alb/decide/rules.py",
    "alb/decide/sealing.py",
    "alb/decide/trace.py",
    "alb/decide/uri.py",
    "alb/decide/wildcard.py",
    "alb/state/access_log.py",
    "alb/state/counters.py",
    "alb/state/groups.py",
    "alb/state/histogram.py",
    "alb/state/limit.py",
    "alb/state/sessions.py",
    "alb/state/shared_counts.py",
    "alb/state/table.py",
    "alb/state/targets.py",
    "alb/drivers/client.py",
    "alb/drivers/tls.py",
    "alb/drivers/upstream.py",
    "alb/app/door.py",
    "alb/app/exchange.py",
    "alb/app/onward.py",
    "alb/app/relay.py",
)


class CompiledRequestPath(BuildHookInterface[Any]):
    """Adds the compiled modules to a wheel. Works in a copy: the sources stay clean."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        self._copy = Path(tempfile.mkdtemp(prefix="alb-compile-"))
        for package in ("alb", "foundation"):
            shutil.copytree(
                Path(self.root, package),
                self._copy / package,
                ignore=shutil.ignore_patterns("*.so", "__pycache__"),
            )
        command = [sys.executable, "-m", "mypyc", "--ignore-missing-imports", *COMPILED]
        done = subprocess.run(  # noqa: S603 - our own command
            command, cwd=self._copy, capture_output=True, text=True, check=False
        )
        if done.returncode:
            lines = (done.stdout + done.stderr).splitlines()
            told = [line for line in lines if "rror" in line] or lines[-10:]
            raise RuntimeError(
                "mypyc did not compile the request path\n" + "\n".join(told)
            )
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"] |= {
            str(made): str(made.relative_to(self._copy))
            for made in self._copy.rglob("*.so")
            if "build" not in made.relative_to(self._copy).parts
        }

    def finalize(
        self, version: str, build_data: dict[str, Any], artifact_path: str
    ) -> None:
        shutil.rmtree(self._copy)
