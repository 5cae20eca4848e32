"""`make` finds a Python, or says the line that installs one."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

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


def asked_with_extras() -> list[str]:
    """What installed packages ask for with an extra of it, as `coverage[toml]`."""
    asked = set()
    for distribution in importlib.metadata.distributions():
        for text in distribution.requires or ():
            requirement = Requirement(text)
            holds = requirement.marker is None or requirement.marker.evaluate(
                {"extra": ""}
            )
            if requirement.extras and holds:
                asked.add(f"{requirement.name}[{','.join(sorted(requirement.extras))}]")
    return sorted(asked)


@pytest.mark.parametrize("name", asked_with_extras())
def test_what_is_asked_for_with_an_extra_is_locked_with_it(name: str) -> None:
    # An older pip takes the newest release of it otherwise, whose hash nobody locked.
    lock = (ROOT / "requirements-dev.lock").read_text()
    assert f"\n{name}==" in lock


RUNS_IN_SHARES = [
    (0, 0, 0, "all pass"),
    (1, 0, 0, "what failed beside others passes by itself"),
    (1, 1, 1, "what fails twice has failed"),
    (1, 5, 1, "what ended without saying what failed has failed"),
    (2, 0, 2, "what was interrupted is not tried again"),
    (5, 0, 0, "nothing was selected"),
]


@pytest.mark.parametrize(
    ("first", "again", "status"),
    [row[:3] for row in RUNS_IN_SHARES],
    ids=[row[3] for row in RUNS_IN_SHARES],
)
def test_what_fails_beside_others_is_tried_once_more(
    tmp_path: Path, first: int, again: int, status: int
) -> None:
    """The script, with a program in Python's place that ends as it is told."""
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\ncase "$*" in *last-failed*) exit {again};;'
        f" *waiting*) exit {first};; esac\n"
    )
    python.chmod(0o755)

    done = subprocess.run(
        ["sh", str(ROOT / "tools" / "test"), str(python)], check=False, cwd=tmp_path
    )

    assert status == done.returncode
