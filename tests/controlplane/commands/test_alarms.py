"""`alb alarms` and `alb alarm`, against a control that answers as the API does."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from controlplane import cli
from tests.support.fake_control import FakeControl, Reply

NOON = "2026-11-22T12:00:00.000+00:00"
HIGH = {
    "AlarmName": "cpu-high",
    "StateValue": "ALARM",
    "StateReason": "Threshold Crossed: " + "x" * 90,
    "StateTransitionedTimestamp": NOON,
    "ActionsEnabled": True,
    "MetricName": "CPUUtilization",
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 75.0,
}
MATH = {
    **HIGH,
    "AlarmName": "errors",
    "StateValue": "OK",
    "ActionsEnabled": False,
    "ComparisonOperator": "LessThanOrEqualToThreshold",
    "Metrics": [
        {"Id": "m1", "ReturnData": False},
        {"Id": "e1", "Expression": "100 * m1", "ReturnData": True},
    ],
}
TROUBLE = {
    "AlarmName": "trouble",
    "StateValue": "OK",
    "StateReason": "",
    "StateTransitionedTimestamp": NOON,
    "ActionsEnabled": True,
    "AlarmRule": "ALARM(cpu-high)",
    "ActionsSuppressedBy": "WaitPeriod",
}
POINTS = [{"Timestamp": NOON, "Value": 91.5}, {"Timestamp": NOON, "Value": None}]
ITEMS = [
    {
        "Timestamp": NOON,
        "HistoryItemType": "StateUpdate",
        "HistorySummary": "Alarm updated from OK to ALARM",
    }
]


@dataclass
class Place:
    """A control that answers so, and what the last command printed."""

    directory: Path
    control: FakeControl
    capture: pytest.CaptureFixture[str]

    def run(self, *words: str) -> tuple[int, str, str]:
        status = cli.main([*words, "--state-dir", str(self.directory)])
        out, err = self.capture.readouterr()
        return status, out, err


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Place]:
    fake = FakeControl()
    one = "/v1/alarms/cpu-high"
    fake.replies |= {
        "GET /v1/alarms": Reply(
            {"MetricAlarms": [HIGH, MATH], "CompositeAlarms": [TROUBLE]}
        ),
        f"GET {one}": Reply({**HIGH, "Datapoints": POINTS}),
        f"GET {one}/history": Reply({"AlarmHistoryItems": ITEMS}),
        f"POST {one}/state": Reply(HIGH),
        f"POST {one}/actions": Reply(HIGH),
        "GET /v1/alarms/set": Reply(
            {**TROUBLE, "AlarmName": "set", "ActionsEnabled": False}
        ),
        "GET /v1/alarms/set/history": Reply({"AlarmHistoryItems": []}),
    }
    with fake.on(tmp_path / "control.sock"):
        yield Place(tmp_path, fake, capsys)


def test_all_alarms_are_a_table(place: Place) -> None:
    status, out, _ = place.run("alarms", "--state-value", "ALARM")

    title, high, math, trouble = out.splitlines()
    assert status == 0
    assert title.split() == ["ALARM", "STATE", "SINCE", "ACTIONS", "WATCHES", "REASON"]
    assert "CPUUtilization > 75" in high
    assert high.endswith("…")
    assert "100 * m1 <= 75" in math
    assert " no " in math
    assert "ALARM(cpu-high)" in trouble
    assert "stateValue=ALARM" in place.control.asked[0].path


def test_for_programs_the_answer_is_told_as_it_is(place: Place) -> None:
    _, out, _ = place.run("alarms", "--output", "json")
    _, one, _ = place.run("alarm", "cpu-high", "--output", "json")

    assert json.loads(out) == {
        "MetricAlarms": [HIGH, MATH],
        "CompositeAlarms": [TROUBLE],
    }
    assert json.loads(one) == {**HIGH, "Datapoints": POINTS, "AlarmHistoryItems": ITEMS}


def test_one_alarm_is_told_with_datapoints_and_history(place: Place) -> None:
    status, out, _ = place.run("alarm", "cpu-high")

    lines = out.splitlines()
    assert status == 0
    assert lines[0].startswith("cpu-high: ALARM since 2026-11-2")
    assert lines[1:3] == ["  CPUUtilization > 75", f"  {HIGH['StateReason']}"]
    assert lines[4].split() == ["DATAPOINT", "VALUE"]
    assert lines[5].endswith("missing"), "the newest first"
    assert lines[6].endswith("91.5")
    assert lines[-1].endswith("StateUpdate  Alarm updated from OK to ALARM")


def test_an_alarm_named_like_a_word_is_shown_when_asked_so(place: Place) -> None:
    status, out, _ = place.run("alarm", "show", "set")

    assert status == 0
    assert "  its actions are disabled\n" in out
    assert "  its actions are suppressed by WaitPeriod\n" in out


def test_a_state_is_set(place: Place) -> None:
    words = ("alarm", "set", "cpu-high", "ALARM", "--reason", "a drill")
    status, out, _ = place.run(*words, "--reason-data", '{"recentDatapoints": [9]}')
    _, told, _ = place.run(*words, "--output", "json")

    assert (0, "cpu-high: ALARM, until it is evaluated next\n") == (status, out)
    assert HIGH == json.loads(told)
    assert place.control.asked[0].body == {
        "stateValue": "ALARM",
        "stateReason": "a drill",
        "stateReasonData": '{"recentDatapoints": [9]}',
    }


@pytest.mark.parametrize(("word", "enabled"), [("enable", True), ("disable", False)])
def test_actions_are_switched(place: Place, word: str, enabled: bool) -> None:  # noqa: FBT001
    status, out, _ = place.run("alarm", word, "cpu-high")
    _, told, _ = place.run("alarm", word, "cpu-high", "--output", "json")

    assert (0, f"cpu-high: its actions are {word}d\n") == (status, out)
    assert [HIGH] == json.loads(told)
    assert {"actionsEnabled": enabled} == place.control.asked[0].body


# fmt: off
MISUSED = [
    (("set", "cpu-high", "ALARM"),                  "usage: alb alarm set NAME"),
    (("set", "cpu-high", "GOOD", "--reason", "x"),  "usage: alb alarm set NAME"),
    (("set", "--reason", "x"),                      "usage: alb alarm set NAME"),
    (("enable",),                                   "NAME is missing"),
    (("cpu-high", "errors"),                        "one NAME is shown"),
]
# fmt: on


@pytest.mark.parametrize(
    ("words", "told"), MISUSED, ids=[" ".join(r[0]) for r in MISUSED]
)
def test_what_is_not_understood_is_told(
    place: Place, words: tuple[str, ...], told: str
) -> None:
    status, _, err = place.run("alarm", *words)

    assert status == 2
    assert told in err
    assert not place.control.asked
