"""What the how-to pages give in full can be used as it stands there."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from controlplane.cluster_file.load import load
from scheduler.configuration import Strategy
from tests.support.needs import ROOT

HOW_TO = ROOT / "docs/how-to"
PAGE = (HOW_TO / "container-instance.md").read_text(encoding="utf-8")
CLOUD_CONFIG_KEYS = frozenset(
    {"package_update", "packages", "groups", "users", "write_files", "runcmd"}
)
"""Of cloud-init's modules: apt, users_groups, write_files, runcmd."""
USER_KEYS = frozenset({"name", "groups", "shell", "lock_passwd", "ssh_authorized_keys"})


def blocks(language: str, page: str = PAGE) -> list[str]:
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return found


def test_the_blue_green_file_is_the_one_that_runs() -> None:
    """tests/live/test_configs.py runs it, and goes through what the page says."""
    page = (HOW_TO / "blue-green.md").read_text(encoding="utf-8")
    whole, *_ = blocks("yaml", page)
    assert (ROOT / "configs/blue-green.yaml").read_text(encoding="utf-8") == whole


PARTS = [Strategy.CANARY, Strategy.BLUE_GREEN]


@pytest.mark.parametrize("number", range(len(PARTS)))
def test_its_parts_are_what_a_service_may_have(number: int) -> None:
    page = (HOW_TO / "blue-green.md").read_text(encoding="utf-8")
    whole, *parts = blocks("yaml", page)
    part = parts[number]
    head, _, _ = whole.partition("    deploymentConfiguration:")
    alarm = """
    autoScaling:
      minCapacity: 1
      maxCapacity: 2
      policies:
        - policyName: errors
          policyType: StepScaling
          alarm: {metricName: CPUUtilization, period: 10, evaluationPeriods: 1,
                  comparisonOperator: GreaterThanThreshold, threshold: 75}
          adjustmentType: ChangeInCapacity
          stepAdjustments: [{metricIntervalLowerBound: 0, scalingAdjustment: 1}]
"""
    text = head + "".join(f"    {line}\n" for line in part.splitlines()) + alarm
    [service] = load("", text, {}).services
    assert PARTS[number] is service.deployment.strategy
    assert len(PARTS) == len(parts)


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
