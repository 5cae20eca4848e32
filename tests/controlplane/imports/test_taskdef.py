"""ECS task definitions stay as they are, and get a service and a way to it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controlplane.imports.taskdef import BOOKKEEPING
from controlplane.problems import ConfigInvalid
from tests.support.imported import as_written, outcome, taskdef


def definition(family: str = "web", **fields: Any) -> dict[str, Any]:
    mapping = {"containerPort": 80, "hostPort": 0, "protocol": "tcp"}
    container = {
        "name": family,
        "image": "nginx:1",
        "memory": 64,
        "portMappings": [mapping],
    }
    return {"family": family, "containerDefinitions": [container], **fields}


def described(family: str = "web", revision: int = 1, **fields: Any) -> str:
    whole = definition(family, revision=revision, status="ACTIVE", **fields)
    return json.dumps({"taskDefinition": whole, "tags": []}, indent=4)


def test_fields_stay_as_they_are() -> None:
    fields: dict[str, Any] = {
        "cpu": "256",
        "memory": "1 GB",
        "volumes": [{"name": "d", "host": {"sourcePath": "/d"}}],
        "placementConstraints": [
            {"type": "memberOf", "expression": "attribute:x == 1"}
        ],
    }

    made = as_written(taskdef(json.dumps(definition(**fields)))).at("taskDefinitions.0")

    assert definition(**fields) == made


def test_the_record_of_aws_is_told_and_left_out() -> None:
    made = as_written(taskdef(described(registeredBy="me")))

    assert not BOOKKEEPING & made.at("taskDefinitions.0").keys()
    assert (
        made.told["taskDefinition"]
        == "revision, status, registeredBy: AWS's record of the definition"
    )


def test_one_definition_has_the_whole_listener() -> None:
    made = outcome(taskdef(described()))

    assert [{"type": "forward", "targetGroup": "web"}] == made.at(
        "listeners.0.defaultActions"
    )
    assert [
        {"targetGroup": "web", "containerName": "web", "containerPort": 80}
    ] == made.at("services.0.loadBalancers")


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param([described("a"), described("b")], id="two files"),
        pytest.param(
            [described("a") + "\n" + described("b")], id="one after the other"
        ),
        pytest.param([json.dumps([definition("a"), definition("b")])], id="a list"),
        pytest.param(
            [json.dumps({"taskDefinitions": [definition("a"), definition("b")]})],
            id="in a wrapper",
        ),
    ],
)
def test_several_have_a_host_each(texts: list[str]) -> None:
    made = outcome(taskdef(*texts))

    assert [["a.localhost"], ["b.localhost"]] == [
        rule["conditions"][0]["values"] for rule in made.at("listeners.0.rules")
    ]


def test_places_are_those_of_the_file_though_it_holds_several() -> None:
    first = json.dumps(definition("a"), indent=2)
    second = json.dumps(definition("b", nonsense=1), indent=2)

    losses = outcome(taskdef(first + "\n" + second)).done.losses

    wanted = (
        len(first.splitlines()) + second[: second.index('"nonsense"')].count("\n") + 1
    )
    assert [(wanted, 3)] == [
        (loss.place.line, loss.place.column)
        for loss in losses
        if "nonsense" in loss.place.path
    ]


def test_the_newest_revision_of_a_family_counts() -> None:
    made = outcome(
        taskdef(described(revision=2, cpu="512"), described(revision=10, cpu="1024"))
    )

    assert made.at("taskDefinitions.0.cpu") == "1024"
    assert "comes after it" in str(made.done.losses[0])


def test_dollars_and_characters_of_json_are_themselves() -> None:
    whole = definition()
    whole["containerDefinitions"][0]["environment"] = [
        {"name": "A", "value": "${B} $C $$ 😀 \\ud83d \n"}
    ]

    made = outcome(taskdef(json.dumps(whole)))

    value = made.at("taskDefinitions.0.containerDefinitions.0.environment.0.value")
    assert value == "$${B} $C $$$ 😀 \\ud83d \n"


def test_a_port_of_awsvpc_is_not_the_hosts() -> None:
    whole = definition(networkMode="awsvpc")
    whole["containerDefinitions"][0]["portMappings"][0]["hostPort"] = 80

    made = as_written(taskdef(json.dumps(whole)))

    mapping = made.at("taskDefinitions.0.containerDefinitions.0.portMappings.0")
    assert {"containerPort": 80, "protocol": "tcp"} == mapping
    assert made.at("services.0.deploymentConfiguration") is None


def test_a_port_of_the_host_lets_the_old_task_go_first() -> None:
    whole = definition()
    whole["containerDefinitions"][0]["portMappings"][0]["hostPort"] = 8081

    made = outcome(taskdef(json.dumps(whole)))

    assert {"minimumHealthyPercent": 0, "maximumPercent": 100} == made.at(
        "services.0.deploymentConfiguration"
    )


def test_a_definition_without_ports_is_a_service_without_a_way_to_it() -> None:
    whole = definition()
    del whole["containerDefinitions"][0]["portMappings"]

    made = outcome(taskdef(json.dumps(whole)))

    assert (None, "web") == (made.at("listeners"), made.at("services.0.serviceName"))


def test_what_is_no_definition_is_told() -> None:
    made = as_written(taskdef('{"taskDefinition": {"cpu": "1"}, "failures": []}'))

    assert made.told["taskDefinition"] == "has no family"


def test_what_is_no_json_is_refused_with_its_place() -> None:
    with pytest.raises(ConfigInvalid, match=r"0.json:1:\d+"):
        taskdef('{"family": ')
