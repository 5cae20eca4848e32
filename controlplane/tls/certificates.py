"""Keeps what listeners serve as their files are: when told, and when files change.

    files --(followed, then looked at every two seconds)--> read_pair --> balancer
                                   |
                                   +--> a pair that is bad: told once, and the
                                        one before goes on serving

A key is in this process's memory while it is read, and is sent to the node: it is
in no record, no document and no log.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from alb.model import CertificateFiles, Listener, LoadBalancer
from alb.ports import ListenerCertificates
from controlplane.tls.authority import AuthorityUnusable
from controlplane.tls.disk import Disk, LocalDisk
from controlplane.tls.local import LocalCertificates
from controlplane.tls.pair import Pair, PairInvalid, read_pair

RENEW_EVERY_S: Final = 6 * 3600.0
LOOK_S: Final = 2.0
"""How often the files are looked at; what changes is read when it has come to rest."""

Tell = Callable[[str, str], None]
"""(subject, message)"""


class Node(Protocol):
    """What serves the certificates."""

    def certify(self, served: ListenerCertificates) -> None: ...


class Seen(NamedTuple):
    """What tells a file from itself after a change."""

    path: str
    inode: int
    size: int
    changed_ns: int


class _Followed:
    """One listener's files as they were last read, and last seen."""

    def __init__(self, listener: Listener, seen: tuple[Seen, ...]) -> None:
        self.listener = listener
        self.read = self.seen = seen
        self.warned: frozenset[str] = frozenset()
        self.ends_s = math.inf
        """When the next of its certificates expires: another may be better then."""


class Certificates:
    """Control's certificates. `node` gets them, `tell` hears what a person should."""

    def __init__(
        self,
        node: Node,
        tell: Tell,
        local: LocalCertificates,
        look_s: float = LOOK_S,
    ) -> None:
        """`local` has certificates for listeners that name none."""
        self._local = local
        self._look_s = look_s
        self._node = node
        self._tell = tell
        self._disk: Disk = LocalDisk(Path("/"))
        self._followed: dict[str, _Followed] = {}
        self._wanted: LoadBalancer | None = None
        self._renew_s = math.inf
        """When local certificates are looked at again."""

    async def follow(self, load_balancer: LoadBalancer) -> None:
        """Serve what the files of these listeners hold now. Paths are absolute.

        They are sent together at the end: who configures the listeners right behind
        it has both in one snapshot.
        """
        before, self._followed = self._followed, {}
        self._wanted = load_balancer
        complete = await self._completed(load_balancer)
        read: list[ListenerCertificates | None] = []
        for listener in complete.listeners:
            if listener.is_secure:
                seen = await asyncio.to_thread(_look, listener)
                followed = self._followed[listener.name] = _Followed(listener, seen)
                if listener.name in before:
                    followed.warned = before[listener.name].warned
                read.append(await self._read(followed))
        for served in read:
            if served is not None:
                self._node.certify(served)

    async def _completed(self, load_balancer: LoadBalancer) -> LoadBalancer:
        """Have local certificates issued, and issued anew when it is time."""
        self._renew_s = self._disk.unix_s() + RENEW_EVERY_S
        try:
            return await asyncio.to_thread(self._local.complete, load_balancer)
        except AuthorityUnusable as problem:
            self._tell("certs", f"the development CA cannot be used: {problem}")
            return load_balancer

    async def run(self) -> None:
        """Take changed files while nobody commands anything. A loop."""
        while True:
            await asyncio.sleep(self._look_s)
            if self._wanted is not None and self._disk.unix_s() > self._renew_s:
                await self._completed(self._wanted)  # what is new is seen below
            for followed in [*self._followed.values()]:
                seen = await asyncio.to_thread(_look, followed.listener)
                at_rest, followed.seen = seen == followed.seen, seen
                changed = at_rest and seen != followed.read
                if changed or self._disk.unix_s() >= followed.ends_s:
                    followed.read = seen
                    served = await self._read(followed)
                    if served is not None and self._is_followed(followed):
                        self._node.certify(served)
                        if changed:
                            told = "serves the certificates that were changed"
                            self._tell(followed.listener.name, told)

    def _is_followed(self, followed: _Followed) -> bool:
        """Whether nobody commanded anything else while it was read."""
        return self._followed.get(followed.listener.name) is followed

    async def _read(self, followed: _Followed) -> ListenerCertificates | None:
        """Return what the files hold; None: one of them is bad, and that was told."""
        listener = followed.listener
        if not listener.certificates:
            return None  # why was told
        followed.ends_s = math.inf
        try:
            pairs = await asyncio.to_thread(_pairs, listener, self._disk)
        except _Unusable as problem:
            self._tell(
                listener.name, f"goes on with the certificates it has: {problem}"
            )
            return None
        warnings = {
            f"{pair.certificate.name} {text}"
            for pair in pairs
            for part, text in pair.warnings
            if part == "certificate"
        }
        for warning in sorted(warnings - followed.warned):
            self._tell(listener.name, warning)
        followed.warned = frozenset(warnings)
        ends = (p.not_after_s for p in pairs if not p.certificate.offer.expired)
        followed.ends_s = min(ends, default=math.inf)
        return _served(listener, pairs)


class _Unusable(Exception):
    """Some file of a listener cannot be served."""


def _pairs(listener: Listener, disk: Disk) -> list[Pair]:
    """Raises _Unusable."""
    found = []
    for files in listener.certificates:
        try:
            found.append(read_pair(files, listener.ssl_policy, disk))
        except PairInvalid as invalid:
            where = _path_of(files, invalid.part)
            said = invalid.problem.removeprefix(f"{where} ")
            raise _Unusable(f"{where} {said}") from None
    return found


def _path_of(files: CertificateFiles, part: str) -> str:
    return {
        "certificate": files.certificate,
        "privateKey": files.private_key,
        "certificateChain": files.chain,
    }[part]


def _served(listener: Listener, pairs: list[Pair]) -> ListenerCertificates:
    certificates = tuple(pair.certificate for pair in pairs)
    digest = hashlib.sha256()
    for one in certificates:
        digest.update(f"{one.offer} {len(one.pem)} {one.pem}".encode())
    return ListenerCertificates(listener.name, digest.hexdigest()[:32], certificates)


def _look(listener: Listener) -> tuple[Seen, ...]:
    """Return how the files are now; those that are not there are left out."""
    found = []
    for files in listener.certificates:
        for path in (files.certificate, files.private_key, files.chain):
            try:
                stat = os.stat(path)
            except OSError:
                continue
            found.append(Seen(path, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(found)
