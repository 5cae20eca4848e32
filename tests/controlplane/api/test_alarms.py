"""Alarms over the API: told in CloudWatch's shapes, and commanded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

Client = TestClient[web.Request, web.Application]
Owner = Mapping[str, str]
HIGH = "/v1/alarms/cpu%2Fhigh%201"


async def names(client: Client, query: str) -> list[str]:
    answer = await (await client.get(f"/v1/alarms{query}")).json()
    found = [*answer["MetricAlarms"], *answer["CompositeAlarms"]]
    return [alarm["AlarmName"] for alarm in found]


async def test_alarms_are_told_as_describe_alarms_does(client: Client) -> None:
    answer = await (await client.get("/v1/alarms")).json()

    (high,), (trouble,) = answer["MetricAlarms"], answer["CompositeAlarms"]
    expected = {
        "AlarmName": "cpu/high 1",
        "AlarmArn": "arn:aws:cloudwatch:local:000000000000:alarm:cpu/high 1",
        "AlarmDescription": "hot",
        "ActionsEnabled": True,
        "OKActions": [],
        "AlarmActions": ["http://pager.test/"],
        "InsufficientDataActions": [],
        "StateValue": "INSUFFICIENT_DATA",
        "StateReason": "Unchecked: Initial alarm creation",
        "MetricName": "CPUUtilization",
        "Namespace": "AWS/ECS",
        "Dimensions": [
            {"Name": "ClusterName", "Value": "demo"},
            {"Name": "ServiceName", "Value": "web"},
        ],
        "ExtendedStatistic": "p99",
        "EvaluateLowSampleCountPercentile": "ignore",
        "Period": 60,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 75.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "missing",
    }
    assert expected == {name: high[name] for name in expected}
    assert trouble["AlarmRule"] == 'ALARM("cpu/high 1")'
    assert trouble["ActionsSuppressor"] == "cpu/high 1"
    assert trouble["ActionsSuppressorWaitPeriod"] == 30
    assert "Statistic" not in high
    assert "MetricName" not in trouble


async def test_alarms_are_chosen_by_name_and_state(client: Client) -> None:
    assert ["cpu/high 1", "trouble"] == await names(client, "")
    assert ["trouble"] == await names(client, "?alarmNamePrefix=tr")
    assert [] == await names(client, "?stateValue=ALARM")


async def test_a_state_is_set_and_its_history_told(
    client: Client, owner: Owner
) -> None:
    wish = {
        "stateValue": "ALARM",
        "stateReason": "a drill",
        "stateReasonData": '{"recentDatapoints": [99]}',
    }

    answer = await client.post(f"{HIGH}/state", json=wish, headers=owner)
    told = await (await client.get(HIGH)).json()
    history = await (await client.get(f"{HIGH}/history")).json()

    assert (200, told) == (answer.status, await answer.json())
    assert ("ALARM", "a drill") == (told["StateValue"], told["StateReason"])
    assert wish["stateReasonData"] == told["StateReasonData"]
    assert [] == told["Datapoints"]
    items = history["AlarmHistoryItems"]
    assert ["StateUpdate", "ConfigurationUpdate"] == [
        item["HistoryItemType"] for item in items
    ]
    assert items[0]["AlarmType"] == "MetricAlarm"
    assert items[0]["HistorySummary"] == (
        "Alarm updated from INSUFFICIENT_DATA to ALARM"
    )


async def test_actions_are_disabled_and_enabled(client: Client, owner: Owner) -> None:
    for enabled in (False, True):
        body = {"actionsEnabled": enabled}
        answer = await client.post(
            "/v1/alarms/trouble/actions", json=body, headers=owner
        )

        assert (200, enabled) == (
            answer.status,
            (await answer.json())["ActionsEnabled"],
        )


# fmt: off
WISH = {"stateValue": "OK", "stateReason": "x"}
REFUSED = [
    ("/v1/alarms/troubel/state",   WISH,                     404, 'no alarm named "troubel"; did you mean "trouble"?'),
    ("/v1/alarms/none/actions",    {"actionsEnabled": True}, 404, 'no alarm named "none"'),
    ("/v1/alarms/trouble/state",   {**WISH, "stateValue": "GOOD"}, 400, "stateValue: must be one of OK, ALARM, INSUFFICIENT_DATA"),
    ("/v1/alarms/trouble/state",   {"stateValue": "OK"},     400, "stateReason: must be a string"),
    ("/v1/alarms/trouble/state",   {**WISH, "stateReason": "x" * 1024}, 400, "stateReason: must be at most 1023 characters (got 1024)"),
    ("/v1/alarms/trouble/state",   {**WISH, "stateReasonData": "{"}, 400, "stateReasonData: must be JSON"),
    ("/v1/alarms/trouble/actions", {"actionsEnabled": 1},    400, "actionsEnabled: must be true or false"),
]
# fmt: on


@pytest.mark.parametrize(
    ("path", "body", "status", "message"), REFUSED, ids=[row[3][:50] for row in REFUSED]
)
async def test_what_is_wrong_is_told(  # noqa: PLR0913, PLR0917 - of the row
    client: Client,
    owner: Owner,
    path: str,
    body: Mapping[str, Any],
    status: int,
    message: str,
) -> None:
    answer = await client.post(path, json=body, headers=owner)

    told = (await answer.json())["error"]["message"]
    assert (status, message) == (answer.status, told)


async def test_reading_what_is_not_there_is_told(client: Client) -> None:
    missing = [await client.get(f"/v1/alarms/none{tail}") for tail in ("", "/history")]
    wrong = await client.get("/v1/alarms?stateValue=GOOD")

    assert [404, 404, 400] == [answer.status for answer in (*missing, wrong)]
