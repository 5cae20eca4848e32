"""A run that could not test something says so, or fails where it must not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.needs import ROOT

NEEDY = """
import pytest

@pytest.mark.needs("corpora")
def test_one() -> None: ...

@pytest.mark.needs("corpora")
def test_two() -> None: ...
"""


def run_needy(tmp_path: Path, require: str) -> tuple[int, str]:
    """Run two tests that need recorded cases on a machine that has none."""
    file = tmp_path / "test_needy.py"
    file.write_text(NEEDY)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "tests.conftest",
            "-c",
            ROOT / "pyproject.toml",
            "-q",
            file,
        ],
        cwd=ROOT,
        env=os.environ | {"ALB_CORPORA": "/nowhere", "ALB_REQUIRE": require},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_missing_need_skips_and_the_summary_says_how_to_get_it(
    tmp_path: Path,
) -> None:
    status, output = run_needy(tmp_path, require="")

    assert status == 0
    assert "not tested on this machine" in output
    assert (
        "2 tests: needs corpora: no recorded cases; "
        "set ALB_CORPORA to the folder of recorded cases"
    ) in output


@pytest.mark.parametrize("require", ["corpora", "root, corpora", "all"])
def test_a_required_need_that_is_missing_fails(tmp_path: Path, require: str) -> None:
    status, output = run_needy(tmp_path, require)

    assert status == 1
    assert "2 errors" in output
    assert "required by ALB_REQUIRE" in output


def test_an_unknown_need_is_an_error_not_a_pass(tmp_path: Path) -> None:
    status, output = run_needy(tmp_path, require="dokcer")

    assert status != 0
    assert "no such need ['dokcer']" in output
