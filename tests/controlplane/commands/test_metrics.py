"""`alb metrics`: what is measured, and the values of what is named."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane import cli
from foundation.clock import SystemClock
from tests.support.fake_control import FakeControl, Reply

AT = "2026-11-22T12:00:00Z"


def metric(namespace: str, name: str, *pairs: tuple[str, str]) -> dict[str, object]:
    return {
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in pairs],
        "Unit": "Count",
        "Latest": {"Timestamp": AT, "Average": 3.25},
    }


ANSWER = {
    "Metrics": [
        metric("AWS/ECS", "CPUUtilization", ("ClusterName", "c")),
        metric("Shop", "Orders"),
    ],
    "Datapoints": [
        {"Timestamp": "old", "Average": 9.0, "ExtendedStatistics": {"p99": 1}},
        {"Timestamp": AT, "Average": 3.25, "ExtendedStatistics": {"p99": None}},
    ],
}


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeControl]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alb.yaml").write_text("cluster: c\n")
    (tmp_path / ".alb").mkdir()
    fake = FakeControl()
    fake.replies["GET /v1/metrics"] = Reply(ANSWER)
    with fake.on(tmp_path / ".alb" / "control.sock"):
        yield fake


LISTED = """\
NAMESPACE  METRIC          DIMENSIONS     NEWEST  UNIT   AT
AWS/ECS    CPUUtilization  ClusterName=c  3.2     Count  2026-11-22T12:00:00Z
Shop       Orders          -              3.2     Count  2026-11-22T12:00:00Z
"""
VALUES = """\
Shop/Orders  (Count)
  AT                    Average  p99
  2026-11-22T12:00:00Z  3.25     -
"""


def test_everything_is_listed(
    control: FakeControl, capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.main(["metrics", "--dimension", "a=b"])

    assert (0, LISTED) == (status, capsys.readouterr().out)
    assert control.asked[-1].path == "/v1/metrics?dimension=a%3Db"


def test_a_namespace_may_have_a_slash_in_it(
    control: FakeControl, capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.main(["metrics", "AWS/ECS"])

    title, row, _ = LISTED.splitlines()
    assert (0, [title, row]) == (status, capsys.readouterr().out.splitlines())


def test_a_metric_is_shown_with_its_last_values(
    control: FakeControl, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--statistic", "Average", "--statistic", "p99", "--last", "1"]
    status = cli.main(["metrics", "Shop/Orders", *words, "--period", "10"])

    assert (0, VALUES) == (status, capsys.readouterr().out)
    path, _, since = control.asked[-1].path.rpartition("&startTime=")
    assert path.endswith("statistics=Average&statistics=p99&period=10")
    assert 20 <= SystemClock().unix_s() - int(since) < 60, "and the one that began"


def test_for_programs_it_is_json(
    control: FakeControl, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["metrics", "--output", "json"])
    listed = json.loads(capsys.readouterr().out)
    cli.main(["metrics", "Shop/Orders", "--output", "json", "--last", "1"])
    valued = json.loads(capsys.readouterr().out)

    assert listed["Metrics"] == ANSWER["Metrics"]
    assert [[AT]] == [
        [point["Timestamp"] for point in one["Datapoints"]] for one in valued["Metrics"]
    ]


def test_a_name_that_nobody_measures_is_told(
    control: FakeControl, capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.main(["metrics", "Shop/Order"])

    told = 'alb: nothing is measured under "Shop/Order"; did you mean "Shop/Orders"?\n'
    assert (1, told) == (status, capsys.readouterr().err)
