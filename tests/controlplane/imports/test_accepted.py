"""What the validator refuses goes, as little as can go without changing who reaches
what, and is told at the place it came from."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from controlplane.imports import accepted
from controlplane.imports.given import Given, Many, Named, Place, Text, given
from controlplane.imports.section import Section
from controlplane.imports.writing import written

FILE = """\
taskDefinitions:
  - family: web
    containerDefinitions:
      - {name: web, image: a, memory: 64, portMappings: [{containerPort: 80}]}
targetGroups:
  - {name: web}
listeners:
  - port: 80
    rules:
      - {priority: 1, conditions: [{field: path-pattern, values: [/a]}], actions: [{type: forward, targetGroup: web}]}
    defaultActions: [{type: forward, targetGroup: web}]
services:
  - {serviceName: web, taskDefinition: web, desiredCount: 1, loadBalancers: [{targetGroup: web}]}
"""


def sections(value: Given) -> Any:
    match value:
        case Named():
            section = Section(value)
            for key in value.entries:
                section.put(key.name, sections(key.value), key)
            return section
        case Many():
            return [sections(item) for item in value.items]
        case Text():
            return int(value.text) if value.text.isdigit() else value.text


def after(old: str, new: str) -> tuple[dict[str, Any], list[str]]:
    """Change the file, have it accepted; return what it holds and what was told."""
    assert old in FILE
    done = accepted(sections(given("f", FILE.replace(old, new))), (), {})
    assert done.problems == ()
    return yaml.safe_load(done.text) or {}, [str(loss) for loss in done.losses]


# fmt: off
ROWS = [
    ("values: [/a]", "values: [/ü]", "listeners.0.rules", None, "a rule goes as a whole: without its condition it would take everything"),
    ("values: [/a]", "values: [/ü]", "listeners.0.defaultActions.0.type", "forward", "and nothing else with it"),
    ("memory: 64", "memory: 64, secrets: x", "taskDefinitions.0.containerDefinitions.0.image", "a", "of a container one field goes"),
    ("memory: 64", "memory: 64, nonsense: 1", "taskDefinitions.0.containerDefinitions.0.nonsense", None, "one that nobody knows"),
    ("[{containerPort: 80}]", "[{containerPort: 80}, {containerPort: 53, protocol: sctp}]", "taskDefinitions.0.containerDefinitions.0.portMappings.1", None, "of a list one item, not its protocol"),
    ("defaultActions: [{type: forward, targetGroup: web}]", "defaultActions: [{type: jwt-validation}]", "listeners.0.defaultActions.0.statusCode", "404", "a default action becomes 404"),
    ("{name: web, image: a", "{name: web", "taskDefinitions", None, "what cannot run goes"),
    ("{name: web, image: a", "{name: web", "services", None, "with the service that needs it"),
    ("{name: web, image: a", "{name: web", "listeners.0.port", 80, "and not with the listener"),
    ("taskDefinition: web,", "taskDefinition: web, launchType: FARGATE,", "services.0.serviceName", "web", "of a service one field"),
]
# fmt: on


@pytest.mark.parametrize(
    ("old", "new", "path", "expected"),
    [row[:-1] for row in ROWS],
    ids=[row[-1] for row in ROWS],
)
def test_what_stays(old: str, new: str, path: str, expected: Any) -> None:
    value: Any
    value, told = after(old, new)

    for word in path.split("."):
        if isinstance(value, list):
            value = value[int(word)] if int(word) < len(value) else None
        else:
            value = (value or {}).get(word) or None
    assert expected == value
    assert told


def test_a_loss_is_told_where_its_field_is_written() -> None:
    _, told = after("memory: 64", "memory: 64, secrets: x")

    assert [
        "f:4:43: taskDefinitions[0].containerDefinitions[0].secrets: secrets: must be a list, such as [x]"
    ] == told


def test_what_was_lost_within_what_goes_is_still_told() -> None:
    root = sections(given("f", FILE.replace("{name: web, image: a", "{name: web")))
    root.sections("taskDefinitions")[0].losses.add(Place("f", 9, 9, "x"), "was lost")

    assert "f:9:9: x: was lost" in map(str, accepted(root, (), {}).losses)


def test_a_container_that_a_task_can_do_without_goes_alone() -> None:
    two = "- {name: job, image: b, memory: 8}\n      - {name: web, image"
    root = sections(given("f", FILE.replace("- {name: web, image", two)))
    root.sections("taskDefinitions")[0].sections("containerDefinitions")[0][
        "essential"
    ] = False

    file = yaml.safe_load(accepted(root, (), {}).text)

    names = [one["name"] for one in file["taskDefinitions"][0]["containerDefinitions"]]
    assert names[-1] == "web"


def test_a_variable_that_is_not_set_is_needed_and_no_mistake() -> None:
    done = accepted(
        sections(given("f", FILE.replace("image: a", 'image: "a:${TAG}"'))), (), {}
    )

    assert (("TAG",), ()) == (done.needs, done.problems)
    assert "${TAG}" in done.text


def test_what_nothing_can_be_made_of_is_refused() -> None:
    assert accepted(Section(Place("f", 1, 1, "")), (), {}).problems


# fmt: off
TEXTS = ["", "no", "null", "~", "22:22", "1.10", "0256", "a: b", "a #b", "*x", "&x", "- a", "{a", "[", "'", '"', "\\", "\n", "\t", "\x85", "\ufeff", "é", "😀", " a ", "#{path}", "<<", "!x", "%", "@", "`", "?", "a,b", "=", "\0", "\x7f", "\u2028"]
# fmt: on


@pytest.mark.parametrize("text", TEXTS, ids=repr)
def test_a_text_is_read_as_it_was(text: str) -> None:
    """By us, and by a reader of YAML 1.1 that gives types."""
    root = Section(Place("f", 1, 1, ""), x=text, y={text: text}, z=[[text]])

    file = yaml.safe_load(written(root))

    assert {"x": text, "y": {text: text}, "z": [[text]]} == file
    ours = given("f", written(root))
    assert isinstance(ours, Named)
    assert isinstance(ours.entries[0].value, Text)
    assert text == ours.entries[0].value.text
