"""`alb import`: where it writes, what it tells, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controlplane import cli

COMPOSE = "services:\n  web:\n    image: shop/web\n    networks: [back]\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("compose.yaml").write_text(COMPOSE)
    return tmp_path


def test_the_file_goes_to_standard_output_and_losses_to_standard_error(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["import", "compose", "compose.yaml"]) == 0

    out, err = capsys.readouterr()
    assert "serviceName: web" in out
    assert err.splitlines()[0].startswith("compose.yaml:4:5: services.web.networks: ")
    assert err.splitlines()[-1] == (
        "<output>: alb validate accepts it; 1 thing(s) not carried over"
    )


def test_what_was_written_is_valid(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["import", "compose", "compose.yaml", "-o", "alb.yaml"]) == 0
    assert cli.main(["validate", "alb.yaml"]) == 0

    assert "alb.yaml: ok" in capsys.readouterr().out


def test_a_file_that_is_there_is_replaced_only_when_told(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("alb.yaml").write_text("mine")

    assert cli.main(["import", "compose", "compose.yaml", "-o", "alb.yaml"]) == 1
    assert Path("alb.yaml").read_text() == "mine"
    assert "--force replaces it" in capsys.readouterr().err

    assert (
        cli.main(["import", "compose", "compose.yaml", "-o", "alb.yaml", "--force"])
        == 0
    )
    assert "serviceName: web" in Path("alb.yaml").read_text()


def test_programs_get_it_as_json(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["import", "compose", "compose.yaml", "--output", "json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert "serviceName: web" in told["clusterFile"]
    assert ("compose.yaml", 4, 5) == (
        told["notCarriedOver"][0]["file"],
        told["notCarriedOver"][0]["line"],
        told["notCarriedOver"][0]["column"],
    )


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        pytest.param(
            ["compose", "gone.yaml"], 2, "gone.yaml: No such", id="no such file"
        ),
        pytest.param(["compose", "bad.yaml"], 2, "bad.yaml:1:1", id="no YAML"),
        pytest.param(
            ["taskdef", "empty.json"], 1, "validate refuses it", id="nothing in it"
        ),
        pytest.param(
            ["compose", "compose.yaml", "--entry-point", "web"],
            2,
            "NAME=PORT",
            id="no port",
        ),
    ],
)
def test_how_it_ends(
    words: list[str],
    status: int,
    told: str,
    here: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("bad.yaml").write_text("\tx")
    Path("empty.json").write_text("[]")

    assert status == cli.main(["import", *words])
    assert told in capsys.readouterr().err
