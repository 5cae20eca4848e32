"""What a test may need beyond Python, and how to get it.

`@pytest.mark.needs("docker")` skips where the need is missing and says how to
get it; `ALB_REQUIRE=docker,engines` or `ALB_REQUIRE=all` makes that a failure,
so CI cannot pass by skipping.
"""

from __future__ import annotations

import functools
import os
import resource
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.engines import ping
from tests.support.examples import IS_THOROUGH

ROOT: Final = Path(__file__).resolve().parents[2]
FILES: Final = 12_000
"""Open files in one process, by its hard limit."""
REQUIRE: Final = os.environ.get("ALB_REQUIRE", "")


@dataclass(frozen=True, slots=True)
class Need:
    """One thing tests may need. `missing` says what is missing, or nothing ("")."""

    name: str
    missing: Callable[[], str]
    remedy: str

    def __str__(self) -> str:
        return f"needs {self.name}: {self.missing()}; {self.remedy}"


def answering_engine() -> str:
    """The endpoint of an engine that already answers on a Unix socket, or ""."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    scheme, _, path = host.partition("://")
    return host if scheme == "unix" and ping(path) else ""


def corpora() -> Path:
    """Where the recorded cases of others lie: ALB_CORPORA, or beside the checkout."""
    told = os.environ.get("ALB_CORPORA")
    return Path(told) if told else ROOT.parent / "shared" / "corpora"


def peers() -> Path:
    """Where `make engines` put the proxies that PyPI distributes."""
    return Path(os.environ.get("ALB_PEERS", ROOT / ".venv-peers")) / "bin"


def peer(name: str) -> str | None:
    """The path of a proxy we compare with, or None where it is not installed."""
    return shutil.which(name, path=f"{peers()}:{os.environ['PATH']}:/usr/sbin")


def _not_installed(*programs: str) -> str:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    absent = [name for name in programs if shutil.which(name, path=path) is None]
    return f"no {', '.join(absent)}" if absent else ""


def _not_root() -> str:
    return "" if os.geteuid() == 0 else "not root"


def _no_docker() -> str:
    if answering_engine():
        return ""
    return _not_installed("dockerd", "docker", "iptables", "ip") or _not_root()


def _no_engines() -> str:
    needed = ("dockerd", "docker", "iptables", "ip", "nsenter", "unshare")
    return _not_installed(*needed) or _not_root()


def _no_cc() -> str:
    return _not_installed("cc")


def _no_systemd() -> str:
    return _not_installed("systemd-analyze")


def _no_sshd() -> str:
    return _not_installed("sshd", "ssh", "ssh-keygen") or _not_root()


def _no_corpora() -> str:
    return "" if corpora().is_dir() else "no recorded cases"


def _no_peers() -> str:
    absent = [n for n in ("haproxy", "nginx", "envoy", "caddy") if peer(n) is None]
    return f"no {', '.join(absent)}" if absent else ""


def _no_nginx() -> str:
    return "" if peer("nginx") else "no nginx"


def _no_prometheus() -> str:
    return _not_installed("prometheus")


def _no_nodejs() -> str:
    return _not_installed("node")


def _no_ipv6() -> str:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError as problem:
        return f"no ::1 ({problem.strerror})"
    return ""


def _few_files() -> str:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard == resource.RLIM_INFINITY or hard >= FILES
    return "" if enough else f"at most {hard} files may be open, not {FILES}"


def _no_time() -> str:
    return "" if IS_THOROUGH else "this run is a quick one"


def _no_browser() -> str:
    return _not_installed("chromium")


INSTALL: Final = "`make engines` installs it (Debian, root)"

# fmt: off
NEEDS: Final = {
    need.name: Need(need.name, functools.cache(need.missing), need.remedy)
    for need in (
        Need("root", _not_root, "run as root, as .ci/run does"),
        Need("time", _no_time, "ALB_EXAMPLES=thorough takes it, as .ci/run does"),
        Need("docker", _no_docker, f"start a Docker Engine, or {INSTALL}"),
        Need("engines", _no_engines, INSTALL),
        Need("sshd", _no_sshd, INSTALL),
        Need("cc", _no_cc, INSTALL),
        Need("systemd", _no_systemd, INSTALL),
        Need("prometheus", _no_prometheus, INSTALL),
        Need("peers", _no_peers, INSTALL),
        Need("corpora", _no_corpora, "set ALB_CORPORA to the folder of recorded cases"),
        Need("nginx", _no_nginx, INSTALL),
        Need("nodejs", _no_nodejs, INSTALL),
        Need("ipv6", _no_ipv6, "switch IPv6 on: sysctl net.ipv6.conf.lo.disable_ipv6=0"),
        Need("files", _few_files, f"ulimit -Hn {FILES}"),
        Need("browser", _no_browser, "apt-get install chromium"),
    )
}
# fmt: on


def required() -> frozenset[str]:
    """The needs whose absence fails, from ALB_REQUIRE."""
    names = {name.strip() for name in REQUIRE.split(",") if name.strip()}
    if "all" in names:
        names = names - {"all"} | set(NEEDS)
    if unknown := sorted(names - set(NEEDS)):
        raise ValueError(f"ALB_REQUIRE: no such need {unknown}; known: {sorted(NEEDS)}")
    return frozenset(names)
