"""Images for tests, made from what is on this machine: no registry is asked.

import_busybox(engine, "busybox:1")   2 MB, a shell and httpd
import_python(engine, "python:1")     this Python and its standard library
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Final

from tests.support.engines import Engine

# fmt: off
LEFT_OUT: Final = frozenset({
    "site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter",
    "turtledemo", "ensurepip", "lib2to3", "__pycache__",
})
# fmt: on


def import_busybox(engine: Engine, image: str, *changes: str) -> None:
    """Import /bin/busybox with its applets as `image`; `changes` as in a Dockerfile."""
    binary = Path("/bin/busybox")
    applets = subprocess.run(
        [binary, "--list"], capture_output=True, text=True, check=True
    ).stdout.split()
    with _importing(engine, image, changes) as tree:
        for directory in ("tmp", "etc"):
            _add_directory(tree, directory)
        tree.add(binary, "bin/busybox")
        for applet in applets:
            if applet != "busybox":
                _add_link(tree, f"bin/{applet}", "busybox")


def import_python(engine: Engine, image: str, *changes: str) -> None:
    """Import this Python, without packages, as `image`; it is `python3` on PATH."""
    python = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib")).resolve()
    with _importing(engine, image, changes) as tree:
        _add_directory(tree, "tmp")
        tree.add(python, str(python).lstrip("/"))
        _add_link(tree, "usr/local/bin/python3", str(python))
        tree.add(library, str(library).lstrip("/"), filter=_wanted)
        for shared in _shared_libraries(python, library):
            tree.add(shared.resolve(), str(shared).lstrip("/"))


def _wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if LEFT_OUT & set(Path(member.name).parts) else member


def _shared_libraries(python: Path, library: Path) -> Iterator[Path]:
    """What the interpreter and its extension modules load, the loader included."""
    extensions = sorted((library / "lib-dynload").glob("*.so"))
    told: str = subprocess.run(
        ["ldd", python, *extensions], capture_output=True, text=True, check=False
    ).stdout
    for path in sorted(set(re.findall(r"(?:=> |^\s+)(/\S+) \(0x", told, re.MULTILINE))):
        yield Path(path)


def _add_directory(tree: tarfile.TarFile, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
    tree.addfile(entry, BytesIO())


def _add_link(tree: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tree.addfile(entry, BytesIO())


class _importing:  # noqa: N801 - used as a statement
    """A root file system being written into `docker import`."""

    def __init__(self, engine: Engine, image: str, changes: tuple[str, ...]) -> None:
        options = [part for change in changes for part in ("--change", change)]
        self._process = subprocess.Popen(
            ["docker", "--host", engine.endpoint, "import", *options, "-", image],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> tarfile.TarFile:
        stdin: IO[bytes] | None = self._process.stdin
        assert stdin is not None
        self._tree = tarfile.open(fileobj=stdin, mode="w|")
        return self._tree

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is not None:
            self._process.kill()
            self._process.communicate()
            return
        self._tree.close()
        output = self._process.communicate()[0]
        if self._process.returncode != 0:
            raise RuntimeError(f"docker import failed: {output!r}")
