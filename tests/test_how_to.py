"""What the how-to pages give in full can be used as it stands there."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from controlplane.cluster_file.load import load
from tests.support.needs import ROOT

PAGE = (ROOT / "docs/how-to/container-instance.md").read_text(encoding="utf-8")
CLOUD_CONFIG_KEYS = frozenset(
    {"package_update", "packages", "groups", "users", "write_files", "runcmd"}
)
"""Of cloud-init's modules: apt, users_groups, write_files, runcmd."""
USER_KEYS = frozenset({"name", "groups", "shell", "lock_passwd", "ssh_authorized_keys"})


def blocks(language: str) -> list[str]:
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


def test_the_user_data_is_cloud_config_of_known_keys() -> None:
    (text,) = [block for block in blocks("yaml") if block.startswith("#cloud-config\n")]
    data = yaml.safe_load(text)

    assert CLOUD_CONFIG_KEYS >= data.keys()
    assert all(USER_KEYS >= user.keys() for user in data["users"] if user != "default")
    assert {"docker"} == {*data["groups"], *data["users"][1]["groups"]}
    files = {one["path"]: one["content"] for one in data["write_files"]}
    assert json.loads(files["/etc/docker/daemon.json"])["live-restore"] is True


def test_the_examples_are_cluster_files() -> None:
    examples = [block for block in blocks("yaml") if block.startswith("containerInst")]

    assert {"ssh://alb@10.0.0.5", "tcp://10.0.0.6:2376"} == {
        instance.endpoint
        for text in examples
        for instance in load("", text, {}).instances
    }


@pytest.mark.needs("systemd")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    (text,) = [block for block in blocks("ini") if block.startswith("[Unit]")]
    unit = tmp_path / "alb.service"  # its programs and user are not on this machine
    text = text.replace("/usr/local/bin/alb", "/bin/true").replace(
        "User=alb", "User=root"
    )
    unit.write_text(
        text.replace("WorkingDirectory=/srv/alb", f"WorkingDirectory={tmp_path}")
    )

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert "alb.service" not in done.stderr, done.stderr
