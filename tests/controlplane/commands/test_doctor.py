"""The doctor: what it finds, and what it advises."""

import socket
from pathlib import Path

import pytest

from controlplane import speed
from controlplane.commands import doctor
from controlplane.commands.node import Node
from controlplane.commands.place import Place
from controlplane.state_dir import StateDir
from tests.support.engines import Engine


def test_an_old_python_is_a_failure() -> None:
    finding = doctor.python_version((3, 9))

    assert finding.level == "fail"
    assert "Python 3.11" in finding.advice


# fmt: off
RANGES = [
    ((20_000, 29_999), (32_768, 60_999), "ok",   "below"),
    ((20_000, 29_999), (10_000, 19_999), "ok",   "above"),
    ((20_000, 29_999), (29_999, 60_999), "warn", "one port in common"),
    ((20_000, 29_999), (1024, 65_535),   "warn", "inside"),
    ((20_000, 29_999), None,             "ok",   "not told by this system"),
]
# fmt: on


@pytest.mark.parametrize(
    ("leased", "ephemeral", "level"),
    [row[:-1] for row in RANGES],
    ids=[row[-1] for row in RANGES],
)
def test_leased_ports_stay_out_of_outgoing_ones(
    leased: tuple[int, int], ephemeral: tuple[int, int] | None, level: str
) -> None:
    assert level == doctor.port_range(leased, ephemeral).level


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        error = doctor.bind_error("127.0.0.1", taken.getsockname()[1])

    assert error == "Address already in use"


def test_a_state_directory_open_to_others_is_a_failure(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    levels = [one.level for one in doctor.state_directory(Node(StateDir(tmp_path)))]
    tmp_path.chmod(0o700)
    private = [one.level for one in doctor.state_directory(Node(StateDir(tmp_path)))]

    assert levels == ["fail", "ok"]
    assert private == ["ok", "ok"]


def test_a_directory_too_deep_for_a_socket_is_a_failure(tmp_path: Path) -> None:
    deep = Node(StateDir(tmp_path / ("x" * 100)))

    assert next(doctor.state_directory(deep)).level == "fail"


def test_containers_of_other_clusters_are_told_and_not_touched() -> None:
    (finding,) = doctor.containers("docker", ["own", "other", "other"], "own")

    assert finding.level == "warn"
    assert "2 container(s) of another cluster, other" in finding.fact


def test_an_engine_that_does_not_answer_is_a_failure_if_the_file_names_it(
    tmp_path: Path,
) -> None:
    endpoint = f"unix://{tmp_path}/none.sock"

    (named,) = doctor.engine("docker host-a", endpoint, "")
    (default,) = doctor.engine(doctor.DEFAULT_ENGINE, endpoint, "")

    assert (named.level, default.level) == ("fail", "warn")
    assert "local processes" in default.advice


def test_a_line_says_what_to_do() -> None:
    assert doctor.ok("python", "3.11").line() == "ok    python: 3.11"
    assert doctor.warn("a", "b", "c").line() == "warn  a: b -> c"


# fmt: off
CORES = [
    (1024, 1024, "ok",   "as the file says"),
    (1100, 1024, "ok",   "no two measurements are equal"),
    (2048, 1024, "warn", "twice as fast as the file says"),
    ( 512, 1024, "warn", "half as fast"),
]
# fmt: on


@pytest.mark.parametrize(
    ("measured", "said", "level"), [row[:3] for row in CORES], ids=[r[3] for r in CORES]
)
def test_cores_are_compared_with_what_the_file_says(
    measured: int, said: int, level: str
) -> None:
    finding = doctor.core("host-a", measured, said)

    assert (level, f"ecuPerCore: {measured} (a core of this machine is 1024)") == (
        finding.level,
        finding.fact,
    )


def test_what_cannot_be_measured_is_told(tmp_path: Path) -> None:
    (tmp_path / "alb.yaml").write_text(
        "containerInstances: [{name: a, endpoint: 'ssh://x@h'}, "
        "{name: b, runtime: process}]"
    )
    place = Place(tmp_path / "alb.yaml", StateDir(tmp_path / ".alb"))

    _, there, here = doctor.benchmark(place)

    assert ("warn", "not measured") == (there.level, there.fact)
    assert ("ok", "ecuPerCore: 1024 (a core of this machine is 1024)") == (
        here.level,
        here.fact,
    )


@pytest.mark.needs("docker")
def test_a_core_of_this_machines_engine_is_a_core_of_this_machine(
    engine: Engine,
) -> None:
    there, here = speed.speed_at(engine.endpoint, None), speed.speed_here()

    assert 512 < speed.ecu_per_core(there, here) < 2048
