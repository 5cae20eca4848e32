"""What listeners serve is what their files hold, as soon as these are at rest."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from alb.decide.tls_policies import DEFAULT_POLICY
from alb.model import CertificateFiles, FixedResponse, Listener, LoadBalancer
from alb.ports import ListenerCertificates
from controlplane.tls.certificates import Certificates
from controlplane.tls.local import LocalCertificates
from tests.support.certificates import Pair, kept, pair

LOOK_S = 0.02
NAME = "https-8443"


@dataclass
class Node:
    """Remembers what it was given."""

    served: list[ListenerCertificates] = field(default_factory=list)

    def certify(self, served: ListenerCertificates) -> None:
        if not self.served or self.served[-1].digest != served.digest:
            self.served.append(served)

    @property
    def pems(self) -> list[str]:
        return [one.certificates[0].pem for one in self.served]


@dataclass
class Scene:
    """A listener's files, those who keep them, and what was told."""

    directory: Path
    node: Node = field(default_factory=Node)
    told: list[str] = field(default_factory=list)
    certificates: Certificates = field(init=False)

    def __post_init__(self) -> None:
        local = LocalCertificates(self.directory / "tls", self.directory / "ca")
        self.certificates = Certificates(self.node, self.hear, local, LOOK_S)

    def hear(self, subject: str, message: str) -> None:
        assert NAME == subject
        self.told.append(message)

    def put(self, one: Pair) -> None:
        """Write a pair as careful people do: beside it, then in its place."""
        for name, text in (("a.pem", one.certificate), ("a.key", one.key)):
            beside = self.directory / f"{name}.new"
            beside.write_text(text)
            beside.chmod(0o600)
            beside.replace(self.directory / name)

    @property
    def balancer(self) -> LoadBalancer:
        files = CertificateFiles(
            str(self.directory / "a.pem"), str(self.directory / "a.key")
        )
        listener = Listener(
            8443,
            FixedResponse(404),
            protocol="HTTPS",
            ssl_policy=DEFAULT_POLICY,
            certificates=(files,),
        )
        return LoadBalancer("front", listeners=(listener,))

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_so():  # noqa: ASYNC110 - another task makes it true
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(directory: Path, first: Pair) -> AsyncIterator[Scene]:
    scene = Scene(directory)
    scene.put(first)
    await scene.certificates.follow(scene.balancer)
    async with asyncio.TaskGroup() as tasks:
        loop = tasks.create_task(scene.certificates.run())
        yield scene
        loop.cancel()


async def test_a_pair_that_is_replaced_is_served_without_a_command(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, kept("one")) as scene:
        scene.put(kept("two"))
        await scene.until(lambda: len(scene.node.served) == 2)

    assert kept("one").key in scene.node.pems[0]
    assert kept("two").key in scene.node.pems[1]
    assert ["serves the certificates that were changed"] == scene.told


async def test_a_bad_pair_is_told_once_and_the_former_one_stays(tmp_path: Path) -> None:
    async with running(tmp_path, kept("one")) as scene:
        (tmp_path / "a.key").write_text(kept("two").key)
        await scene.until(lambda: bool(scene.told))
        await asyncio.sleep(10 * LOOK_S)
        assert 1 == len(scene.node.served)
        assert 1 == len(scene.told)
        scene.put(kept("two"))
        await scene.until(lambda: len(scene.node.served) == 2)

    key, certificate = tmp_path / "a.key", tmp_path / "a.pem"
    assert scene.told == [
        "goes on with the certificates it has: "
        f"{key} does not belong to the certificate in {certificate}",
        "serves the certificates that were changed",
    ]


async def test_a_file_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, kept("one")) as scene:
        (tmp_path / "a.pem").unlink()
        await scene.until(lambda: bool(scene.told))

    assert 1 == len(scene.node.served)
    assert "there is no file" in scene.told[0]


async def test_a_pair_is_read_when_it_has_come_to_rest(tmp_path: Path) -> None:
    """Somebody who writes for a while is not told that half a file is bad."""
    async with running(tmp_path, kept("one")) as scene:
        for size in range(1, 200):
            text = kept("two").certificate[:size]
            (tmp_path / "a.pem").write_text(text)
            await asyncio.sleep(LOOK_S / 10)
        scene.put(kept("two"))
        await scene.until(lambda: len(scene.node.served) == 2)

    assert ["serves the certificates that were changed"] == scene.told


async def test_touching_the_files_is_no_change(tmp_path: Path) -> None:
    async with running(tmp_path, kept("one")) as scene:
        os.utime(tmp_path / "a.pem")
        await scene.until(lambda: bool(scene.told))

    assert 1 == len(scene.node.served)


async def test_what_has_expired_is_served_and_told_once(tmp_path: Path) -> None:
    async with running(tmp_path, pair("old", days=-1)) as scene:
        await scene.certificates.follow(scene.balancer)

    assert 1 == len(scene.node.served)
    (told,) = scene.told
    assert told.startswith(f"{tmp_path}/a.pem has expired on ")


async def test_all_listeners_get_theirs_in_one_turn_of_the_loop(tmp_path: Path) -> None:
    """A snapshot that was published in between would not know the new listeners."""
    scene = Scene(tmp_path)
    scene.put(kept("one"))
    (first,) = scene.balancer.listeners
    both = LoadBalancer("front", listeners=(first, replace(first, port=9443)))
    turns = 0
    at: list[int] = []

    class Noting(Node):
        def certify(self, served: ListenerCertificates) -> None:
            at.append(turns)

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    local = LocalCertificates(tmp_path / "tls", tmp_path / "ca")
    async with asyncio.TaskGroup() as tasks:
        turning = tasks.create_task(turn())
        await Certificates(Noting(), scene.hear, local).follow(both)
        at.append(turns)
        turning.cancel()

    assert 3 == len(at)
    assert 1 == len({*at}), "also who called it goes on in that turn"


async def test_a_listener_that_is_gone_is_not_followed(tmp_path: Path) -> None:
    async with running(tmp_path, kept("one")) as scene:
        await scene.certificates.follow(LoadBalancer("front"))
        scene.put(kept("two"))
        await asyncio.sleep(5 * LOOK_S)

    assert 1 == len(scene.node.served)
