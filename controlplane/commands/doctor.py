"""`alb doctor`: what on this machine could stand in the way, and what to do.

Each line is ok, warn or fail. Only looks: nothing is created, bound for longer
than a moment, or stopped.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import socket
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from controlplane import machine
from controlplane.client import ClientError
from controlplane.commands.node import SOCKET_PATH_MAX, Node
from controlplane.commands.place import Place
from controlplane.commands.terminal import say, say_json

if TYPE_CHECKING:
    from controlplane.cluster_file import ClusterFile
    from scheduler.instance import EndpointTls

FAILED: Final = 1
PYTHON_MIN: Final = (3, 11)
FILES_MIN: Final = 4096
"""Descriptors: a worker with 1,000 clients and as many targets uses half."""
PRIVATE_MODE: Final = 0o077
CORE_TOLERANCE: Final = 0.1
"""Two measurements of one core differ by less."""
DEFAULT_ENGINE: Final = "docker"
"""As findings name the engine that is used when the file names none."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `level` is ok, warn or fail; `advice` what to do."""

    level: str
    subject: str
    fact: str
    advice: str = ""

    def line(self) -> str:
        advice = f" -> {self.advice}" if self.advice else ""
        return f"{self.level:<4}  {self.subject}: {self.fact}{advice}"


def ok(subject: str, fact: str) -> Finding:
    return Finding("ok", subject, fact)


def warn(subject: str, fact: str, advice: str) -> Finding:
    return Finding("warn", subject, fact, advice)


def fail(subject: str, fact: str, advice: str) -> Finding:
    return Finding("fail", subject, fact, advice)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--benchmark",
        action="store_true",
        help="measure the cores of each container instance: what ecuPerCore should be",
    )


def main(args: argparse.Namespace) -> int:
    place = Place.of(args)
    findings = list(benchmark(place) if args.benchmark else look(place))
    if args.output == "json":
        say_json([{name: getattr(f, name) for name in f.__slots__} for f in findings])
    else:
        for finding in findings:
            say(finding.line())
    return FAILED if any(finding.level == "fail" for finding in findings) else 0


def look(place: Place) -> Iterator[Finding]:
    """Yield everything found, most general first."""
    yield python_version(sys.version_info[:2])
    yield module("uvloop", "event loops are slower without it")
    yield http_parser()
    yield open_files()
    cluster, finding = cluster_file(place)
    yield finding
    yield from port_ranges(cluster)
    yield from state_directory(Node(place.state_dir))
    yield from listeners(cluster, running=Node(place.state_dir).keeper_lives())
    yield from engines(cluster, uid_of(Node(place.state_dir)))


def benchmark(place: Place) -> Iterator[Finding]:
    """Yield how fast the cores of each instance are, beside those of this machine."""
    from controlplane import speed  # noqa: PLC0415 - slow to import
    from controlplane.runtimes import engine_endpoint  # noqa: PLC0415 - lazy
    from scheduler.model import RuntimeKind  # noqa: PLC0415 - lazy

    cluster, finding = cluster_file(place)
    yield finding
    default = engine_endpoint(os.environ, Path.home())
    here = speed.speed_here()
    for one in cluster.instances if cluster else ():
        if one.runtime is RuntimeKind.PROCESS:
            yield core(one.name, speed.ecu_per_core(here, here), one.ecu_per_core)
            continue
        try:
            there = speed.speed_at(one.endpoint or default, one.tls)
        except speed.NotMeasured as why:
            yield warn(one.name, "not measured", _first_line(str(why)))
        else:
            measured = speed.ecu_per_core(there, here)
            yield core(one.name, measured, one.ecu_per_core)


def core(instance: str, measured: int, said: int) -> Finding:
    """Tell what was measured; advise where the file says something else."""
    fact = f"ecuPerCore: {measured} (a core of this machine is 1024)"
    if abs(measured - said) <= said * CORE_TOLERANCE:
        return ok(instance, fact)
    return warn(instance, fact, f"the file says {said}")


def python_version(version: tuple[int, int]) -> Finding:
    fact = f"{platform.python_implementation()} {platform.python_version()}"
    if version >= PYTHON_MIN:
        return ok("python", fact)
    return fail("python", fact, "install Python 3.11 or newer")


def module(name: str, why: str) -> Finding:
    if importlib.util.find_spec(name):
        return ok(name, "installed")
    return warn(name, f"not installed; {why}", f"pip install {name}")


def http_parser() -> Finding:
    """Whether aiohttp runs with its compiled parser."""
    from aiohttp import http_parser as parser  # noqa: PLC0415 - slow to import

    if parser.HttpRequestParser is not parser.HttpRequestParserPy:
        return ok("aiohttp", "with its C extensions")
    return warn(
        "aiohttp",
        "without its C extensions; the control API is slower",
        "install aiohttp from a wheel",
    )


def open_files() -> Finding:
    import resource  # noqa: PLC0415 - Unix only

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    fact = f"{soft} open files per process (hard limit {hard})"
    if soft >= FILES_MIN:
        return ok("limits", fact)
    return warn("limits", fact, f"ulimit -n {min(65_536, max(hard, FILES_MIN))}")


def port_ranges(cluster: ClusterFile | None) -> Iterator[Finding]:
    """Look whether leased ports are outside those of outgoing connections."""
    for leased in machine.leased_ranges(cluster):
        yield port_range(leased, machine.ephemeral_ports())


def port_range(leased: machine.Range, ephemeral: machine.Range | None) -> Finding:
    if told := machine.overlap(leased, ephemeral):
        return warn("ports", told, machine.advice(leased))
    return ok("ports", f"dynamic ports {leased[0]}-{leased[1]}")


def cluster_file(place: Place) -> tuple[ClusterFile | None, Finding]:
    from controlplane.commands.validate import load  # noqa: PLC0415 - lazy
    from controlplane.problems import ConfigInvalid  # noqa: PLC0415 - lazy

    name = str(place.file)
    try:
        return load(place), ok("file", f"{name} is valid")
    except ConfigInvalid as invalid:
        fact = f"{name} has {len(invalid.problems)} problem(s)"
        return None, fail("file", fact, f"alb validate -f {name}")
    except OSError as error:
        advice = "name one with -f, or write it"
        return None, warn("file", f"{name}: {error.strerror}", advice)


def state_directory(node: Node) -> Iterator[Finding]:
    path = node.state_dir.path
    if len(os.fsencode(node.state_dir.control_socket)) > SOCKET_PATH_MAX:
        fact = f"{path} is too long for a Unix socket"
        yield fail("state", fact, "choose a shorter --state-dir")
    if not path.exists():
        yield ok("state", f"{path} does not exist yet; up makes it")
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & PRIVATE_MODE:
        yield fail("state", f"{path} has mode {mode:o}", f"chmod 700 {path}")
    elif not os.access(path, os.W_OK):
        yield fail("state", f"{path} cannot be written", "run as its owner")
    else:
        yield ok("state", f"{path} is private and writable")
    if not node.keeper_lives():
        yield ok("state", "no cluster runs here")
    elif node.answers():
        yield ok("state", "a cluster runs here and its control answers")
    else:
        fact = "a keeper runs here, but its control does not answer"
        yield fail("state", fact, f"read {node.logs}/*.log; alb down, alb up")


def listeners(cluster: ClusterFile | None, *, running: bool) -> Iterator[Finding]:
    """Look whether the file's ports are free, unless the cluster itself has them."""
    if cluster is None or cluster.load_balancer is None:
        return
    for listener in cluster.load_balancer.listeners:
        for address in listener.addresses:
            shown = f"[{address}]" if ":" in address else address
            place = f"{shown}:{listener.port}"
            error = bind_error(address, listener.port)
            if error is None:
                yield ok("listener", f"{place} is free")
            elif running:
                yield ok("listener", f"{place} is in use, as it should be")
            else:
                advice = f"ss -ltnp 'sport = :{listener.port}' names who has it"
                yield fail("listener", f"{place}: {error}", advice)


def bind_error(address: str, port: int) -> str | None:
    """Return why `address`:`port` cannot be listened on, or None."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.strerror or str(error)
    return None


def engines(cluster: ClusterFile | None, own_uid: str) -> Iterator[Finding]:
    """Look at each Docker Engine of the file, or at the docker command's."""
    from controlplane.runtimes import engine_endpoint  # noqa: PLC0415 - lazy

    instances = cluster.instances if cluster else ()
    default = engine_endpoint(os.environ, Path.home())
    for instance in instances:
        if instance.runtime.value == "docker":
            subject = f"docker {instance.name}"
            endpoint = instance.endpoint or default
            yield from engine(subject, endpoint, own_uid, instance.tls)
    if not instances:
        yield from engine(DEFAULT_ENGINE, default, own_uid)


def uid_of(node: Node) -> str:
    """Return the uid of the cluster that runs here, or nothing."""
    try:
        return str(node.control.get("/v1/state").get("uid", ""))
    except ClientError:
        return ""


def containers(subject: str, uids: list[str], own: str) -> Iterator[Finding]:
    """Tell of other clusters' containers, which are never touched."""
    for uid in sorted(set(uids) - {own}):
        yield warn(
            subject,
            f"{uids.count(uid)} container(s) of another cluster, {uid}",
            "if that cluster is gone: docker rm -f $(docker ps -aq --filter"
            f" label=alb.cluster-uid={uid})",
        )


def engine(
    subject: str, endpoint: str, own_uid: str, tls: EndpointTls | None = None
) -> Iterator[Finding]:
    """Ask one engine for its version and for containers of other clusters."""
    import asyncio  # noqa: PLC0415 - slow to import

    from scheduler.errors import ContainerError  # noqa: PLC0415 - lazy

    try:
        version, uids = asyncio.run(_asked(endpoint, tls))
    except ContainerError as failed:
        yield no_engine(subject, _first_line(failed.detail))
        return
    if endpoint.startswith("tcp://") and tls is None:
        yield warn(
            subject,
            f"engine {version} answers at {endpoint} without TLS",
            "whoever reaches that port is root there: tls: {ca, cert, key}",
        )
    else:
        yield ok(subject, f"engine {version} answers at {endpoint}")
    yield from containers(subject, uids, own_uid)


async def _asked(endpoint: str, tls: EndpointTls | None) -> tuple[str, list[str]]:
    """Return an engine's version and the uids of the clusters that it has containers
    of. Raises ContainerError."""
    from scheduler.drivers.docker_calls import EngineCalls  # noqa: PLC0415 - slow
    from scheduler.drivers.docker_transport import transport_to  # noqa: PLC0415 - lazy
    from scheduler.drivers.labels import CLUSTER_UID  # noqa: PLC0415 - lazy

    transport = transport_to(endpoint, tls)
    calls = EngineCalls("engine", endpoint, transport)
    try:
        version = await calls.ask("version", lambda client: client.version())
        listed = await calls.ask(
            "list containers",
            lambda client: client.containers(all=True, filters={"label": CLUSTER_UID}),
        )
    finally:
        calls.close()
        await transport.close()
    return str(version["Version"]), [str(one["Labels"][CLUSTER_UID]) for one in listed]


def no_engine(subject: str, fact: str) -> Finding:
    """A failure where the file names the engine; else processes take its place."""
    advice = "start the engine, or join the group docker"
    if "; " in fact or "certificate" in fact or "tls." in fact:
        advice = "see docs/how-to/container-instance.md"
    if subject != DEFAULT_ENGINE:
        return fail(subject, fact, advice)
    return warn(subject, fact, f"{advice}; until then tasks run as local processes")


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
