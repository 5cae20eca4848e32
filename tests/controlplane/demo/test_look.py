"""What control answers becomes what the demo shows."""

from controlplane.client import Event
from controlplane.demo.look import sentence, state_of
from controlplane.demo.verdict import Scaling
from controlplane.demo.view import ServiceRow

ACTIVITY = {
    "startTime": 12.5,
    "resource": "web",
    "policy": "out",
    "fromCapacity": 1,
    "toCapacity": 2,
    "statusCode": "Successful",
}
DOCUMENT = {
    "services": [
        {
            "serviceName": "web",
            "desiredCount": 2,
            "runningCount": 1,
            "healthyCount": 1,
            "cpuUtilization": 99.0,
        }
    ],
    "alarms": [
        {
            "name": "web-out",
            "resource": "web",
            "state": "ALARM",
            "comparisonOperator": "GreaterThanThreshold",
            "threshold": 75.0,
            "value": 81.5,
        },
        {
            "name": "web-in",
            "resource": "web",
            "state": "OK",
            "comparisonOperator": "LessThanThreshold",
            "threshold": 30.0,
            "value": 81.5,
        },
    ],
    "scalingActivities": [ACTIVITY],
}


def test_a_service_is_shown_with_the_value_its_alarm_compares() -> None:
    alarms = (("web-out", "ALARM"), ("web-in", "OK"))
    expected = ServiceRow("web", 2, 1, 1, 81.5, 75.0, 30.0, alarms)
    assert (expected,) == state_of(DOCUMENT, ()).services


def test_no_value_yet_is_unknown_and_no_alarm_is_no_threshold() -> None:
    first = [{**one, "value": None} for one in DOCUMENT["alarms"]]
    (row,) = state_of({**DOCUMENT, "alarms": first}, ()).services
    assert row.cpu_percent is None
    (row,) = state_of({**DOCUMENT, "alarms": []}, ()).services
    assert (None, 0.0, 0.0) == (row.cpu_percent, row.threshold_high, row.threshold_low)


def test_only_a_policy_is_an_alarms_doing() -> None:
    by_bounds = {**ACTIVITY, "policy": ""}
    failed = {**ACTIVITY, "statusCode": "Failed"}
    state = state_of(
        {**DOCUMENT, "scalingActivities": [ACTIVITY, by_bounds, failed]}, ()
    )
    assert (
        Scaling(12.5, "web", 1, 2, by_alarm=True),
        Scaling(12.5, "web", 1, 2, by_alarm=False),
    ) == state.scalings


def test_events_are_lines_with_short_ids_and_repetitions_are_left_out() -> None:
    started = f"(service web) has started 1 tasks: (task {'0a' * 16})."
    events = (
        Event(1, 5.0, "service", "web", started),
        Event(2, 6.0, "scaling", "web", "policy out did not scale (alb.Cooldown)"),
        Event(3, 7.0, "node", "worker 0", "started as pid 7"),
    )
    assert (
        (5.0, "(service web) has started 1 tasks: (task 0a0a0a0a)."),
        (7.0, "worker 0: started as pid 7"),
    ) == state_of(DOCUMENT, events).events
    assert "worker 0: started as pid 7" == sentence(events[2])
