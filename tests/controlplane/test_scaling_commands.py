"""How a service scales, as control tells it: over a real autoscaler in virtual time."""

from dataclasses import replace

import pytest

from autoscaler.policies import ScalableTarget, ScheduledAction, SuspendedState
from controlplane.cluster_file import ClusterFile
from controlplane.errors import NotScalable, ServiceNotFound
from controlplane.scaling_commands import ScalingCommands
from scheduler.model import Service, TaskDefinition
from tests.support.scaling import TARGET, World, busy

MORNING = ScheduledAction("morning", "rate(1 minute)", min_capacity=2)


def commands(world: World, *targets: ScalableTarget) -> ScalingCommands:
    services = tuple(
        Service(name, TaskDefinition(name, ()), 1) for name in ("web", "api")
    )
    file = ClusterFile("demo", services=services, scalable_targets=targets)
    return ScalingCommands(world.autoscaler, lambda: file)


async def test_an_explanation_is_whole() -> None:
    target = replace(TARGET, max_capacity=2, scheduled_actions=(MORNING,))
    world = World(target)
    await world.pass_s(70, busy)

    told = commands(world, target).explained("web")

    assert ("web", "service/demo/web") == (told["serviceName"], told["resourceId"])
    assert (2, 2, 2) == (
        told["minCapacity"],
        told["maxCapacity"],
        told["desiredCount"],
    )
    assert {"minCapacity": 1, "maxCapacity": 2} == told["capacitiesOfFile"]
    policies = told["policies"]
    assert isinstance(policies, list)
    out, back = policies
    assert ("out", "StepScaling", ["web-out"]) == (
        out["policyName"],
        out["policyType"],
        out["alarms"],
    )
    assert ("AlreadyAtMaxCapacity", None) == (
        out["notScaledReason"],
        out["desiredCount"],
    )
    assert "web-in is OK: it wants nothing" == back["reason"]
    actions = told["scheduledActions"]
    assert isinstance(actions, list)
    (scheduled,) = actions
    assert {"minCapacity": 2, "maxCapacity": None} == scheduled["scalableTargetAction"]
    assert world.clock.unix_s() < scheduled["nextTime"] <= world.clock.unix_s() + 60
    alarms = told["alarms"]
    assert isinstance(alarms, list)
    assert ["web-out", "web-in"] == [one["name"] for one in alarms]


async def test_activities_are_the_services_own_and_those_asked_for() -> None:
    target = replace(TARGET, max_capacity=2)
    world = World(target)
    await world.pass_s(70, busy)
    asked = commands(world, target)

    scaled = asked.activities("web", not_scaled=False)["scalingActivities"]
    every = asked.activities("web", not_scaled=True)["scalingActivities"]

    assert isinstance(scaled, list)
    assert isinstance(every, list)
    assert ["Setting desired count to 2."] == [one["description"] for one in scaled]
    refused = [one for one in every if one not in scaled]
    assert {"Attempting to scale due to alarm triggered"} == {
        one["description"] for one in refused
    }
    assert {"code": "AlreadyAtMaxCapacity", "maxCapacity": 2} in [
        reason for one in refused for reason in one["notScaledReasons"]
    ]


async def test_a_service_is_suspended_in_words_of_aws() -> None:
    world = World()
    asked = commands(world, TARGET)
    await world.pass_s(1, busy)

    told = await asked.suspend("web", SuspendedState(dynamic_scaling_in=True))

    assert told["suspendedState"] == {
        "dynamicScalingInSuspended": True,
        "dynamicScalingOutSuspended": False,
        "scheduledScalingSuspended": False,
    }
    assert SuspendedState(dynamic_scaling_in=True) == asked.suspended("web")


async def test_who_does_not_scale_is_told_apart_from_who_is_not_there() -> None:
    asked = commands(World(), TARGET)

    with pytest.raises(NotScalable, match="api does not scale: it has no autoScaling"):
        asked.explained("api")
    with pytest.raises(ServiceNotFound, match='did you mean "web"'):
        asked.activities("wep", not_scaled=False)
