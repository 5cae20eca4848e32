"""Every promise has a measurement, and a figure is judged by its limits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.__main__ import COMMANDS, parse
from bench.promises import ROWS, Measured, Row, newest, table


def row(must: float, goal: float | None, *, at_least: bool = False) -> Row:
    return Row("it", must, goal, "it", lambda _: Measured(0), at_least=at_least)


# fmt: off
VERDICTS = [
    (row(1.4, 1.0), Measured(1.0), "goal", "a limit may be met exactly"),
    (row(1.4, 1.0), Measured(1.4), "must", "so may the other"),
    (row(1.4, 1.0), Measured(1.41), "missed", "nearly is not enough"),
    (row(1.7, 1.9, at_least=True), Measured(1.95), "goal", "more may be better"),
    (row(1.7, 1.9, at_least=True), Measured(1.69), "missed", "and less be missed"),
    (row(8, None), Measured(2.0, 1.5), "must", "without a goal HAProxy's is it"),
    (row(8, None), Measured(1.5, 1.5), "goal", "as good as HAProxy"),
    (row(8, None), Measured(9.0, 10.0), "goal", "the goal met, whatever the limit"),
]
# fmt: on


@pytest.mark.parametrize(
    ("promise", "measured", "verdict"),
    [case[:-1] for case in VERDICTS],
    ids=[case[-1] for case in VERDICTS],
)
def test_verdict(promise: Row, measured: Measured, verdict: str) -> None:
    assert verdict == promise.verdict(measured)


def test_every_promise_has_a_command() -> None:
    assert {promise.kind for promise in ROWS} <= set(COMMANDS)


def test_the_newest_run_of_exactly_that_kind_counts(tmp_path: Path) -> None:
    for name, date in [
        ("proxy-2026-01-02-abc", "2026-01-02T09:00"),
        ("proxy-2026-01-02-aaa", "2026-01-02T10:00"),
        ("proxy-log-2026-01-03-abc", "2026-01-03T09:00"),
    ]:
        (tmp_path / f"{name}.json").write_text(json.dumps({"date": date}))

    found = newest(tmp_path, "proxy")

    assert found == ("proxy-2026-01-02-aaa.json", {"date": "2026-01-02T10:00"})
    assert newest(tmp_path, "slope") is None


def test_the_table_names_the_result_and_what_was_not_measured(tmp_path: Path) -> None:
    peers = {"alb": 26.0, "haproxy": 20.0, "envoy": 50.0, "caddy": 80.0}
    record = {
        "date": "2026-01-02",
        "peers": {name: {"median_us": us} for name, us in peers.items()},
    }
    (tmp_path / "proxy-2026-01-02-abc.json").write_text(json.dumps(record))
    idle = {how: {n: {"median": 3} for n in ("alb", "haproxy")} for how in ("tls",)}
    idle["plain"] = {"alb": {"median": 3}, "haproxy": {"median": 2}}
    (tmp_path / "idle-2026-01-02-abc.json").write_text(
        json.dumps({"date": "2026-01-02", "kib": idle})
    )

    lines = {line.split("  ")[0]: line.split() for line in table(tmp_path).splitlines()}

    plain = lines["CPU per request ÷ HAProxy's"]
    assert plain[-5:] == ["1.4", "1", "1.300", "must", "proxy-2026-01-02-abc.json"]
    assert lines["memory per idle connection"][-5:-1] == [
        "3.000",
        "KiB",
        "1.50",
        "must",
    ]
    assert lines["start to ready"][-2:] == ["not", "measured"]


def test_an_unknown_kind_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["proxy", "weather"])
    assert "no such kind: weather" in capsys.readouterr().err
