"""Commands that ask control, against one that answers as the contract says."""

import json

import pytest

from tests.support.command_place import STATE, VALID, Place
from tests.support.fake_control import Reply

SCALING = {
    "serviceName": "web",
    "desiredCount": 3,
    "runningCount": 2,
    "healthyCount": 2,
    "deploying": True,
    "minCapacity": 2,
    "maxCapacity": 6,
    "capacitiesOfFile": {"minCapacity": 1, "maxCapacity": 6},
    "suspendedState": {"dynamicScalingInSuspended": True},
    "cooldown": {
        "policyName": "out",
        "direction": "out",
        "remainingSeconds": 12.3,
        "capacityBefore": 2,
    },
    "alarms": STATE["alarms"],
    "policies": [
        {
            "policyName": "out",
            "policyType": "StepScaling",
            "desiredCount": 4,
            "reason": "91 asks for +1",
            "notScaledReason": None,
        },
        {
            "policyName": "cpu",
            "policyType": "TargetTrackingScaling",
            "desiredCount": None,
            "reason": "all is well",
            "notScaledReason": None,
        },
        {
            "policyName": "in",
            "policyType": "StepScaling",
            "desiredCount": None,
            "reason": "but",
            "notScaledReason": "alb.Cooldown",
        },
    ],
    "scheduledActions": [
        {
            "scheduledActionName": "day",
            "schedule": "cron(0 8 ? * * *)",
            "timezone": "UTC",
            "nextTime": 1_800_000_000.0,
            "scalableTargetAction": {"minCapacity": 2, "maxCapacity": None},
        }
    ],
    "decision": "desired count stays 3",
    "scalingActivities": [
        {
            "startTime": 1_800_000_000.0,
            "statusCode": "Successful",
            "description": "Setting desired count to 3.",
            "cause": "monitor alarm web-out in state ALARM triggered policy out",
            "details": "",
            "notScaledReasons": [],
        },
        {
            "startTime": 1_800_000_060.0,
            "statusCode": "Failed",
            "description": "Attempting to scale due to alarm triggered",
            "cause": "monitor alarm web-out in state ALARM triggered policy out",
            "details": "",
            "notScaledReasons": [{"code": "AlreadyAtMaxCapacity", "maxCapacity": 6}],
        },
    ],
}


STATUS = """\
cluster demo: ready, 2 workers

LISTENER               STATE
http://127.0.0.1:8080  bound
https://[::1]:8443     bound

SERVICE  DESIRED  RUNNING  PENDING  HEALTHY  CPU %  TASK DEFINITION  ROLLOUT
web      3        2        1        0        71.2   web:4            IN_PROGRESS (2)

TASK      SERVICE  STATUS   HEALTH   INSTANCE  PORTS  REASON
01234567  web      RUNNING  UNKNOWN  local     20000  -

TARGET GROUP  TARGET           STATE      IN FLIGHT  REQUESTS  REASON
web           127.0.0.1:20000  unhealthy  2          31        Target.Timeout
web           127.0.0.1:20001  healthy    0          9         anomalous: fails more than its peers; mitigation in effect: gets less than its share

INSTANCE  ZONE  RUNTIME  STATE          DETAIL
local     -     process  not connected  gone

ALARM    STATE  VALUE  THRESHOLD  REASON
web-out  ALARM  91.0   75.0       Threshold Crossed
"""


def test_status_shows_everything_in_tables(place: Place) -> None:
    assert place.run("status") == (0, STATUS, "")


def test_status_as_json_is_the_state(place: Place) -> None:
    _, out, _ = place.run("status", "--output", "json")

    assert json.loads(out) == STATE


def test_status_shows_only_the_newest_tasks_that_stopped(place: Place) -> None:
    one = {"service": "web", "lastStatus": "STOPPED"}
    tasks = [{**one, "taskId": f"{number:08}"} for number in range(8)]
    tasks.insert(0, {**one, "taskId": "live", "lastStatus": "RUNNING"})
    place.control.replies["GET /v1/state"] = Reply({**STATE, "tasks": tasks})

    _, out, _ = place.run("status")

    shown = [line.split()[0] for line in out.splitlines() if " web " in line[:18]]
    assert [f"{number:08}" for number in range(3, 8)] == shown[-5:]
    assert "live" in shown
    assert "and 3 that stopped earlier" in out


def test_an_empty_cluster_is_one_line(place: Place) -> None:
    node = {"ready": False, "why": "no file was applied", "workers": [{}]}
    place.control.replies["GET /v1/state"] = Reply({"cluster": "", "node": node})

    _, out, _ = place.run("status")

    assert out == "cluster : not ready: no file was applied, 1 worker\n"


def test_protect_tells_what_became_of_each_task(place: Place) -> None:
    place.control.replies["POST /v1/tasks/protection"] = Reply(
        {
            "protectedTasks": [{"taskId": "0123abcd", "protectionEnabled": True}],
            "failures": [{"taskId": "beef", "reason": "MISSING"}],
        }
    )

    status, out, err = place.run("protect", "0123", "beef", "--expires-in-minutes", "5")

    assert (1, "0123abcd: protected for 5 minutes\n") == (status, out)
    assert "alb: beef: MISSING: no task, or more than one" in err
    assert {
        "tasks": ["0123", "beef"],
        "protectionEnabled": True,
        "expiresInMinutes": 5,
    } == place.control.asked[-1].body


def test_scale_sets_each_count(place: Place) -> None:
    for name in ("web", "api"):
        place.control.replies[f"POST /v1/services/{name}/scale"] = Reply({})

    status, out, _ = place.run("scale", "web=3", "api=0")

    assert (status, out) == (0, "web: desired count 3\napi: desired count 0\n")
    assert [asked.body for asked in place.control.asked] == [
        {"desiredCount": 3},
        {"desiredCount": 0},
    ]


@pytest.mark.parametrize("text", ["web", "web=", "web=-1", "=3", "web=x"])
def test_a_count_that_means_nothing_is_a_usage_error(place: Place, text: str) -> None:
    status, _, err = place.run("scale", text)

    assert status == 2
    assert "is not SERVICE=N" in err
    assert not place.control.asked


def test_weight_sets_the_weights_of_a_rule(place: Place) -> None:
    told = {"weights": {"stable": 90, "canary": 10}, "version": 3}
    place.control.replies["POST /v1/listeners/8080/weights"] = Reply(told)

    status, out, _ = place.run("weight", "8080/shop", "stable=90", "canary=10")
    again, *_ = place.run("weight", "8080", "canary=10", "--if-version", "2")

    assert (status, again) == (0, 0)
    assert out == "8080/shop: stable 90, canary 10 (version 3)\n"
    assert [asked.body for asked in place.control.asked] == [
        {"weights": {"stable": 90, "canary": 10}, "rule": "shop"},
        {"weights": {"canary": 10}, "rule": "", "ifVersion": 2},
    ]


def test_weights_that_leave_nothing_are_told_of(place: Place) -> None:
    told = {"weights": {"stable": 0, "canary": 0}, "version": 3}
    place.control.replies["POST /v1/listeners/8080/weights"] = Reply(told)

    status, _, err = place.run("weight", "8080", "stable=0", "canary=0")

    assert (status, err) == (0, "every weight is 0: nothing receives these requests\n")


@pytest.mark.parametrize("text", ["web", "web=", "web=-1", "=3", "web=x"])
def test_a_weight_that_means_nothing_is_a_usage_error(place: Place, text: str) -> None:
    status, _, err = place.run("weight", "8080", text)

    assert status == 2
    assert "is not GROUP=N" in err
    assert not place.control.asked


def test_a_service_that_is_not_there_fails_with_controls_words(place: Place) -> None:
    error = {"code": "ServiceNotFoundException", "message": 'no service named "wev"'}
    place.control.replies["POST /v1/services/wev/deploy"] = Reply({"error": error}, 404)

    assert place.run("deploy", "wev") == (1, "", 'alb: no service named "wev"\n')


def test_what_control_cannot_make_sense_of_is_a_usage_error(place: Place) -> None:
    error = {"code": "InvalidParameterException", "message": "url: no listener"}
    place.control.replies["GET /v1/explain"] = Reply({"error": error}, 400)

    assert place.run("explain", "http://localhost:9/") == (
        2,
        "",
        "alb: url: no listener\n",
    )


def test_deploy_begins_a_deployment(place: Place) -> None:
    begun = {"serviceName": "web", "deploymentId": "ecs-svc/2"}
    place.control.replies["POST /v1/services/web/deploy"] = Reply(begun)

    told = "web: deployment ecs-svc/2 started\n"
    assert place.run("deploy", "web")[:2] == (0, told)
    assert place.run("deploy", "web", "--force")[:2] == (0, told)


def test_rollback_says_what_it_goes_back_to(place: Place) -> None:
    back = {"serviceName": "web", "deploymentId": "ecs-svc/1"}
    place.control.replies["POST /v1/services/web/rollback"] = Reply(back)

    told = "web: rolling back to deployment ecs-svc/1\n"
    assert place.run("rollback", "web")[:2] == (0, told)


def deployed(status: str, **more: object) -> Reply:
    """A state in which web's deployment ecs-svc/2 stands so."""
    one = {"id": "ecs-svc/2", "status": status, **more}
    counts = {"id": "ecs-svc/2", "runningCount": 1}
    service = {
        "serviceName": "web",
        "desiredCount": 3,
        "deployments": [counts],
        "serviceDeployments": [one],
    }
    task = {"startedBy": "ecs-svc/2", "stoppedReason": "CannotPullContainerError: no"}
    other = {"startedBy": "ecs-svc/1", "stoppedReason": "OutOfMemoryError"}
    return Reply({"services": [service], "tasks": [task, other]})


# fmt: off
WAITS = [  # state, exit status, said, complained, because
    (deployed("SUCCESSFUL"), 0, "web: completed\n", "", "it is completed"),
    (deployed("ROLLBACK_SUCCESSFUL", failure="tasks failed to start", rolledBackTo="ecs-svc/1"), 1, "",
     "web: deployment ecs-svc/2 ROLLBACK_SUCCESSFUL: tasks failed to start\n"
     "web: rolled back to ecs-svc/1\n"
     "web: CannotPullContainerError: no\n", "it was rolled back: with the reasons of its tasks"),
    (deployed("STOPPED"), 1, "",
     "web: deployment ecs-svc/2 STOPPED: another deployment took over\n"
     "web: CannotPullContainerError: no\n", "another took over"),
    (deployed("IN_PROGRESS", failedTasks=2), 1, "web: 1 of 3 run, 2 failed\n",
     "web: not completed in time; it goes on (1 of 3 run, 2 failed)\n", "the time is up"),
]
# fmt: on


@pytest.mark.parametrize(
    ("state", "expected", "said", "complained"),
    [row[:-1] for row in WAITS],
    ids=[row[-1] for row in WAITS],
)
def test_deploy_waits_and_tells_how_it_went(
    place: Place, state: Reply, expected: int, said: str, complained: str
) -> None:
    begun = {"serviceName": "web", "deploymentId": "ecs-svc/2"}
    place.control.replies["POST /v1/services/web/deploy"] = Reply(begun)
    place.control.replies["GET /v1/state"] = state

    status, out, err = place.run("deploy", "web", "--wait", "--timeout", "0.7")

    assert (expected, complained) == (status, err)
    assert f"web: deployment ecs-svc/2 started\n{said}" == out


def test_logs_are_passed_on(place: Place) -> None:
    lines = ["01234567 hello\n", "01234567 world\n"]
    place.control.replies["GET /v1/services/web/logs"] = Reply(lines)

    assert place.run("logs", "web", "--tail", "5")[:2] == (0, "".join(lines))
    assert place.control.asked[0].path.endswith("/logs?follow=0&tail=5")
    place.run("logs", "web", "db")
    assert place.control.asked[1].path.endswith("/logs?follow=0&container=db")


def test_streams_are_a_document_a_line_for_programs(place: Place) -> None:
    event = {"id": 4, "time": 1.0, "source": "scaling", "subject": "web"}
    told = {**event, "message": "Setting desired count to 2."}
    place.control.replies["GET /v1/events"] = Reply({"events": [told, told]})
    place.control.replies["GET /v1/services/web/logs"] = Reply(["one\n", "two\n"])

    events = place.run("events", "--output", "json")[1].splitlines()
    lines = place.run("logs", "web", "--output", "json")[1].splitlines()

    assert [told, told] == [json.loads(line) for line in events]
    assert [{"line": "one"}, {"line": "two"}] == [json.loads(line) for line in lines]


def test_errors_are_documents_for_programs(place: Place) -> None:
    error = {"code": "ServiceNotFoundException", "message": 'no service named "wev"'}
    place.control.replies["POST /v1/services/wev/deploy"] = Reply({"error": error}, 404)

    status, out, _ = place.run("deploy", "wev", "--output", "json")

    assert (status, json.loads(out)) == (1, {"error": {**error, "problems": []}})
    invalid = place.directory / "invalid.yaml"
    invalid.write_text(VALID.replace("18080", "700000").replace("8080", "800000"))
    status, out, _ = place.run("plan", "-f", str(invalid), "--output", "json")
    told = json.loads(out)["error"]
    assert (status, told["code"]) == (2, "ValidationError")
    assert told["problems"][0].startswith(f"{invalid}:")


def test_events_carry_their_reasons(place: Place) -> None:
    event = {"id": 4, "time": 1.0, "source": "scaling", "subject": "web"}
    told = {**event, "message": "Setting desired count to 2."}
    place.control.replies["GET /v1/events"] = Reply({"events": [told]})

    _, out, _ = place.run("events", "--since", "3")

    assert out.endswith(" scaling  web: Setting desired count to 2.\n")
    assert place.control.asked[0].path == "/v1/events?since=3"


CHANGE = {
    "path": "services[web].desiredCount",
    "before": 2,
    "after": 3,
    "text": "~ services[web].desiredCount: 2 -> 3",
}
PLAN = {"plan": [{**CHANGE, "kind": "change"}], "warnings": []}


def test_plan_shows_changes_and_tells_them_by_status(place: Place) -> None:
    place.control.replies["POST /v1/plan"] = Reply(PLAN)

    status, out, _ = place.run("plan", "--detailed-exitcode")

    assert (status, out) == (3, "~ services[web].desiredCount: 2 -> 3\n")
    assert place.run("plan")[0] == 0
    assert place.control.asked[0].body == {
        "file": str(place.directory / "alb.yaml"),
        "text": VALID,
        "variables": {},
    }


def test_a_plan_without_changes_says_so(place: Place) -> None:
    drift = {**CHANGE, "kind": "drift"}
    place.control.replies["POST /v1/plan"] = Reply({"plan": [drift]})

    status, out, _ = place.run("plan", "--detailed-exitcode")

    assert status == 0
    assert out.splitlines()[-1] == "no changes"


def test_without_a_cluster_everything_is_to_be_created(place: Place) -> None:
    words = ("--state-dir", str(place.directory / "none"))

    status, _, err = place.run("plan", "--detailed-exitcode", *words)

    assert status == 3
    assert "alb up creates all of it" in err


def test_apply_sends_the_file(place: Place) -> None:
    place.control.replies["POST /v1/apply"] = Reply(PLAN)

    assert place.run("apply")[0] == 0
    assert place.control.asked[0].path == "/v1/apply"


def test_a_file_that_control_refuses_is_status_2(place: Place) -> None:
    problems = [{"text": "alb.yaml:1:1: cluster: is another"}]
    error = {"code": "ValidationError", "message": "1 problem", "problems": problems}
    place.control.replies["POST /v1/apply"] = Reply({"error": error}, 422)

    assert place.run("apply")[0] == 2


def test_an_invalid_file_is_not_even_sent(place: Place) -> None:
    (place.directory / "alb.yaml").write_text("cluster: [")

    assert place.run("apply")[0] == 2
    assert not place.control.asked


EXPLANATION = """\
GET http://localhost:18080/legacy/x from 127.0.0.1
listener http-18080
rule 10 (old) matches
  yes  path-pattern /legacy/*: /legacy/x
-> rule 10 (old), after 1 evaluation: fixed-response 404 text/plain
"""


FORWARDED = """\
PUT /x
-> default rule: forward to web (weight 1, 100%)
   web: weighted_random
   web: too few are healthy, so all may be picked
   GROUP  TARGET  STATE                       PICKED  SHARE  IN FLIGHT
   web    a       unhealthy (Target.Timeout)  yes     -      -
   web    b       draining                    no      -      2
   url-rewrite: ^/x to nothing
   transforms: nothing matched
   sent:
     PUT /x HTTP/1.1
     Host: h
"""


def test_explain_goes_by_the_file_where_no_control_runs(place: Place) -> None:
    url = "http://localhost:18080/legacy/x"
    words = ("--state-dir", str(place.directory / "none"))

    status, out, err = place.run("explain", url, *words)

    assert (status, out) == (0, EXPLANATION)
    assert "without health" in err


def test_explain_asks_control_where_it_runs(place: Place) -> None:
    targets = [
        {"id": "a", "state": "unhealthy", "reason": "Target.Timeout", "eligible": True},
        {"id": "b", "state": "draining", "eligible": False, "inFlight": 2},
    ]
    group = {"targetGroup": "web", "weight": 1, "share": 1.0, "targets": targets}
    answer = {
        "url": "/x",
        "method": "PUT",
        "rules": [],
        "rule": "default",
        "action": {
            "type": "forward",
            "targetGroups": [
                {**group, "failOpen": True, "algorithm": "weighted_random"}
            ],
            "transforms": {
                "transforms": [{"type": "url-rewrite", "regex": "^/x", "replace": ""}],
                "status": "",
            },
            "request": {"line": "PUT /x HTTP/1.1", "headers": [["Host", "h"]]},
        },
    }
    place.control.replies["GET /v1/explain"] = Reply(answer)

    words = ("-X", "PUT", "-H", "A: b", "--source-ip", "10.0.0.1")
    _, out, _ = place.run("explain", "/x", *words)

    assert out == FORWARDED
    assert place.control.asked[0].path.endswith(
        "?url=%2Fx&method=PUT&header=A%3A+b&sourceIp=10.0.0.1"
    )


def test_explain_hands_on_what_is_known_of_the_connection(place: Place) -> None:
    place.control.replies["GET /v1/explain"] = Reply({"url": "/x", "rules": []})

    place.run("explain", "/x", "--source-port", "5000", "--tls", "TLSv1.3", "AES")

    assert place.control.asked[0].path.endswith(
        "&sourcePort=5000&tlsVersion=TLSv1.3&tlsCipher=AES"
    )


def test_a_url_no_listener_serves_is_a_usage_error(place: Place) -> None:
    status, _, err = place.run("explain", "--offline", "http://localhost:1/")

    assert status == 2
    assert "no listener on port 1; there is 18080" in err


def test_explain_scaling_tells_why_a_count_is_what_it_is(place: Place) -> None:
    event = {"id": 1, "time": 1.0, "source": "scaling", "subject": "web"}
    told = {**event, "message": "policy out did not scale (alb.Cooldown)"}
    place.control.replies["GET /v1/events"] = Reply({"events": [told]})
    place.control.replies["GET /v1/services/web/scaling"] = Reply(SCALING)

    _, out, _ = place.run("explain", "--scaling", "web")
    _, json_out, _ = place.run("--output", "json", "explain", "--scaling", "web")

    assert out.splitlines()[:4] == [
        "web: desired 3, running 2, healthy 2; at least 2, at most 6"
        " (by a scheduled action; the file says 1 and 6)",
        "suspended: in",
        "a deployment is under way: it does not scale in",
        "cooldown of policy out (scale out from 2): 12 s more",
    ]
    assert "web-out  ALARM  91.0   75.0       Threshold Crossed" in out
    assert "policy out (StepScaling): 91 asks for +1 -> 4\n" in out
    assert "policy cpu (TargetTrackingScaling): all is well\n" in out
    assert "policy in (StepScaling): but -> nothing (alb.Cooldown)\n" in out
    assert "scheduled action day: minCapacity 2 by cron(0 8 ? * * *) in UTC, " in out
    assert "decision: desired count stays 3\n" in out
    assert "triggered policy out" in out
    assert "did not scale (alb.Cooldown)" in out
    assert SCALING == json.loads(json_out)
    assert place.run("explain", "--scaling", "wev")[0] == 1


@pytest.mark.parametrize(
    ("words", "state"),
    [
        (
            ("suspend", "web"),
            {
                "dynamicScalingInSuspended": True,
                "dynamicScalingOutSuspended": True,
                "scheduledScalingSuspended": True,
            },
        ),
        (("suspend", "web", "--in"), {"dynamicScalingInSuspended": True}),
        (
            ("resume", "web", "--out", "--scheduled"),
            {"dynamicScalingOutSuspended": False, "scheduledScalingSuspended": False},
        ),
    ],
    ids=["everything", "one part", "two parts back"],
)
def test_scaling_is_suspended_and_resumed_in_parts(
    place: Place, words: tuple[str, ...], state: dict[str, bool]
) -> None:
    place.control.replies["POST /v1/services/web/scaling"] = Reply(
        {"suspendedState": state}
    )

    status, out, _ = place.run("scaling", *words)

    assert {"suspendedState": state} == place.control.asked[-1].body
    assert (0, "web: ") == (status, out[:5])
    assert ("suspended: " in out) == any(state.values())


def test_activities_are_listed_with_what_did_not_scale_where_asked(
    place: Place,
) -> None:
    path = "GET /v1/services/web/scaling/activities"
    activities = SCALING["scalingActivities"]
    place.control.replies[path] = Reply({"scalingActivities": activities})

    _, out, _ = place.run("scaling", "activities", "web")
    short = place.control.asked[-1].path
    place.run("scaling", "activities", "web", "--include-not-scaled-activities")
    whole = place.control.asked[-1].path
    place.control.replies[path] = Reply({"scalingActivities": []})
    _, none, _ = place.run("scaling", "activities", "web")

    assert "AlreadyAtMaxCapacity" in out
    assert "Setting desired count to 3." in out
    assert short.endswith("?includeNotScaledActivities=false")
    assert whole.endswith("?includeNotScaledActivities=true")
    assert "web: no scaling activities\n" == none


def test_control_over_tcp_gets_the_directorys_token(place: Place) -> None:
    (place.directory / ".alb" / "token").write_text("secret\n")
    with place.control.on_loopback() as port:
        url = f"http://127.0.0.1:{port}"
        assert place.run("status", "--control", url)[0] == 0

    assert place.control.asked[-1].headers["authorization"] == "Bearer secret"
