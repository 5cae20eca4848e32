"""`make` finds a Python, or says the line that installs one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.needs import ROOT


def venv(tmp_path: Path, path: Path, **environment: str) -> tuple[int, str]:
    """Run tools/venv with a PATH of our own."""
    done = subprocess.run(
        ["/bin/sh", ROOT / "tools/venv", tmp_path / "made"],
        env={"PATH": str(path), "PYTHON": "", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A PATH without any Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in ("uname", "rm"):
        (folder / program).symlink_to(shutil.which(program) or "")
    return folder


def test_without_a_python_the_installing_line_is_printed(
    tmp_path: Path, path: Path
) -> None:
    status, said = venv(tmp_path, path)

    assert status == 1
    assert "alb needs Python 3.11 or newer" in said
    assert "Install one" in said
    assert not (tmp_path / "made").exists()


def test_an_old_python_is_passed_over(tmp_path: Path, path: Path) -> None:
    old = path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")  # as every probe of its version answers
    old.chmod(0o755)

    assert venv(tmp_path, path)[0] == 1


def test_a_python_that_is_told_is_taken(tmp_path: Path, path: Path) -> None:
    status, said = venv(tmp_path, path, PYTHON=sys.executable)

    assert (status, f"({sys.executable})" in said) == (0, True)
    made = [str(tmp_path / "made/bin/python"), "-m", "pip", "--version"]
    subprocess.run(made, check=True, capture_output=True)


def test_one_that_cannot_be_is_refused_by_name(tmp_path: Path, path: Path) -> None:
    status, said = venv(tmp_path, path, PYTHON="/no/such/python")

    assert status == 1
    assert "PYTHON=/no/such/python is not a Python 3.11 or newer" in said
