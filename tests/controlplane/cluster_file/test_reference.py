"""The table of fields, the reference page and the JSON Schema say the same."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from controlplane.cluster_file import load, schema, text_of
from controlplane.cluster_file.fields import CLUSTER_FILE
from controlplane.cluster_file.kinds import (
    Anything,
    Each,
    Field,
    Kind,
    Shape,
    Status,
    Variants,
)
from controlplane.cluster_file.reference import reference
from controlplane.demo import scenario
from tests.support.scaling import steps_of

ROOT = Path(__file__).parents[3]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
FILES = [*CONFIGS, Path(__file__).parent / "valid.yaml"]
a_config = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)


def fields_of(kind: Kind, path: str = "") -> Iterator[tuple[str, Field]]:
    match kind:
        case Each(of=inner):
            yield from fields_of(inner, f"{path}[]")
        case Variants(shapes=shapes):
            for tag, shape in shapes.items():
                yield from fields_of(shape, f"{path}<{tag}>")
        case Shape(fields=fields):
            for name, field in fields.items():
                assert name == field.name
                yield f"{path}.{name}", field
                yield from fields_of(field.kind, f"{path}.{name}")
        case _:
            pass


FIELDS = dict(fields_of(CLUSTER_FILE))


def test_the_page_is_the_generated_one() -> None:
    committed = (ROOT / "docs/reference/cluster-file.md").read_text(encoding="utf-8")

    assert reference() == committed, (
        "run: python -m controlplane.cluster_file.reference "
        "> docs/reference/cluster-file.md"
    )


def test_every_field_has_a_source_and_a_row() -> None:
    page = reference()
    for path, field in FIELDS.items():
        assert field.source, path
        assert f"| `{field.name}` |" in page, path


def test_a_field_that_is_looked_into_is_live_or_has_a_default() -> None:
    """What is not built is either not looked into, or has a value that is harmless."""
    for path, field in FIELDS.items():
        if isinstance(field.kind, Anything):
            assert field.status is not Status.LIVE, path


# fmt: off
REFUSED = [  # what is not built and would change who reaches what
    "certificateArn", "mutualAuthentication", "resourceRequirements",
    "securityGroups", "efsVolumeConfiguration",
    "capacityProviderStrategy", "configuredAtLaunch", "credentialSpecs",
    "ipv6.deny_all_igw_traffic", "networkConfiguration",
    "proxyConfiguration",
]
# fmt: on


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_change_who_reaches_what_is_refused(name: str) -> None:
    statuses = {field.status for field in FIELDS.values() if field.name == name}

    assert {Status.REFUSED} == statuses


# --- configs ------------------------------------------------------------------------


@a_config
def test_a_config_is_valid_as_it_is(path: Path) -> None:
    loaded = load(path.name, text_of(path.name, path.read_bytes()), {})

    assert () == loaded.warnings


def test_the_demo_scales_as_its_scenario_reckons() -> None:
    path = ROOT / "configs/demo.yaml"
    loaded = load(path.name, path.read_text(encoding="utf-8"), {})

    assert ["web", "api"] == [service.name for service in loaded.services]
    for target in loaded.scalable_targets:
        out, back = steps_of(target)
        assert (1, scenario.TASKS_MAX) == (target.min_capacity, target.max_capacity)
        assert (
            scenario.OUT_THRESHOLD, scenario.OUT_PERIODS, scenario.OUT_COOLDOWN_S
        ) == (out.alarm.threshold, out.alarm.evaluation_periods, out.cooldown_s)  # fmt: skip
        assert (
            scenario.IN_THRESHOLD, scenario.IN_PERIODS, scenario.IN_COOLDOWN_S
        ) == (back.alarm.threshold, back.alarm.evaluation_periods, back.cooldown_s)  # fmt: skip
        assert {scenario.PERIOD_S} == {out.alarm.period_s, back.alarm.period_s}


# --- the JSON Schema ------------------------------------------------------------------

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


def faults(value: object, rule: dict[str, object], at: str = "$") -> list[str]:
    """Validate by the few keywords that the schema uses."""
    if "anyOf" in rule or "oneOf" in rule:
        branches = rule.get("anyOf") or rule["oneOf"]
        assert isinstance(branches, list)
        tried = [faults(value, branch, at) for branch in branches]
        fitting = sum(not found for found in tried)
        wanted = fitting == 1 if "oneOf" in rule else fitting >= 1
        return [] if wanted else [f"{at}: {tried}"]
    types = rule.get("type", [])
    names = [str(name) for name in types] if isinstance(types, list) else [str(types)]
    if names and not isinstance(value, tuple(t for name in names for t in TYPES[name])):
        return [f"{at}: {value!r} is no {types}"]
    if isinstance(value, dict):
        return faults_of_mapping(value, rule, at)
    if isinstance(value, list):
        inner = rule.get("items", {})
        assert isinstance(inner, dict)
        return [f for n, v in enumerate(value) for f in faults(v, inner, f"{at}[{n}]")]
    return faults_of_scalar(value, rule, at)


def faults_of_scalar(value: object, rule: dict[str, object], at: str) -> list[str]:
    found = []
    if "enum" in rule and value not in rule["enum"]:  # type: ignore[operator] # a list
        found.append(f"{at}: {value!r}")
    if "const" in rule and value != rule["const"]:
        found.append(f"{at}: {value!r}")
    if isinstance(value, str) and not re.search(str(rule.get("pattern", "")), value):
        found.append(f"{at}: {value!r} is not like {rule['pattern']}")
    if isinstance(value, int) and "minimum" in rule:
        low, high = rule["minimum"], rule.get("maximum", value)
        assert isinstance(low, int)
        assert isinstance(high, int)
        if not low <= value <= high:
            found.append(f"{at}: {value}")
    return found


def faults_of_mapping(
    value: dict[str, object], rule: dict[str, object], at: str
) -> list[str]:
    properties = rule.get("properties", {})
    required = rule.get("required", [])
    patterns = rule.get("patternProperties", {})
    assert isinstance(properties, dict)
    assert isinstance(required, list)
    assert isinstance(patterns, dict)
    found = [f"{at}: {name} is missing" for name in required if name not in value]
    for name, inner in value.items():
        if any(re.search(pattern, name) for pattern in patterns):
            continue
        if name in properties:
            found += faults(inner, properties[name], f"{at}.{name}")
        elif rule.get("additionalProperties") is False:
            found.append(f"{at}: {name} is unknown")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_schema_takes_what_is_valid(path: Path) -> None:
    assert [] == faults(yaml.safe_load(path.read_text(encoding="utf-8")), schema())


# fmt: off
NOT_VALID = [
    {"cluster": "de mo"},
    {"unknown": 1},
    {"services": [{"serviceName": "a"}]},
    {"services": [{"serviceName": "a", "taskDefinition": "b", "desiredCount": -1}]},
    {"listeners": [{"port": 1, "defaultActions": [{"type": "other"}]}]},
    {"listeners": {"port": 1}},
]
# fmt: on


@pytest.mark.parametrize("content", NOT_VALID, ids=str)
def test_the_schema_refuses_what_is_not(content: object) -> None:
    assert faults(content, schema())


def test_the_schema_is_json() -> None:
    assert schema() == json.loads(json.dumps(schema()))
