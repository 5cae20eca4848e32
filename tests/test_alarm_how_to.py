"""The examples of docs/how-to/alarms.md are one cluster file together."""

import re

from controlplane.cluster_file.load import load
from tests.support.needs import ROOT

PAGE = (ROOT / "docs/how-to/alarms.md").read_text(encoding="utf-8")
REST = """\
taskDefinitions:
  - {family: web, containerDefinitions: [{name: web, image: web, cpu: 128, memory: 64}]}
"""


def test_the_examples_are_a_cluster_file() -> None:
    blocks: list[str] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    first, math, *others = blocks
    alarms = first + math.removeprefix("alarms:\n")

    found = load("alb.yaml", alarms + "".join(others) + REST, {})

    assert ["web-slow", "web-busy-at-work"] == [one.name for one in found.alarms]
    names = [one.name for one in found.composite_alarms]
    assert ["web-trouble", "maintenance"] == names
    assert found.scalable_targets[0].alarms[0] == found.alarms[0]


def test_the_commands_that_the_page_shows_are_there() -> None:
    shown = re.findall(r"^\$ alb (\S+)", PAGE, re.MULTILINE)

    assert {"alarms", "alarm"} == set(shown)
