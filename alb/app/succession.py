"""What a keeper leaves to the program that it becomes. Floor 4.

    old program: hand_over(legacy) --exec--> new program: take_over(fd)

The process stays the same one: its listening sockets, its lock and its children
live on. What cannot live on in memory goes through a file without a name: where
each descriptor stands, and the snapshot as the frames it travels in. A new
program that cannot read these frames starts without them, and control sends the
snapshot anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import IO, Final, NoReturn

from alb.app.columns import NO_COLUMN
from alb.app.member import Member
from alb.drivers.child import AdoptedProcess, Child
from alb.drivers.link import LINK_NAME, Link, decode, encode, send_sockets
from alb.model import Version
from alb.ports import (
    HealthReport,
    Hello,
    ListenerCertificates,
    Manifest,
    Section,
    WorkerState,
)
from alb.state.holdings import Holdings

_LENGTH_SIZE: Final = 4


@dataclass(frozen=True, slots=True)
class LegacyWorker:
    """A worker that goes on: `link` and `sockets` are descriptors."""

    incarnation: int
    pid: int
    link: int
    sockets: int
    column: int = NO_COLUMN
    """Of the shared counts."""


@dataclass(frozen=True, slots=True)
class Legacy:
    """Everything, by descriptor. `listening` has one per slot."""

    lock: int
    incarnations: int
    listening: tuple[tuple[str, int, tuple[int, ...]], ...]
    workers: tuple[LegacyWorker, ...]
    counts: int | None = None
    """The shared counts; an older program had none."""


def hand_over(legacy: Legacy, holdings: Holdings) -> int:
    """Write it all down; return the descriptor to take over from."""
    header = json.dumps(asdict(legacy)).encode()
    with _nameless() as file:
        file.write(len(header).to_bytes(_LENGTH_SIZE, "big") + header)
        file.write(encode(Hello(holdings.epoch)))
        file.write(encode(holdings.health))
        for section in holdings.sections():
            file.write(encode(section))
        for served in holdings.certificates.values():
            file.write(encode(served))
        file.write(encode(holdings.manifest))
        file.flush()
        kept = os.dup(file.fileno())
    kept_open = [legacy.lock, kept]
    if legacy.counts is not None:
        kept_open.append(legacy.counts)
    kept_open += [fd for _, _, fds in legacy.listening for fd in fds]
    kept_open += [
        fd for worker in legacy.workers for fd in (worker.link, worker.sockets)
    ]
    for descriptor in kept_open:
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - its only argument
    return kept


def _nameless() -> IO[bytes]:
    """Return a file that nobody else can open; where possible not on any disk,
    since there are keys in it."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("legacy", os.MFD_CLOEXEC), "w+b")
    return tempfile.TemporaryFile()


def take_over(descriptor: int) -> tuple[Legacy, Holdings]:
    """Read what a former program left, and let no child of ours inherit it."""
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        fields = json.loads(file.read(int.from_bytes(file.read(_LENGTH_SIZE), "big")))
        frames = file.read()
    legacy = Legacy(
        fields["lock"],
        fields["incarnations"],
        tuple(
            (address, port, tuple(fds)) for address, port, fds in fields["listening"]
        ),
        tuple(LegacyWorker(**worker) for worker in fields["workers"]),
        fields.get("counts"),
    )
    if legacy.counts is not None:
        os.set_inheritable(legacy.counts, False)  # noqa: FBT003
    for worker in legacy.workers:
        os.set_inheritable(worker.link, False)  # noqa: FBT003 - its only argument
        os.set_inheritable(worker.sockets, False)  # noqa: FBT003
    os.set_inheritable(legacy.lock, False)  # noqa: FBT003
    holdings = Holdings()
    with contextlib.suppress(ConnectionError):
        _read(frames, holdings)
    return legacy, holdings


def _read(frames: bytes, holdings: Holdings) -> None:
    """Raises ConnectionError at what another program wrote in another way."""
    at = 0
    while at < len(frames):
        start = at + _LENGTH_SIZE
        at = start + int.from_bytes(frames[at:start], "big")
        match decode(frames[start:at]):
            case Hello(epoch):
                holdings.greet(epoch)
            case HealthReport() as health:
                holdings.health = health
            case Section() as section:
                holdings.add(section)
            case ListenerCertificates() as served:
                holdings.certify(served)
            case Manifest() as manifest:
                holdings.publish(manifest)
            case _:
                pass


def sockets_of(legacy: Legacy) -> dict[tuple[str, int], list[socket.socket]]:
    """Return the listening sockets by place, one for each slot."""
    return {
        (address, port): [_private(descriptor) for descriptor in descriptors]
        for address, port, descriptors in legacy.listening
    }


def _private(descriptor: int) -> socket.socket:
    sock = socket.socket(fileno=descriptor)
    sock.set_inheritable(False)
    return sock


async def leave(members: Iterable[Member]) -> tuple[LegacyWorker, ...]:
    """Give every worker a new link, and say where its other end is."""
    left = []
    for member in members:
        assert member.state is not None
        ours, theirs = socket.socketpair()
        sockets = member.child.sockets
        with theirs, contextlib.suppress(OSError):  # it has just ended
            send_sockets(sockets, [LINK_NAME], [theirs])
            await member.child.link.flush()
            incarnation, pid = member.state.incarnation, member.state.pid
            left.append(
                LegacyWorker(
                    incarnation, pid, ours.detach(), sockets.fileno(), member.column
                )
            )
    return tuple(left)


async def adopt(workers: Iterable[LegacyWorker], first_slot: int) -> list[Member]:
    """Return members for workers that a former program started.

    They get slots of their own, behind those of the workers that follow them.
    """
    return [
        Member(
            Child(
                AdoptedProcess(worker.pid),
                await Link.over(socket.socket(fileno=worker.link)),
                socket.socket(fileno=worker.sockets),
            ),
            WorkerState(first_slot + number, worker.incarnation, worker.pid),
            worker.column,
        )
        for number, worker in enumerate(workers)
    ]


def all_serve(
    members: Iterable[Member], former: Sequence[Member], published: Version
) -> bool:
    """Whether `members` serve what was published, and what the former ones serve."""
    served = [m.state.acknowledged for m in former if m.state is not None]
    wanted = max([published, *served])
    serving = [m.state.acknowledged for m in members if m.state is not None]
    return all(member.was_heard for member in former) and not any(
        one < wanted for one in serving
    )


def exec_successor(arguments: Sequence[str], legacy: int) -> NoReturn:
    """Become the program that is installed now. Raises OSError.

    It may be told once more to do so before it listens: that must not end it.
    """
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    keeper = [sys.executable, "-P", "-m", "alb.app.keeper_process", *arguments]
    os.execv(sys.executable, [*keeper, "--legacy", str(legacy)])  # noqa: S606 - ourselves
