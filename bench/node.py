"""A node without control: keeper, workers and prober, told by the benchmark itself.

What is measured with it is the data plane: no file is read, no scheduler runs.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alb.app.balancer import Balancer, join
from bench.contestants import COMPILED
from bench.cpu import descendants, end_since
from bench.processes import Held, held_by
from bench.stage import PROXY_CORE, stage
from bench.workloads import LOAD_CORE

READY_WITHIN_S: Final = 60.0
STEP_S: Final = 0.05
KEEPER_LOG: Final = "keeper.log"


@dataclass(frozen=True, slots=True)
class Place:
    """Where things are: ports, and a directory that ends with the benchmark."""

    listen: int
    origin: int
    spare: int
    """Where nothing listens yet."""
    directory: Path


@contextmanager
def place_with_origin() -> Iterator[Place]:
    """Run the target on the load's core, and this process too."""
    os.sched_setaffinity(0, {LOAD_CORE})
    with stage() as values:
        yield Place(
            listen=int(values["LISTEN"]),
            origin=int(values["ORIGIN_A"]),
            spare=int(values["SPARE"]),
            directory=Path(values["DIRECTORY"]),
        )


def step_back() -> None:
    """Work only while nobody else wants to; what is started from here is not affected.

    A benchmark that is control itself shares a core with what asks and measures.
    """
    policy = os.SCHED_IDLE | os.SCHED_RESET_ON_FORK
    os.sched_setscheduler(0, policy, os.sched_param(0))


@dataclass(frozen=True, slots=True)
class Node:
    """A running node: what to tell it by, and its processes."""

    balancer: Balancer
    pids: frozenset[int]
    keeper: int

    @property
    def worker_pid(self) -> int:
        """Of the worker in the first slot; 0 while none is there."""
        workers = self.balancer.statistics().workers
        return min(((worker.slot, worker.pid) for worker in workers), default=(0, 0))[1]

    def held(self) -> Held:
        """Return what its processes hold as of now: workers are replaced."""
        return held_by(self.keeper, *descendants(self.keeper))

    async def ready(self) -> None:
        """Wait until every worker serves what was said, every target healthy."""
        observe = self.balancer.observe
        async with asyncio.timeout(READY_WITHIN_S):
            while not (  # noqa: ASYNC110 - other processes make it true
                self.balancer.ready()[0]
                and all(seen.eligible_everywhere for seen in observe().values())
            ):
                await asyncio.sleep(STEP_S)


@contextmanager
def plainly() -> Iterator[None]:
    """Raise the only problem of task groups as itself: callers name what they catch."""
    try:
        yield
    except ExceptionGroup as group:
        problem: Exception = group
        while isinstance(problem, ExceptionGroup) and len(problem.exceptions) == 1:
            problem = problem.exceptions[0]
        raise problem from None


@asynccontextmanager
async def node(
    place: Place, *, workers: int = 1, cores: str = str(PROXY_CORE), pure: bool = False
) -> AsyncIterator[Node]:
    """Run a node of the wheel, or of the sources, on `cores`; be its control."""
    before = descendants(os.getpid())
    state_dir = place.directory / "node"
    keeper = _keeper(state_dir, workers, cores, pure=pure)
    try:
        path = state_dir / "node.sock"
        async with asyncio.timeout(READY_WITHIN_S):
            while not path.exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(STEP_S)
        balancer = await join(str(path), 1)
        async with asyncio.TaskGroup() as tasks:
            link = tasks.create_task(balancer.run())
            pids = frozenset(descendants(os.getpid()) - before)
            yield Node(balancer, pids, keeper.pid)
            link.cancel()
    finally:
        end_since(before)
        keeper.wait()


def last_words(place: Place) -> str:
    """Return what the keeper said last, for who wants to know why something ended."""
    said = (place.directory / KEEPER_LOG).read_text(errors="replace").splitlines()
    return "; ".join(said[-5:])


def _keeper(
    state_dir: Path, workers: int, cores: str, *, pure: bool
) -> subprocess.Popen[bytes]:
    python = Path(sys.executable) if pure else COMPILED / "bin" / "python"
    with (state_dir.parent / KEEPER_LOG).open("wb") as log:
        # fmt: off
        return subprocess.Popen(
            ("taskset", "--cpu-list", cores, str(python),
             "-P", "-m", "alb.app.keeper_process", "--state-dir", str(state_dir),
             "--workers", str(workers)),
            cwd=state_dir.parent, stderr=log,
        )
        # fmt: on
