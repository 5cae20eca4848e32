"""PutMetricData's JSON: what it means, and what each mistake in it is told as."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decide.statistics import Distribution
from autoscaler.model import Metric
from controlplane.api.samples import FIELDS, Datum, moment_of, samples_of
from controlplane.errors import SamplesInvalid

NOW = 1_795_348_800.0  # 2026-11-22 12:00:00 UTC


def read(*data: object, namespace: object = "Shop") -> list[Datum]:
    body = {"Namespace": namespace, "MetricData": list(data)}
    return samples_of(body, NOW)


def orders(**fields: object) -> dict[str, object]:
    """A datum that is right, unless `fields` say otherwise; None leaves one out."""
    whole = {"MetricName": "Orders", "Value": 1} | fields
    return {name: value for name, value in whole.items() if value is not None}


# fmt: off
TAKEN = [
    (orders(), Datum(Metric("Shop", "Orders"), NOW, Distribution.of([1.0]), "None"),
     "a value is one sample, of now"),
    (orders(Unit="Count", Timestamp=NOW - 60, StorageResolution=1),
     Datum(Metric("Shop", "Orders"), NOW - 60, Distribution.of([1.0]), "Count"),
     "with its unit and time"),
    (orders(Timestamp="2026-11-22T12:59:00+01:00"),
     Datum(Metric("Shop", "Orders"), NOW - 60, Distribution.of([1.0]), "None"),
     "a time may be ISO 8601"),
    (orders(Dimensions=[{"Name": "b", "Value": "2"}, {"Name": "a", "Value": "1"}]),
     Datum(Metric("Shop", "Orders", (("a", "1"), ("b", "2"))), NOW, Distribution.of([1.0]), "None"),
     "dimensions are sorted: their order means nothing"),
    (orders(Value=None, Values=[3, 1, 2]),
     Datum(Metric("Shop", "Orders"), NOW, Distribution.of([1.0, 2.0, 3.0]), "None"),
     "values are samples"),
    (orders(Value=None, Values=[3, 1], Counts=[1, 2]),
     Datum(Metric("Shop", "Orders"), NOW, Distribution.of([1.0, 1.0, 3.0]), "None"),
     "and may have come more than once"),
    (orders(Value=None, StatisticValues={"SampleCount": 2, "Sum": 4, "Minimum": 1, "Maximum": 3}),
     Datum(Metric("Shop", "Orders"), NOW, Distribution(2, 4.0, 1.0, 3.0), "None"),
     "a set tells no values"),
]

MISTAKES = [
    (orders(MetricName=None), ".MetricName: is missing"),
    (orders(MetricName=""), ".MetricName: must be a string of 1-255 characters"),
    (orders(MetricName="\u00e9"), ".MetricName: must be printable ASCII, with more than spaces"),
    (orders(MetricNam="x"), ".MetricNam: is not a field; did you mean \"MetricName\"?"),
    (7, ": must be an object"),
    (orders(Value=None), ".Value: one of Value, Values, StatisticValues is needed"),
    (orders(Values=[1]), ".Values: one of Value, Values, StatisticValues is needed"),
    (orders(Value="1"), ".Value: must be a number"),
    (orders(Value=True), ".Value: must be a number"),
    (orders(Value=float("nan")), ".Value: must be between -2^360 and 2^360"),
    (orders(Value=-(2.0 ** 361)), ".Value: must be between -2^360 and 2^360"),
    (orders(Value=None, Values=[]), ".Values: must be a list of 1-150 numbers"),
    (orders(Value=None, Values=[1] * 151), ".Values: must be a list of 1-150 numbers"),
    (orders(Value=None, Values=[1, "2"]), ".Values[1]: must be a number"),
    (orders(Value=None, Values=[1], Counts=[1, 2]), ".Counts: must be as many as Values, 1 (got 2)"),
    (orders(Value=None, Values=[1], Counts=[0]), ".Counts[0]: must be more than 0 (got 0)"),
    (orders(Counts=[1]), ".Counts: belongs to Values"),
    (orders(Value=None, StatisticValues={"Sum": 1}),
     ".StatisticValues: must be an object of SampleCount, Sum, Minimum, Maximum"),
    (orders(Value=None, StatisticValues={"SampleCount": 0, "Sum": 1, "Minimum": 1, "Maximum": 1}),
     ".StatisticValues.SampleCount: must be more than 0 (got 0)"),
    (orders(Value=None, StatisticValues={"SampleCount": 1, "Sum": 1, "Minimum": 2, "Maximum": 1}),
     ".StatisticValues.Minimum: must not be more than Maximum, 1 (got 2)"),
    (orders(Value=None, StatisticValues={"SampleCount": 2, "Sum": 9, "Minimum": 1, "Maximum": 3}),
     ".StatisticValues.Sum: is not the sum of so many samples between Minimum and Maximum"),
    (orders(Timestamp="noon"), ".Timestamp: must be unix seconds or like 2026-11-28T05:00:00Z"),
    (orders(Timestamp=NOW + 7201), ".Timestamp: is more than two hours ahead"),
    (orders(Timestamp=NOW - 10_800), ".Timestamp: is more than three hours ago"),
    (orders(Unit="Second"), ".Unit: is none of CloudWatch's units; did you mean \"Seconds\"?"),
    (orders(StorageResolution=10), ".StorageResolution: must be 1 or 60"),
    (orders(Dimensions={"a": "b"}), ".Dimensions: must be a list of at most 30"),
    (orders(Dimensions=[{"Name": f"{n}", "Value": "v"} for n in range(31)]),
     ".Dimensions: must be a list of at most 30"),
    (orders(Dimensions=[{"name": "a", "value": "b"}]),
     ".Dimensions[0]: must be an object of Name and Value"),
    (orders(Dimensions=[{"Name": "a"}]), ".Dimensions[0].Value: is missing"),
    (orders(Dimensions=[{"Name": ":a", "Value": "b"}]), ".Dimensions[0].Name: must not begin with :"),
    (orders(Dimensions=[{"Name": "a", "Value": "b"}, {"Name": "a", "Value": "c"}]),
     ".Dimensions[1].Name: a is there already"),
]
# fmt: on


@pytest.mark.parametrize(
    ("datum", "expected"), [row[:-1] for row in TAKEN], ids=[row[-1] for row in TAKEN]
)
def test_what_is_taken(datum: object, expected: Datum) -> None:
    assert [expected] == read(datum)


@pytest.mark.parametrize(
    ("datum", "told"), MISTAKES, ids=[str(row[1]) for row in MISTAKES]
)
def test_a_mistake_is_told_where_it_is(datum: object, told: str) -> None:
    with pytest.raises(SamplesInvalid) as caught:
        read(orders(), datum)

    [problem] = caught.value.problems
    assert f"MetricData[1]{told}" == f"{problem.path}: {problem.message}"


# fmt: off
REQUESTS = [
    ({}, ["Namespace: is missing", "MetricData: must be a list of 1-1000"]),
    ({"Namespace": "AWS/Mine", "MetricData": [orders()]},
     ["Namespace: must not begin with AWS/ (got AWS/Mine)"]),
    ({"Namespace": "a?b", "MetricData": [orders()]},
     ["Namespace: must consist of letters, digits, spaces and . - _ / # : (not first)"]),
    ({"Namespace": "Shop", "MetricData": [orders()] * 1001},
     ["MetricData: must be a list of 1-1000"]),
    ({"Namespace": "Shop", "MetricDat": [orders()], "MetricData": [orders()]},
     ["MetricDat: is not a field; did you mean \"MetricData\"?"]),
    ({"Namespace": "Shop", "MetricData": [orders(Value="1"), orders(), orders(Unit="x")]},
     ["MetricData[0].Value: must be a number",
      "MetricData[2].Unit: is none of CloudWatch's units: Seconds, Microseconds, "]),
]
# fmt: on


@pytest.mark.parametrize(("body", "told"), REQUESTS)
def test_every_mistake_of_a_request_is_told_at_once(
    body: dict[str, object], told: list[str]
) -> None:
    with pytest.raises(SamplesInvalid) as caught:
        samples_of(body, NOW)

    found = [f"{one.path}: {one.message}" for one in caught.value.problems]
    assert len(told) == len(found)
    assert all(text.startswith(start) for text, start in zip(found, told, strict=True))


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
    ),
    max_leaves=8,
)
fields = st.sampled_from(FIELDS)


@given(st.lists(st.dictionaries(fields, anything), max_size=3))
def test_whatever_comes_is_taken_or_told_and_never_breaks(data: list[object]) -> None:
    body = json.loads(json.dumps({"Namespace": "Shop", "MetricData": data}))
    try:
        found = samples_of(body, NOW)
    except SamplesInvalid:
        return
    assert len(data) == len(found)


@pytest.mark.parametrize(
    ("written", "expected"),
    [("1795348800", NOW), ("2026-11-22T12:00:00Z", NOW), ("2026-11-22", NOW - 43_200)],
)
def test_a_moment_is_seconds_or_iso(written: str, expected: float) -> None:
    assert expected == moment_of(written)
    assert moment_of(float("inf")) is None
    assert moment_of("nan") is None
