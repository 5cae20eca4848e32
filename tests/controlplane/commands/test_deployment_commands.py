"""Commands about deployments, instances, and what one waits for."""

import json

import pytest

from tests.support.command_place import STATE, Place
from tests.support.fake_control import Reply


def test_a_deployment_is_stopped_or_continued(place: Place) -> None:
    it = {"serviceName": "web", "deploymentId": "ecs-svc/2"}
    place.control.replies["POST /v1/services/web/stop-deployment"] = Reply(it)
    place.control.replies["POST /v1/services/web/continue-deployment"] = Reply(it)
    told = "web: deployment ecs-svc/2 {}\n"
    assert place.run("deploy", "--stop", "web")[:2] == (0, told.format("stopped"))
    done = place.run("deploy", "--continue", "web", "--hook", "h")
    assert done[:2] == (0, told.format("continued"))


def test_deployments_are_told_with_their_stage_and_share(place: Place) -> None:
    one = {
        "serviceDeploymentArn": "arn:aws:ecs:local:0:service-deployment/c/web/2",
        "createdAt": 0,
        "status": "IN_PROGRESS",
        "lifecycleStage": "PRODUCTION_TRAFFIC_SHIFT",
        "statusReason": "ECS deployment ecs-svc/2 in progress.",
        "targetServiceRevision": {
            "requestedTaskCount": 3,
            "runningTaskCount": 2,
            "requestedProductionTrafficWeight": 5.0,
        },
        "lifecycleHookDetails": [
            {"hookId": "h", "targetType": "PAUSE", "status": "AWAITING_ACTION"}
        ],
    }
    described = Reply({"serviceDeployments": [one], "failures": []})
    place.control.replies["GET /v1/services/web/deployments"] = described
    revisions = Reply({"serviceRevisions": [{"launchType": "EC2"}]})
    place.control.replies["GET /v1/services/web/revisions"] = revisions
    status, out, _ = place.run("deployments", "web")
    assert 0 == status
    head, *rest = out.splitlines()
    assert head.startswith("ecs-svc/2  ")
    assert head.endswith("  IN_PROGRESS in PRODUCTION_TRAFFIC_SHIFT")
    assert [
        "    ECS deployment ecs-svc/2 in progress.",
        "    2 of 3 run, 5 % of production traffic",
        "    hook h (PAUSE): AWAITING_ACTION",
    ] == rest
    assert "launchType" in place.run("deployments", "web", "--revisions")[1]
    told = place.run("deployments", "web", "--output", "json")[1]
    assert one == json.loads(told)["serviceDeployments"][0]


def test_status_tells_the_stage_of_a_deployment_that_takes_over(place: Place) -> None:
    listed = STATE["services"]
    assert isinstance(listed, list)
    taking_over: dict[str, object] = {
        **listed[0],
        "deployments": [{"id": "ecs-svc/2", "rolloutState": "IN_PROGRESS"}, {}],
        "serviceDeployments": [
            {"id": "ecs-svc/1", "lifecycleStage": "CLEAN_UP"},
            {"id": "ecs-svc/2", "lifecycleStage": "BAKE_TIME"},
        ],
    }
    reply = Reply({**STATE, "services": [taking_over]})
    place.control.replies["GET /v1/state"] = reply
    assert "BAKE_TIME (2)\n" in place.run("status")[1]


def a_state(**service: object) -> Reply:
    web = {
        "serviceName": "web",
        "status": "ACTIVE",
        "deployments": [{"id": "ecs-svc/2"}],
        "runningCount": 2,
        "desiredCount": 2,
        **service,
    }
    tasks = [
        {"taskId": "aa1", "lastStatus": "RUNNING"},
        {"taskId": "aa2", "lastStatus": "STOPPED"},
    ]
    return Reply({"services": [web], "tasks": tasks})


TWO = [{"id": "ecs-svc/2"}, {"id": "ecs-svc/1"}]

# fmt: off
WAITERS = [  # waiter, name, state, exit status, what is complained of
    ("services-stable",   "web", a_state(),                  0, ""),
    ("services-stable",   "web", a_state(deployments=TWO),   1, "alb: not services-stable in time: web\n"),
    ("services-stable",   "web", a_state(runningCount=1),    1, "alb: not services-stable in time: web\n"),
    ("services-stable",   "web", a_state(status="DRAINING"), 1, "alb: web: it is DRAINING\n"),
    ("services-stable",   "wbe", a_state(),                  1, "alb: wbe: MISSING: no service has that name\n"),
    ("services-inactive", "web", a_state(),                  1, "alb: not services-inactive in time: web\n"),
    ("services-inactive", "old", a_state(),                  0, ""),
    ("tasks-running",     "aa1", a_state(),                  0, ""),
    ("tasks-running",     "aa2", a_state(),                  1, "alb: aa2: it is STOPPED\n"),
    ("tasks-running",     "aa",  a_state(),                  1, "alb: aa: MISSING: 2 tasks have an id that begins so\n"),
    ("tasks-running",     "b",   a_state(),                  1, "alb: b: MISSING: no tasks have an id that begins so\n"),
    ("tasks-stopped",     "aa2", a_state(),                  0, ""),
    ("tasks-stopped",     "aa1", a_state(),                  1, "alb: not tasks-stopped in time: aa1\n"),
]
# fmt: on


@pytest.mark.parametrize("row", WAITERS)
def test_waiters_mean_what_the_sdks_mean(
    place: Place, row: tuple[str, str, Reply, int, str]
) -> None:
    waiter, name, state, expected, told = row
    place.control.replies["GET /v1/state"] = state
    status, out, err = place.run("wait", waiter, name, "--timeout", "0.2")
    assert (expected, told) == (status, err)
    assert out == (f"{waiter}: {name}\n" if expected == 0 else "")


def test_run_says_where_tasks_may_go(place: Place) -> None:
    place.control.replies["POST /v1/tasks"] = Reply({"tasks": [], "failures": []})
    expression = "attribute:disk in [ssd, nvme]"
    status, _, _ = place.run(
        *("run", "web", "--placement-strategy", "type=spread,field=instanceId"),
        *("type=random", "--placement-constraints"),
        f"type=memberOf,expression={expression}",
    )
    assert 0 == status
    asked = place.control.asked[-1].body
    assert isinstance(asked, dict)
    spread = {"type": "spread", "field": "instanceId"}
    assert [spread, {"type": "random"}] == asked["placementStrategy"]
    member = {"type": "memberOf", "expression": expression}
    assert [member] == asked["placementConstraints"]
    status, _, err = place.run("run", "web", "--placement-strategy", "spread")
    assert 2 == status
    assert '"spread" is not type=T or type=T,NAME=VALUE' in err


def described(name: str, status: str = "ACTIVE", reason: str = "") -> dict[str, object]:
    """An instance as control tells it, with half of its CPU left."""
    resource = {"name": "CPU", "integerValue": 2048}
    return {
        "containerInstanceArn": f"arn:aws:ecs:l:0:container-instance/demo/{name}",
        "status": status,
        "statusReason": reason,
        "agentConnected": not reason,
        "runningTasksCount": 3,
        "pendingTasksCount": 1,
        "registeredResources": [resource],
        "remainingResources": [{**resource, "integerValue": 1024}],
        "attributes": [{"name": "ecs.availability-zone", "value": "z1"}],
    }


MISSING = {"arn": "arn:aws:ecs:l:0:container-instance/demo/x", "reason": "MISSING"}


def test_instances_are_a_table_and_ecss_shape_for_programs(place: Place) -> None:
    told = {
        "containerInstances": [described("a"), described("b", "DRAINING", "lost")],
        "failures": [MISSING],
    }
    place.control.replies["GET /v1/container-instances"] = Reply(told)

    status, out, err = place.run("instances", "a", "b", "x")

    assert (1, "alb: x: no container instance of that name\n") == (status, err)
    assert out == (
        "INSTANCE  ZONE  STATUS    CONNECTED  RUNNING  PENDING  CPU LEFT   MEMORY LEFT"
        "  REASON\n"
        "a         z1    ACTIVE    yes        3        1        1024/2048  ?/?"
        "          -\n"
        "b         z1    DRAINING  no         3        1        1024/2048  ?/?"
        "          lost\n"
    )
    asked = place.control.asked[0].path
    assert asked.endswith(
        "?containerInstance=a&containerInstance=b&containerInstance=x"
    )
    status, out, _ = place.run("instances", "--output", "json", "--status", "DRAINING")
    assert (1, told) == (status, json.loads(out))


@pytest.mark.parametrize(
    ("command", "told"), [("drain", "DRAINING"), ("activate", "ACTIVE")]
)
def test_instances_drain_and_take_tasks_again(
    place: Place, command: str, told: str
) -> None:
    place.control.replies["POST /v1/container-instances/state"] = Reply(
        {"containerInstances": [described("a", told)], "failures": []}
    )

    assert (0, f"a: {told}, 3 tasks run there\n", "") == place.run(command, "a")
    assert {"containerInstances": ["a"], "status": told} == place.control.asked[0].body


@pytest.mark.parametrize(
    ("last_status", "expected", "said"),
    [("STOPPED", 0, "0 tasks are left\n"), ("STOPPING", 1, "1 tasks are left\n")],
    ids=["empty", "not in time"],
)
def test_drain_waits_until_no_task_is_left(
    place: Place, last_status: str, expected: int, said: str
) -> None:
    place.control.replies["POST /v1/container-instances/state"] = Reply(
        {"containerInstances": [described("a", "DRAINING")], "failures": []}
    )
    arn = described("a")["containerInstanceArn"]
    there = {"containerInstanceArn": arn, "lastStatus": last_status}
    elsewhere = {"containerInstanceArn": f"{arn}2", "lastStatus": "RUNNING"}
    place.control.replies["GET /v1/tasks"] = Reply({"tasks": [there, elsewhere]})

    status, out, _ = place.run("drain", "a", "--wait", "--timeout", "0.2")

    assert (expected, True) == (status, out.endswith(said))
