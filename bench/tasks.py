"""How long a hundred tasks take from `alb scale` to all healthy, beside `docker run`.

    python -m bench.tasks [--tasks 100] [--rounds 3]

One engine, the one that the docker command would use; the same image, of busybox, the
same memory, the same published port. The bare loop is a shell's: `docker run -d`
again and again, until the last has returned. Ours ends when the load balancer has
found every target healthy. Rounds take turns; what is told is the median of the ratios.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.contestants import free_ports
from bench.record import is_smoke, write_result
from bench.workloads import NotComparable
from controlplane.client import Control, UnixAddress
from controlplane.runtimes import engine_endpoint

IMAGE: Final = "alb-bench/httpd:1"
BUSYBOX: Final = Path("/bin/busybox")
SERVE: Final = ["sh", "-c", "echo ready >index.html; exec httpd -f -p 8080"]
MEMORY_MIB: Final = 16
FIRST_PORT: Final = 31_000
DEADLINE_S: Final = 600.0
LOOK_S: Final = 0.05


def main() -> int:
    options = parse(sys.argv[1:])
    if is_smoke():
        options.tasks, options.rounds = 3, 1
    try:
        engine = Engine(engine_endpoint(os.environ, Path.home()))
        engine.import_image()
    except NotComparable as why:
        print(f"NOT MEASURED: {why}", file=sys.stderr)
        return 1
    rounds = [
        (engine.run_loop(options.tasks), scaled(engine, options.tasks))
        for _ in range(options.rounds)
    ]
    ratio = median_ratio(rounds)
    for bare_s, ours_s in rounds:
        print(f"docker run {bare_s:.1f} s, alb scale to healthy {ours_s:.1f} s")
    print(f"{options.tasks} tasks: {ratio:.2f} times the loop of docker run")
    write_result(
        "tasks",
        "seconds from alb scale until every task is healthy, by those of a loop of"
        " docker run -d with as many containers",
        {"tasks": options.tasks, "ratio": round(ratio, 3), "rounds": rounds},
    )
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.tasks", description=__doc__)
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args(arguments)


def median_ratio(rounds: Sequence[tuple[float, float]]) -> float:
    """`rounds` are seconds of the loop and of ours."""
    return statistics.median(ours_s / bare_s for bare_s, ours_s in rounds)


class Engine:
    """The engine of the docker command. Raises NotComparable where none answers."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        if shutil.which("docker") is None:
            raise NotComparable("there is no docker command")
        try:
            told = self.docker("network", "inspect", "bridge")
        except subprocess.CalledProcessError as failed:
            raise NotComparable(f"no engine: {failed.stderr.strip()}") from failed
        [config] = json.loads(told)[0]["IPAM"]["Config"]
        subnet = str(config["Subnet"]).partition("/")[0]
        self.address = str(config.get("Gateway") or f"{subnet.rpartition('.')[0]}.1")

    def docker(self, *words: str) -> str:
        command = ["docker", "--host", self.endpoint, *words]
        return subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout.strip()

    def import_image(self) -> None:
        """Make the image of this machine's busybox: no registry is asked."""
        if not BUSYBOX.exists():
            raise NotComparable(f"there is no {BUSYBOX} to make an image of")
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tree:
            tree.add(BUSYBOX.resolve(), "bin/busybox")
            for applet in ("sh", "httpd"):
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tree.addfile(link)
        change = f"CMD {json.dumps(SERVE)}"
        subprocess.run(
            ["docker", "--host", self.endpoint, "import", "-c", change, "-", IMAGE],
            input=packed.getvalue(),
            capture_output=True,
            check=True,
        )

    def run_loop(self, count: int) -> float:
        """Return the seconds that `docker run -d` takes so many times."""
        began_s, names = time.monotonic(), []
        try:
            for port in range(FIRST_PORT, FIRST_PORT + count):
                publish = f"{self.address}:{port}:8080"
                limits = ("--memory", f"{MEMORY_MIB}m", "--cpu-shares", "2")
                run = ("run", "--detach", "--publish", publish, *limits, IMAGE)
                names.append(self.docker(*run))
            return time.monotonic() - began_s
        finally:
            if names:
                self.docker("rm", "--force", *names)


def scaled(engine: Engine, count: int) -> float:
    """Return the seconds from the command until all tasks are healthy."""
    with cluster(engine) as (command, control):
        began_s = time.monotonic()
        run(*command, "scale", f"web={count}")
        while healthy(control) < count:
            if time.monotonic() - began_s > DEADLINE_S:
                raise TimeoutError(f"{healthy(control)} of {count} tasks are healthy")
            time.sleep(LOOK_S)
        return time.monotonic() - began_s


def healthy(control: Control) -> int:
    services = control.get("/v1/state")["services"]
    assert isinstance(services, list)
    return sum(int(one["healthyCount"]) for one in services)


@contextmanager
def cluster(engine: Engine) -> Iterator[tuple[list[str], Control]]:
    """Have a service of no tasks on the engine; afterwards nothing is left of it."""
    with tempfile.TemporaryDirectory(prefix="alb-bench-") as directory:
        file = Path(directory, "alb.yaml")
        file.write_text(json.dumps(cluster_file(engine.endpoint)))
        command = [sys.executable, "-m", "controlplane.cli", "-f", str(file)]
        run(*command, "up", "-d")
        try:
            yield command, Control(UnixAddress(Path(directory, ".alb/control.sock")))
        finally:
            run(*command, "down", "--wait", "300")


def cluster_file(endpoint: str) -> dict[str, object]:
    port, control = map(int, free_ports(2))
    container = {
        "name": "web",
        "image": IMAGE,
        "memory": MEMORY_MIB,
        "command": SERVE,
        "portMappings": [{"containerPort": 8080}],
        "stopTimeout": 1,  # httpd as the first process does not hear SIGTERM
    }
    forward = {"type": "forward", "targetGroup": "web"}
    return {
        "cluster": "bench",
        "control": {"address": f"127.0.0.1:{control}"},
        "containerInstances": [{"name": "engine", "endpoint": endpoint}],
        "taskDefinitions": [{"family": "web", "containerDefinitions": [container]}],
        "targetGroups": [
            {
                "name": "web",
                "healthCheckIntervalSeconds": 1,
                "attributes": {"deregistration_delay.timeout_seconds": "0"},
            }
        ],
        "listeners": [{"port": port, "protocol": "HTTP", "defaultActions": [forward]}],
        "services": [
            {
                "serviceName": "web",
                "taskDefinition": "web",
                "desiredCount": 0,
                "loadBalancers": [{"targetGroup": "web"}],
            }
        ],
    }


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
