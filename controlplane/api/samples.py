"""Read PutMetricData's JSON: every mistake at once, each with its place. Pure.

    {Namespace, MetricData: [...]} --> data to record, or SamplesInvalid

Nothing of a request with a mistake is taken. Absent: what AWS has since added for
entities.

Source: CloudWatch API reference, PutMetricData, MetricDatum, Dimension and
StatisticSet.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from autoscaler.decide.statistics import LARGEST, Distribution
from autoscaler.model import Metric
from autoscaler.state.series import AHEAD_S, SPAN_S
from controlplane.errors import SamplesInvalid
from controlplane.problems import Problem, did_you_mean

DATA_MAX: Final = 1000
VALUES_MAX: Final = 150
DIMENSIONS_MAX: Final = 30
NAME_MAX: Final = 255
VALUE_MAX: Final = 1024
MOMENT_MAX: Final = 1e11
"""Unix seconds, in the year 5138: later ones are milliseconds by mistake."""
RESOLUTIONS: Final = (1, 60)
RESERVED: Final = "AWS/"
NAMESPACE: Final = re.compile(r"[A-Za-z0-9._/#: -]+", re.ASCII)
REQUEST: Final = ("Namespace", "MetricData")
SAMPLES: Final = ("Value", "Values", "StatisticValues")
FIELDS: Final = (
    *("MetricName", "Dimensions", "Timestamp", "Counts", "Unit", "StorageResolution"),
    *SAMPLES,
)
SET: Final = ("SampleCount", "Sum", "Minimum", "Maximum")
_BYTES: Final = ("Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes")
_BITS: Final = ("Bits", "Kilobits", "Megabits", "Gigabits", "Terabits")
UNITS: Final = (
    *("Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "None"),
    *(_BYTES + _BITS),
    *(f"{unit}/Second" for unit in (*_BYTES, *_BITS, "Count")),
)


class Datum(NamedTuple):
    """Samples of one metric at one time. `unit` is "None" where none was said."""

    metric: Metric
    at_unix_s: float
    samples: Distribution
    unit: str


class _Wrong(Exception):
    """A mistake in one field, with the path below the place where it is read."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(path, message)
        self.path = path
        self.message = message


def samples_of(body: Mapping[str, object], now_unix_s: float) -> list[Datum]:
    """Return what to record. Raises SamplesInvalid: a mistake of each datum."""
    problems = [
        Problem(name, f"is not a field{did_you_mean(name, REQUEST)}")
        for name in body.keys() - {*REQUEST, "StrictEntityValidation"}
    ]
    namespace, listed = "", body.get("MetricData")
    try:
        namespace = _namespace(body)
    except _Wrong as wrong:
        problems.append(Problem(wrong.path, wrong.message))
    if not isinstance(listed, list) or not 1 <= len(listed) <= DATA_MAX:
        problems.append(Problem("MetricData", f"must be a list of 1-{DATA_MAX}"))
        listed = []
    found = []
    for place, each in enumerate(listed):
        try:
            found.append(_datum(namespace, each, now_unix_s))
        except _Wrong as wrong:
            path = f"MetricData[{place}]{wrong.path}"
            problems.append(Problem(path, wrong.message))
    if problems:
        raise SamplesInvalid(problems)
    return found


def _namespace(body: Mapping[str, object]) -> str:
    name = _name(body, "Namespace")
    if not NAMESPACE.fullmatch(name) or name.startswith(":"):
        allowed = "letters, digits, spaces and . - _ / # : (not first)"
        raise _Wrong("Namespace", f"must consist of {allowed}")
    if name.startswith(RESERVED):
        raise _Wrong("Namespace", f"must not begin with {RESERVED} (got {name})")
    return name


def _datum(namespace: str, told: object, now_unix_s: float) -> Datum:
    if not isinstance(told, dict):
        raise _Wrong("", "must be an object")
    for name in told:
        if name not in FIELDS:
            hint = did_you_mean(str(name), FIELDS)
            raise _Wrong(f".{name}", f"is not a field{hint}")
    try:
        metric = Metric(namespace, _name(told, "MetricName"), _dimensions(told))
        at = _timestamp(told, now_unix_s)
        samples, unit = _samples(told), _unit(told)
        _resolution(told)
    except _Wrong as wrong:
        raise _Wrong(f".{wrong.path}", wrong.message) from None
    return Datum(metric, at, samples, unit)


def _name(told: Mapping[str, object], field: str, longest: int = NAME_MAX) -> str:
    text = told.get(field)
    if text is None:
        raise _Wrong(field, "is missing")
    if not isinstance(text, str) or not 1 <= len(text) <= longest:
        raise _Wrong(field, f"must be a string of 1-{longest} characters")
    if not text.isascii() or not text.isprintable() or not text.strip():
        raise _Wrong(field, "must be printable ASCII, with more than spaces")
    return text


def _dimensions(told: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    listed = told.get("Dimensions", [])
    if not isinstance(listed, list) or len(listed) > DIMENSIONS_MAX:
        raise _Wrong("Dimensions", f"must be a list of at most {DIMENSIONS_MAX}")
    found: dict[str, str] = {}
    for place, each in enumerate(listed):
        here = f"Dimensions[{place}]"
        if not isinstance(each, dict) or each.keys() - {"Name", "Value"}:
            raise _Wrong(here, "must be an object of Name and Value")
        try:
            name, value = _name(each, "Name"), _name(each, "Value", VALUE_MAX)
        except _Wrong as wrong:
            raise _Wrong(f"{here}.{wrong.path}", wrong.message) from None
        if name.startswith(":"):
            raise _Wrong(f"{here}.Name", "must not begin with :")
        if name in found:
            raise _Wrong(f"{here}.Name", f"{name} is there already")
        found[name] = value
    return tuple(sorted(found.items()))


def _timestamp(told: Mapping[str, object], now_unix_s: float) -> float:
    value = told.get("Timestamp")
    if value is None:
        return now_unix_s
    at = moment_of(value)
    if at is None:
        message = "must be unix seconds or like 2026-11-28T05:00:00Z"
        raise _Wrong("Timestamp", message)
    if at > now_unix_s + AHEAD_S:
        raise _Wrong("Timestamp", "is more than two hours ahead")
    if at <= now_unix_s - SPAN_S:
        raise _Wrong("Timestamp", "is more than three hours ago")
    return at


def moment_of(value: object) -> float | None:
    """Return unix seconds of a number or of ISO 8601 (UTC where no zone is said)."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) < MOMENT_MAX else None
    if not isinstance(value, str):
        return None
    try:
        return moment_of(float(value))
    except ValueError:
        pass
    try:
        moment = datetime.datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.timestamp()


def _samples(told: Mapping[str, object]) -> Distribution:
    given = [field for field in SAMPLES if told.get(field) is not None]
    if len(given) != 1:
        raise _Wrong(
            given[1] if given else "Value", f"one of {', '.join(SAMPLES)} is needed"
        )
    if told.get("Counts") is not None and given != ["Values"]:
        raise _Wrong("Counts", "belongs to Values")
    match given:
        case ["Value"]:
            return Distribution.of([_number("Value", told["Value"])])
        case ["Values"]:
            return _values(told)
        case _:
            return _set(told["StatisticValues"])


def _values(told: Mapping[str, object]) -> Distribution:
    values = list(_numbers("Values", told["Values"]))
    if told.get("Counts") is None:
        return Distribution.of(values)
    counts = list(_numbers("Counts", told["Counts"]))
    if len(counts) != len(values):
        message = f"must be as many as Values, {len(values)} (got {len(counts)})"
        raise _Wrong("Counts", message)
    for place, count in enumerate(counts):
        if count <= 0:
            raise _Wrong(f"Counts[{place}]", f"must be more than 0 (got {count:g})")
    return Distribution.weighted(zip(values, counts, strict=True))


def _numbers(field: str, listed: object) -> Iterator[float]:
    if not isinstance(listed, list) or not 1 <= len(listed) <= VALUES_MAX:
        raise _Wrong(field, f"must be a list of 1-{VALUES_MAX} numbers")
    for place, value in enumerate(listed):
        yield _number(f"{field}[{place}]", value)


def _number(field: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _Wrong(field, "must be a number")
    if not abs(value) <= LARGEST:  # also what is not a number at all
        raise _Wrong(field, "must be between -2^360 and 2^360")
    return float(value)


def _set(told: object) -> Distribution:
    if not isinstance(told, dict) or told.keys() != {*SET}:
        raise _Wrong("StatisticValues", f"must be an object of {', '.join(SET)}")
    count, total, least, most = (
        _number(f"StatisticValues.{field}", told[field]) for field in SET
    )
    if count <= 0:
        raise _Wrong(
            "StatisticValues.SampleCount", f"must be more than 0 (got {count:g})"
        )
    if least > most:
        message = f"must not be more than Maximum, {most:g} (got {least:g})"
        raise _Wrong("StatisticValues.Minimum", message)
    slack = 1e-9 * count * max(abs(least), abs(most))
    if not least * count - slack <= total <= most * count + slack:
        message = "is not the sum of so many samples between Minimum and Maximum"
        raise _Wrong("StatisticValues.Sum", message)
    return Distribution(count, total, least, most)


def _unit(told: Mapping[str, object]) -> str:
    unit = told.get("Unit", "None")
    if unit not in UNITS:
        hint = did_you_mean(str(unit), UNITS) or f": {', '.join(UNITS)}"
        raise _Wrong("Unit", f"is none of CloudWatch's units{hint}")
    return str(unit)


def _resolution(told: Mapping[str, object]) -> None:
    resolution = told.get("StorageResolution", RESOLUTIONS[0])
    if resolution not in RESOLUTIONS or isinstance(resolution, bool):
        raise _Wrong("StorageResolution", "must be 1 or 60")
