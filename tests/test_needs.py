"""A run that could not test something says so, or fails where it must not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import COMPUTING
from tests.support.needs import ROOT

NEEDY = """
import pytest

@pytest.mark.needs("corpora")
def test_one() -> None: ...

@pytest.mark.needs("corpora")
def test_two() -> None: ...
"""


MEASURING = """
import pytest

@pytest.mark.alone
def test_how_fast() -> None: ...
"""


def run_needy(tmp_path: Path, require: str) -> tuple[int, str]:
    """Run two tests that need recorded cases on a machine that has none."""
    environ = {"ALB_CORPORA": "/nowhere", "ALB_REQUIRE": require}
    return run_pytest(tmp_path, NEEDY, **environ)


def run_pytest(
    tmp_path: Path, text: str, *options: str, **environ: str
) -> tuple[int, str]:
    """Run a file of this text as `make test` would, from outside of the checkout."""
    file = tmp_path / "test_made.py"
    file.write_text(text)
    ours = ("-p", "tests.conftest", "-c", ROOT / "pyproject.toml")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *ours, "-q", *options, file],
        cwd=ROOT,
        env=os.environ | environ,
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


def test_one_that_would_be_in_no_share_is_an_error(tmp_path: Path) -> None:
    """Those alone are looked for in tests/live only: elsewhere nobody would run them."""
    status, output = run_pytest(tmp_path, MEASURING, "--share", "waiting")

    assert status == pytest.ExitCode.USAGE_ERROR
    assert "test_how_fast: those alone stand in tests/live" in output


def test_what_is_named_as_computing_is_there() -> None:
    """Else what was renamed would run among those that wait, and nobody would see."""
    assert [] == [path for path in COMPUTING if not path.exists()]
