"""What a container is told from files: which counts most, and what cannot be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scheduler.definition import ContainerDefinition, LogConfiguration
from scheduler.drivers import secrets
from scheduler.errors import CannotStart
from scheduler.model import ContainerName, TaskId
from scheduler.ports import ContainerSpec

WEB = ContainerDefinition("web", environment=(("MODE", "own"),))
SPEC = ContainerSpec(
    name=ContainerName("alb-c1-t-web"),
    task_id=TaskId("t"),
    service="shop",
    cluster_uid="c1",
    definition=WEB,
    environment=(("PORT", "80"), ("MODE", "own")),
    leases=(),
)


def spec(definition: ContainerDefinition) -> ContainerSpec:
    return replace(SPEC, definition=definition)


def test_files_count_less_than_the_definition_and_secrets_most(tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text("PORT=81\nMODE=file\nA=1\nB=1\n")
    (tmp_path / "b.env").write_text("B=2\n")
    (tmp_path / "secret").write_text("s3cret\n")
    files = ("file://a.env", f"file://{tmp_path}/b.env")
    wanted = replace(
        WEB, environment_files=files, secrets=(("PASSWORD", "file://secret"),)
    )

    found = secrets.environment_of(spec(wanted), tmp_path, "a")

    assert {
        "PORT": "81", "MODE": "own", "A": "1", "B": "2", "PASSWORD": "s3cret",
    } == found  # fmt: skip


# fmt: off
FILES = [
    ("A=1\nB = 2\n",      {"A": "1", "B": " 2"}, "spaces of a value stay"),
    ("# A=1\n\nno\n=x\n", {},                    "comments and what is no variable"),
    ("A='b c'\n",         {"A": "'b c'"},        "no shell reads it"),
    ("A=b=c\n",           {"A": "b=c"},          "a value may hold ="),
]
# fmt: on


@pytest.mark.parametrize(
    ("text", "found"), [r[:2] for r in FILES], ids=[r[2] for r in FILES]
)
def test_a_file_of_variables(text: str, found: dict[str, str]) -> None:
    assert found == dict(secrets.variables(text))


def test_what_cannot_be_read_is_a_resource_that_cannot_be_initialized(
    tmp_path: Path,
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for where, why in (("file://gone", "No such file"), ("file://binary", "not UTF-8")):
        wanted = replace(WEB, secrets=(("A", where),))
        with pytest.raises(CannotStart, match=f"ResourceInitializationError.*{why}"):
            secrets.environment_of(spec(wanted), tmp_path, "a")


def test_options_and_credentials_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken")
    (tmp_path / "user").write_text('{"username": "u", "password": "p", "more": 1}')
    logs = LogConfiguration("splunk", (), (("splunk-token", "file://token"),))
    wanted = spec(
        replace(WEB, log_configuration=logs, repository_credentials="file://user")
    )

    assert {"splunk-token": "t0ken"} == secrets.log_secrets_of(wanted, tmp_path, "a")
    assert {"username": "u", "password": "p"} == secrets.credentials_of(
        wanted.definition, tmp_path, "a"
    )
    assert secrets.credentials_of(SPEC.definition, tmp_path, "a") is None
