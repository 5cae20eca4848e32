"""The examples of docs/how-to/scaling.md are one cluster file together."""

import re

from autoscaler.policies import (
    FastTrackingPolicy,
    StepScalingPolicy,
    TargetTrackingPolicy,
)
from controlplane.cli import COMMANDS
from controlplane.cluster_file.load import load
from tests.support.needs import ROOT

PAGE = (ROOT / "docs/how-to/scaling.md").read_text(encoding="utf-8")
REST = """\
taskDefinitions:
  - {family: web, containerDefinitions: [{name: web, image: web, cpu: 128, memory: 64,
      portMappings: [{containerPort: 80}]}]}
targetGroups: [{name: web}]
listeners: [{port: 80, defaultActions: [{type: forward, targetGroup: web}]}]
services:
  - serviceName: web
    taskDefinition: web
    loadBalancers: [{targetGroup: web}]
    autoScaling:
      minCapacity: 1
      maxCapacity: 5
      policies:
"""


def test_the_examples_are_a_cluster_file() -> None:
    blocks: list[str] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)

    found = load("alb.yaml", REST + "".join(blocks), {})

    (target,) = found.scalable_targets
    assert [
        TargetTrackingPolicy,
        TargetTrackingPolicy,
        StepScalingPolicy,
        FastTrackingPolicy,
    ] == [type(one) for one in target.policies]
    assert ["morning"] == [one.name for one in target.scheduled_actions]
    assert () == found.warnings


def test_the_commands_that_the_page_shows_are_there() -> None:
    shown = set(re.findall(r"^\$ alb (\S+)", PAGE, re.MULTILINE))

    assert {"scaling", "explain"} == shown
    assert shown <= COMMANDS.keys()
