"""Metrics over the API: what is put can be listed and asked for, by CloudWatch's rules."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from autoscaler.app.autoscaler import Autoscaler
from autoscaler.app.keeping import Keeping
from autoscaler.drivers.history import History
from autoscaler.model import Metric
from autoscaler.state import series
from autoscaler.state.series_table import SERIES_MAX, SeriesTable
from controlplane.api import measured
from controlplane.api.application import application
from controlplane.api.ports import Cluster
from controlplane.metric_commands import MetricCommands
from foundation.clock import VirtualClock
from foundation.journal import MemoryJournal
from tests.support.scaling import Tasks

TOKEN = "t" * 43
OWNER = {"Authorization": f"Bearer {TOKEN}"}
Client = TestClient[web.Request, web.Application]
COUNTRY = [{"Name": "Country", "Value": "nl"}]


class Measured:
    """An autoscaler's series with a history on disk, in virtual time."""

    def __init__(self, history: History) -> None:
        self.clock = VirtualClock()
        self.table = SeriesTable()
        self.scaler = Autoscaler(
            clock=self.clock,
            journal=MemoryJournal(),
            capacities=Tasks(self.clock),
            records={},
            series=self.table,
        )
        self.keeping = Keeping(self.table, history, self.scaler.now_s, print)
        self.commands = MetricCommands(
            self.clock, self.scaler, self.keeping, lambda: [{"targets": ["h:1"]}]
        )

    async def pass_minutes(self, minutes: int) -> None:
        """Let minutes pass, one sample of Shop/Load in each, written as it goes."""
        for _ in range(minutes):
            self.scaler.record(
                Metric("Shop", "Load"), self.clock.unix_s(), 1.0, "Count"
            )
            self.clock.advance(60.0)
            self.table.forget(int(self.scaler.now_s()))
            await self.keeping.write()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[Measured]:
    made = Measured(await History.open(tmp_path / "metrics.db"))
    yield made
    await made.keeping.close()


@pytest.fixture
async def client(
    world: Measured,
    cluster: Cluster,
    aiohttp_client: Callable[..., Awaitable[Client]],
) -> Client:
    app = application(cluster, TOKEN)
    measured.add_routes(app, world.commands)
    return await aiohttp_client(app)


async def put(client: Client, *data: Mapping[str, object]) -> int:
    body = {"Namespace": "Shop", "MetricData": list(data)}
    answer = await client.post("/v1/metrics", json=body, headers=OWNER)
    return answer.status


async def ask(client: Client, **query: str) -> dict[str, Any]:
    answer = await client.get("/v1/metrics", params=query)
    assert answer.status == 200, await answer.text()
    found: dict[str, Any] = await answer.json()
    return found


async def test_what_is_put_is_listed_and_told(client: Client, world: Measured) -> None:
    orders = {"MetricName": "Orders", "Dimensions": COUNTRY, "Unit": "Count"}
    assert 200 == await put(client, orders | {"Value": 3}, orders | {"Value": 5})
    world.clock.advance(60.0)

    listed = await ask(client, namespace="Shop", dimension="Country=nl")
    told = await ask(
        client,
        namespace="Shop",
        metricName="Orders",
        dimension="Country=nl",
        statistics="Sum",
    )

    [metric] = listed["Metrics"]
    assert metric["Dimensions"] == COUNTRY
    assert ("Orders", "Count") == (metric["MetricName"], metric["Unit"])
    assert metric["Latest"]["Average"] == 4
    assert told["Label"] == "Orders"
    [point] = told["Datapoints"]
    assert (8.0, "Count") == (point["Sum"], point["Unit"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:00Z", point["Timestamp"])


async def test_statistics_of_several_kinds_by_period(
    client: Client, world: Measured
) -> None:
    start = int(world.clock.unix_s()) // 60 * 60 + 60
    for value in range(1, 11):
        data = {"MetricName": "Time", "Value": value, "Timestamp": start + value}
        assert 200 == await put(client, data)
    query = {
        "namespace": "Shop",
        "metricName": "Time",
        "startTime": str(start),
        "endTime": str(start + 60),
        "period": "5",
    }
    url = "/v1/metrics?" + "&".join(f"{k}={v}" for k, v in query.items())
    answer = await client.get(f"{url}&statistics=Average&statistics=p90")
    points = (await answer.json())["Datapoints"]

    assert [2.5, 7.0, 10.0] == [point["Average"] for point in points]
    assert [4, 9, 10] == [point["ExtendedStatistics"]["p90"] for point in points]


async def test_what_is_older_than_memory_is_told_from_disk(
    client: Client, world: Measured
) -> None:
    begins = int(world.clock.unix_s())
    await world.pass_minutes(5 * 60)
    query = {"namespace": "Shop", "metricName": "Load", "statistics": "Sum"}
    span = {"startTime": str(begins), "endTime": str(int(world.clock.unix_s()))}

    told = await ask(client, **query, **span, period="3600")

    points = told["Datapoints"]
    assert 300 == sum(point["Sum"] for point in points)
    assert {"Count"} == {point["Unit"] for point in points}


@pytest.mark.parametrize(
    "asked",
    [{"startTime": "-99999999999"}, {"startTime": "0", "endTime": "99999999999"}],
)
async def test_nothing_is_looked_for_where_nothing_is_kept(
    client: Client,
    world: Measured,
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, str],
) -> None:
    """Of whole ages, one month is looked through at most."""
    await world.pass_minutes(10)
    looked = []

    def counting(start: int, end: int) -> Iterator[tuple[int, int, int]]:
        looked.append(end - start)
        assert sum(looked) < 30 * 86_400
        return minutes(start, end)

    minutes = series._minutes  # noqa: SLF001 - what is walked is counted there
    monkeypatch.setattr(series, "_minutes", counting)
    query = {"namespace": "Shop", "metricName": "Load", "statistics": "Sum"}

    told = await ask(client, **query, **asked, period="144000000")

    assert 10 == sum(point["Sum"] for point in told["Datapoints"])


async def test_a_metric_that_nobody_sends_any_more_is_listed_for_fifteen_days(
    client: Client, world: Measured
) -> None:
    await world.pass_minutes(1)
    world.clock.advance(6 * 3600)
    world.table.forget(int(world.scaler.now_s()))

    [metric] = (await ask(client))["Metrics"]

    assert {} == world.scaler.series()
    assert ("Load", "Count", None) == (
        metric["MetricName"],
        metric["Unit"],
        metric["Latest"]["Average"],
    )


async def test_mistakes_are_all_told_and_nothing_is_taken(
    client: Client, world: Measured
) -> None:
    body = {"Namespace": "AWS/Shop", "MetricData": [{"MetricName": "x"}, {"Value": 1}]}
    answer = await client.post("/v1/metrics", json=body, headers=OWNER)
    error = (await answer.json())["error"]

    assert (400, "InvalidParameterValue") == (answer.status, error["code"])
    assert ["Namespace", "MetricData[0].Value", "MetricData[1].MetricName"] == [
        problem["path"] for problem in error["problems"]
    ]
    assert {} == world.scaler.series()


async def test_one_metric_has_one_unit(client: Client) -> None:
    assert 200 == await put(
        client, {"MetricName": "Time", "Value": 1, "Unit": "Seconds"}
    )
    assert 200 == await put(client, {"MetricName": "Time", "Value": 1})
    other = {"MetricName": "Time", "Value": 1, "Unit": "Milliseconds"}
    body = {"Namespace": "Shop", "MetricData": [other]}
    answer = await client.post("/v1/metrics", json=body, headers=OWNER)

    told = "MetricData[0].Unit: Time is in Seconds (got Milliseconds)"
    assert told == (await answer.json())["error"]["message"]


async def test_more_metrics_than_are_kept_are_refused_whole(
    client: Client, world: Measured
) -> None:
    for number in range(SERIES_MAX - 1):
        world.scaler.record(Metric("Shop", str(number)), world.clock.unix_s(), 1.0)
    data = [{"MetricName": name, "Value": 1} for name in ("a", "b")]

    assert 429 == await put(client, *data)
    assert 200 == await put(client, data[0])
    assert len(world.scaler.series()) == SERIES_MAX


async def test_a_change_needs_the_token(client: Client) -> None:
    body = {"Namespace": "Shop", "MetricData": [{"MetricName": "x", "Value": 1}]}
    answer = await client.post("/v1/metrics", json=body)

    assert answer.status == 401


# fmt: off
QUESTIONS = [
    ({"metricName": "x"},                     "namespace: is missing"),
    ({"namespace": "x"},                      "metricName: is missing"),
    ({"period": "7"},                         "period: must be 1, 5, 10, 20, 30 or a multiple of 60 (got 7)"),
    ({"period": "0"},                         "period: must be 1, 5, 10, 20, 30 or a multiple of 60 (got 0)"),
    ({"startTime": "x"},                      "startTime: must be unix seconds or like"),
    ({"startTime": "2", "endTime": "1"},      "startTime: must be before endTime"),
    ({"startTime": "0", "endTime": "86401"},  "period: 1441 datapoints are asked for, at most 1440 are told"),
    ({"statistics": "p101"},                  "statistics: 'p101': a percentage is at most 100"),
]
# fmt: on


@pytest.mark.parametrize(("query", "told"), QUESTIONS)
async def test_a_question_that_means_nothing_is_told(
    client: Client, query: dict[str, str], told: str
) -> None:
    named = (
        {"namespace": "n", "metricName": "m"}
        if len(query) > 1 or not ({"namespace", "metricName"} & query.keys())
        else {}
    )
    whole = {"statistics": "Sum"} | named | query
    answer = await client.get("/v1/metrics", params=whole)

    assert answer.status == 400
    assert (await answer.json())["error"]["message"].startswith(told)


# fmt: off
FILTERS = [
    ({},                                            {"a", "b"}),
    ({"namespace": "Other"},                        set()),
    ({"metricName": "a"},                           {"a"}),
    ({"dimension": "Country"},                      {"b"}),
    ({"dimension": "Country=de"},                   set()),
]
# fmt: on


@pytest.mark.parametrize(("query", "expected"), FILTERS)
async def test_what_is_listed(
    client: Client, query: dict[str, str], expected: set[str]
) -> None:
    await put(
        client,
        {"MetricName": "a", "Value": 1},
        {"MetricName": "b", "Value": 1, "Dimensions": COUNTRY},
    )

    listed = (await ask(client, **query))["Metrics"]

    assert expected == {metric["MetricName"] for metric in listed}


async def test_what_prometheus_asks_is_a_list(client: Client) -> None:
    answer = await client.get("/v1/prometheus/sd")

    assert "application/json" == answer.content_type
    assert [{"targets": ["h:1"]}] == await answer.json()
