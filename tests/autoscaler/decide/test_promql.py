"""What a Prometheus server answers becomes values, or the reason why there is none."""

import json

import pytest

from autoscaler.decide.promql import VALUES_MAX, QueryFailed, values_of


def success(kind: str, result: object) -> bytes:
    told = {"status": "success", "data": {"resultType": kind, "result": result}}
    return json.dumps(told).encode()


# fmt: off
ANSWERS = [
    (success("scalar", [1.0, "42"]), [((), 42.0)],
     "a scalar has no labels"),
    (success("vector", [{"metric": {"__name__": "up", "job": "b", "a": "c"}, "value": [1, "1"]}]),
     [((("a", "c"), ("job", "b")), 1.0)],
     "an element has its labels, sorted, and not its name"),
    (success("vector", []), [],
     "nothing selected is missing data"),
    (success("vector", [{"metric": {}, "value": [1, "NaN"]}, {"metric": {}, "value": [1, "+Inf"]}]), [],
     "and so is what is not a number"),
    (success("vector", [{"metric": {}, "value": [1, "1.7e308"]}, {"metric": {}, "value": [1, "-1e109"]}]), [],
     "or beyond what a sample may be"),
]

FAILURES = [
    (b'{"status": "error", "errorType": "bad_data", "error": "parse error at char 3"}', "parse error at char 3"),
    (success("matrix", []), "it is a matrix: ask for an instant vector"),
    (success("vector", [{"metric": {}, "value": [1, "1"]}] * (VALUES_MAX + 1)), "it selects 101 values, at most 100"),
    (b"<html>", "what was answered is not Prometheus's JSON"),
    (b"[]", "what was answered is not Prometheus's JSON"),
    (success("vector", [{"metric": {}}]), "what was answered is not Prometheus's JSON"),
]
# fmt: on


@pytest.mark.parametrize(
    ("body", "expected"),
    [row[:-1] for row in ANSWERS],
    ids=[row[-1] for row in ANSWERS],
)
def test_values(body: bytes, expected: list[object]) -> None:
    assert expected == values_of(body)


@pytest.mark.parametrize(("body", "why"), FAILURES)
def test_failures(body: bytes, why: str) -> None:
    with pytest.raises(QueryFailed) as failed:
        values_of(body)

    assert why == str(failed.value)
