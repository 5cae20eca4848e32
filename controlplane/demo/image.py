"""The demo's image: any Python, and one file.

Where a registry is reachable, a small public Python image gets the task added.
Elsewhere, on Linux, an image is imported that is made of this machine's own
Python: its interpreter, its standard library without what no server needs, the
shared libraries they load, and the loader. No layer cache, no Dockerfile, no
package manager, and no more than 60 MB.

Synchronous, as the `docker` package is: call it on a thread. An image that is
there and has the same content label is left alone.
"""

from __future__ import annotations

import hashlib
import io
import platform
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import docker
import requests
from docker.errors import APIError, BuildError, DockerException, ImageNotFound

TAG: Final = "alb-demo/task:1"
BASE: Final = "python:3-alpine"
CONTENT_LABEL: Final = "alb.demo.content"
TASK: Final = Path(__file__).with_name("task.py")
COMMAND: Final = ("python", "-m", "controlplane.demo.task")
"""The same on both runtimes: what the image runs, and what a process task runs."""

SILENCE_MAX_S: Final = 15.0
"""A registry that says nothing for so long is not reachable."""
PULL_MAX_S: Final = 30.0
"""The demo's 120 s include this, the first time."""
IMPORT_MAX_S: Final = 120
_TOOLS: Final = "usr/local/bin/python", "usr/local/bin/python3"
_APP: Final = "app/controlplane/demo/task.py"
_CHANGES: Final = (
    "ENV PATH=/usr/local/bin:/usr/bin:/bin",
    "ENV PYTHONPATH=/app",
    "ENV PYTHONUNBUFFERED=1",
    "WORKDIR /app",
    "EXPOSE 8080",
    f'CMD ["{COMMAND[0]}", "{COMMAND[1]}", "{COMMAND[2]}"]',
)
# fmt: off
_LEFT_OUT: Final = frozenset({
    "site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter",
    "turtledemo", "ensurepip", "lib2to3", "pydoc_data", "distutils", "venv",
    "__pycache__", "_tkinter", "sqlite3", "_sqlite3", "_ssl", "_hashlib",
    "curses", "_curses", "_curses_panel", "readline", "nis", "_dbm", "_gdbm",
})
# fmt: on
_TESTING: Final = re.compile(r"_(test|xxtest|ctypes_test|xx)\w*\..*so")
_ARCHITECTURES: Final = {"amd64": "x86_64", "arm64": "aarch64"}


class ImageUnavailable(Exception):
    """Neither a registry nor this machine's Python gave an image."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is there, and in words where it came from."""

    tag: str
    origin: str


def ensure_image(endpoint: str, tag: str = TAG, base: str | None = BASE) -> Image:
    """Make sure that the engine at `endpoint` has the task's image.

    With `base` None no registry is asked. Raises ImageUnavailable.
    """
    try:
        client = docker.DockerClient(base_url=endpoint, timeout=int(SILENCE_MAX_S))
        try:
            return _ensure(client, tag, base)
        finally:
            client.close()
    except (DockerException, requests.RequestException) as error:
        raise ImageUnavailable(f"{endpoint}: {_brief(error)}") from error


def _ensure(client: docker.DockerClient, tag: str, base: str | None) -> Image:
    label = content_label()
    try:
        if client.images.get(tag).labels.get(CONTENT_LABEL) == label:
            return Image(tag, f"image {tag} is there already")
    except ImageNotFound:
        pass
    why = "no registry was asked"
    if base is not None:
        try:
            return _build(client, tag, base, label)
        except (APIError, BuildError, requests.RequestException) as error:
            why = f"{base} could not be had ({_brief(error)})"
    if problem := _cannot_import(client):
        raise ImageUnavailable(f"{why}, and {problem}")
    return _import(client, tag, label, why)


def content_label() -> str:
    """What an image must have to be left alone: the task, and how it is run."""
    content = TASK.read_bytes() + "\n".join(_CHANGES).encode()
    return hashlib.sha256(content).hexdigest()[:16]


def _build(client: docker.DockerClient, tag: str, base: str, label: str) -> Image:
    _pull(client, base)
    dockerfile = "\n".join(
        (f"FROM {base}", f"COPY task.py /{_APP}", *_CHANGES[1:]),
    )
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tree:
        _add_bytes(tree, "Dockerfile", dockerfile.encode())
        _add_bytes(tree, "task.py", TASK.read_bytes())
    context.seek(0)
    client.images.build(
        fileobj=context,
        custom_context=True,
        tag=tag,
        labels={CONTENT_LABEL: label},
        rm=True,
    )
    return Image(tag, f"image {tag} is {base} and the demo's task")


def _pull(client: docker.DockerClient, base: str) -> None:
    """Pull, and give up when it lasts: the machine's own Python is there already."""
    deadline_s = time.monotonic() + PULL_MAX_S
    repository, _, tag = base.partition(":")
    for step in client.api.pull(repository, tag=tag, stream=True, decode=True):
        if "error" in step:
            raise APIError(step["error"])
        if time.monotonic() > deadline_s:
            raise APIError(f"not there after {PULL_MAX_S:.0f} s")


def _cannot_import(client: docker.DockerClient) -> str:
    """Why this machine's Python would not run there, or nothing ("")."""
    if sys.platform != "linux":
        return f"a Python of {sys.platform} does not run in a container"
    told = str(client.version().get("Arch", ""))
    theirs, ours = _ARCHITECTURES.get(told, told), platform.machine()
    return "" if theirs == ours else f"the engine is {theirs}, this machine {ours}"


def _import(client: docker.DockerClient, tag: str, label: str, why: str) -> Image:
    repository, _, version = tag.rpartition(":")
    with tempfile.TemporaryFile() as rootfs:
        write_rootfs(rootfs)
        rootfs.seek(0)
        client.api.timeout = IMPORT_MAX_S
        client.api.import_image(
            src=rootfs,
            repository=repository,
            tag=version,
            changes=[*_CHANGES, f"LABEL {CONTENT_LABEL}={label}"],
        )
    origin = f"image {tag} is made of this machine's Python: {why}"
    client.images.get(tag)  # an import that failed says so only in its progress
    return Image(tag, origin)


def write_rootfs(target: IO[bytes]) -> None:
    """Write the image's whole file system as a tar archive.

    Everything keeps its path, so that what Python and the loader remember of
    where they were installed stays true.
    """
    python = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib")).resolve()
    with tarfile.open(fileobj=target, mode="w") as tree:
        _add_directory(tree, "tmp")
        tree.add(python, _inside(python), filter=_as_root)
        for tool in _TOOLS:
            _add_link(tree, tool, str(python))
        tree.add(library, _inside(library), filter=_wanted)
        for cached in _compiled_modules(library):
            tree.add(cached, _inside(cached), filter=_as_root)
        for shared in _shared_libraries(python, library):
            tree.add(shared.resolve(), _inside(shared), filter=_as_root)
        tree.add(TASK, _APP, filter=_as_root)


def _inside(path: Path) -> str:
    return str(path).lstrip("/")


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def _wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    path = Path(member.name)
    names = {part.partition(".")[0] for part in path.parts[-3:]} | set(path.parts)
    static = path.name.startswith("config-") or path.suffix in {".a", ".exe"}
    if names & _LEFT_OUT or static or _TESTING.fullmatch(path.name):
        return None
    return _as_root(member)


def _compiled_modules(library: Path) -> Iterator[Path]:
    """The bytecode of what the task imports: without it every start compiles it."""
    code = (
        f"import runpy, sys; runpy.run_path({str(TASK)!r}); print(*filter(None, "
        "(getattr(m, '__cached__', None) for m in [*sys.modules.values()])), sep='\\n')"
    )
    for line in _told([sys.executable, "-I", "-S", "-c", code]).splitlines():
        cached = Path(line)
        if cached.is_file() and cached.is_relative_to(library):
            yield cached


def _shared_libraries(python: Path, library: Path) -> Iterator[Path]:
    """What the interpreter and its extension modules load, the loader included."""
    extensions = (
        path
        for path in sorted((library / "lib-dynload").glob("*.so"))
        if _wanted(tarfile.TarInfo(_inside(path))) is not None
    )
    told = _told(["ldd", str(python), *map(str, extensions)])
    found = re.findall(r"(?:=> |^\s+)(/\S+) \(0x", told, re.MULTILINE)
    for name in sorted(set(found)):
        yield Path(name)


def _told(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout


def _add_bytes(tree: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    tree.addfile(member, io.BytesIO(content))


def _add_directory(tree: tarfile.TarFile, name: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, 0o1777
    tree.addfile(member)


def _add_link(tree: tarfile.TarFile, name: str, target: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    tree.addfile(member)


def _brief(error: Exception) -> str:
    """The last clause of what engines and requests say, which is the cause."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
    return text.rpartition(": ")[2].strip("\"'() ") or text
