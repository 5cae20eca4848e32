"""The command line: finds commands, keeps its promises about status and speed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from controlplane import cli, machine
from controlplane.version import __version__

VALID = """\
cluster: demo
targetGroups:
  - name: legacy
    targets: [{id: 127.0.0.1, port: 9000}]
listeners:
  - port: 18080
    protocol: HTTP
    rules:
      - priority: 10
        conditions: [{field: path-pattern, values: ["/legacy/*"]}]
        actions: [{type: fixed-response, statusCode: "404"}]
    defaultActions: [{type: forward, targetGroup: legacy}]
"""

SLOW_MODULES = ("aiohttp", "asyncio", "docker", "http.client", "sqlite3", "ssl")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "alb.yaml"
    path.write_text(VALID)
    return path


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0

    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in cli.COMMANDS)


@pytest.mark.parametrize("name", sorted(set(cli.COMMANDS) - {"load", "demo"}))
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = cli.module_of(name)

    assert module.__doc__
    assert cli.main([name, "--help"]) == 0
    assert "--state-dir" in capsys.readouterr().out


def test_without_a_command_the_commands_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main([]) == 2
    assert "commands" in capsys.readouterr().err


def test_an_unknown_command_is_a_usage_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["vlidate"]) == 2
    assert 'did you mean "validate"?' in capsys.readouterr().err


def test_an_unknown_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--colour"]) == 2
    assert "--colour" in capsys.readouterr().err


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_options_may_stand_before_or_after_the_command(
    before: bool,  # noqa: FBT001
    file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["-f", str(file)]

    assert cli.main([*options, "validate"] if before else ["validate", *options]) == 0
    assert capsys.readouterr().out == f"{file}: ok\n"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert cli.main(["version"]) == 0
    told = f"alb {__version__}\n", f"alb {__version__} (request path: python)\n"
    assert capsys.readouterr().out == "".join(told)


def test_an_invalid_file_is_status_2_with_every_problem(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(VALID.replace("18080", "700000").replace("legacy}]", "legcy}]"))

    assert cli.main(["validate", str(file)]) == 2
    told = capsys.readouterr().err
    assert "2 problems" in told
    assert f"{file}:6:11: listeners[0].port" in told


def test_problems_come_as_json_for_programs(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(VALID.replace("18080", "700000"))

    assert cli.main(["validate", "--output", "json", "-f", str(file)]) == 2
    document = json.loads(capsys.readouterr().out)
    (problem,) = document["problems"]
    assert (document["valid"], problem["line"]) == (False, 6)
    assert problem["path"] == "listeners[0].port"


LEASES = """\
cluster: leases
containerInstances: [{{name: a, runtime: process, dynamicPortRange: "{0}-{1}"}}]
taskDefinitions:
  - family: web
    containerDefinitions: [{{name: web, memory: 64, command: [run]}}]
services: [{{serviceName: web, taskDefinition: web, desiredCount: 1}}]
"""


@pytest.mark.parametrize("command", ["validate", "validate --output json", "up -d"])
def test_ports_that_the_kernel_gives_away_are_told_before_tasks_run(
    command: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outgoing = machine.ephemeral_ports()
    if outgoing is None:
        pytest.skip("this system does not tell the ports of outgoing connections")
    first = outgoing[0]
    file.write_text(LEASES.format(first, first + 9))
    nowhere = file.parent / ("d" * 108)  # `up` looks at the file first, and then there

    cli.main([*command.split(), "-f", str(file), "--state-dir", str(nowhere)])

    told = "".join(capsys.readouterr())
    assert f"dynamic ports {first}-{first + 9} overlap those of outgoing" in told
    assert "sysctl -w net.ipv4.ip_local_port_range=" in told


def test_a_file_that_is_not_there_is_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "none.yaml"

    assert cli.main(["validate", "-f", str(missing)]) == 2
    assert f"{missing}: No such file" in capsys.readouterr().err


def test_variables_come_from_the_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(VALID.replace("18080", "${WEB_PORT}"))

    assert cli.main(["validate", "-f", str(file)]) == 2
    monkeypatch.setenv("WEB_PORT", "18080")
    assert cli.main(["validate", "-f", str(file)]) == 0


def test_without_a_cluster_the_way_to_one_is_told(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["status", "-f", str(file)]) == 1
    assert "is the cluster up? (alb up)" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["--help", "status", "validate"])
def test_quick_commands_import_nothing_slow(command: str, file: Path) -> None:
    program = (
        "import sys; from controlplane.cli import main;"
        f"main([{command!r}, '-f', {str(file)!r}]);"
        f"print([name for name in {SLOW_MODULES} if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert ran.stdout.splitlines()[-1] == "[]"
