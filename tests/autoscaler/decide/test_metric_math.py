"""Metric math: what expressions say, and what they come to, as CloudWatch has it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decide.metric_math import parse
from autoscaler.decide.metric_math_functions import FUNCTIONS, Kind, World
from autoscaler.decide.metric_math_meaning import kind_of, value_of
from autoscaler.decide.metric_math_values import Grid, Several, Value
from foundation.tokens import Unreadable

SUNDAY_NOON = 1_795_348_800  # 2026-11-22 12:00:00 UTC
GRID = Grid(SUNDAY_NOON, 60, 4)
M1 = (1.0, 2.0, None, 4.0)
M2 = (10.0, None, 30.0, 40.0)
ZERO = (0.0, 0.0, 0.0, 0.0)
NONE = (None, None, None, None)
COUNTS = (1, 2, None, 4)
VALUES: dict[str, Value] = {
    "m1": M1,
    "m2": M2,
    "zero": ZERO,
    "none": NONE,
    "counts": COUNTS,
}
WORLD = World(GRID, VALUES, ("m1", "m2"))
KINDS = dict.fromkeys(VALUES, Kind.SERIES)


def reckoned(text: str) -> Value:
    expression = parse(text)
    kind_of(expression, KINDS)
    return value_of(expression, WORLD)


# fmt: off
VALUES_OF = [
    ("m1 + m2",                (11.0, None, None, 44.0), "a value missing on one side is missing"),
    ("m1 * 2 - 1",             (1.0, 3.0, None, 7.0),    "a number counts for every period"),
    ("2 - m1",                 (1.0, 0.0, None, -2.0),   "on either side"),
    ("1 + 2 * 3 ^ 2",          19.0,                     "powers bind most, then products"),
    ("2 ^ 3 ^ 2",              512.0,                    "powers from the right"),
    ("-2 ^ 2",                 -4.0,                     "a sign binds less than a power"),
    ("2 ^ -1",                 0.5,                      "an exponent may have one"),
    ("(1 + 2) * 3",            9.0,                      "parentheses bind most of all"),
    ("10 - 4 - 3",             3.0,                      "what binds alike goes from the left"),
    ("m1 / zero",              NONE,                     "nothing is divided by zero"),
    ("1 / 0",                  None,                     "nor a number"),
    ("10 ^ 400",               None,                     "what no float holds is missing"),
    ("(-8) ^ 0.5",             None,                     "and what is no real number"),
    ("m1 > 1",                 (0.0, 1.0, None, 1.0),    "what is true is 1, what is false 0"),
    ("m1 >= 2 AND m2 < 50",    (0.0, None, None, 1.0),   "AND of both, where both are"),
    ("m1 == 1 || m1 == 4",     (1.0, 0.0, None, 1.0),    "OR may be written so"),
    ("m1 != 1 && m1 != 4",     (0.0, 1.0, None, 0.0),    "AND too"),
    ("1 < 2 OR 0 AND 0",       1.0,                      "AND binds more than OR"),
    ("IF(m1 > 1, m2, 0)",      (0.0, None, None, 40.0),  "period by period"),
    ("IF(m1 > 1, m1)",         (None, 2.0, None, 4.0),   "without the last nothing stands there"),
    ("IF(1 < 2, m1, m2)",      M1,                       "a number chooses the whole"),
    ("IF(0, 1, 2)",            2.0,                      "or between numbers"),
    ("FILL(m1, 0)",            (1.0, 2.0, 0.0, 4.0),     "a gap is filled by a number"),
    ("FILL(m1, m2)",           (1.0, 2.0, 30.0, 4.0),    "by another series"),
    ("FILL(m1, REPEAT)",       (1.0, 2.0, 2.0, 4.0),     "by what was before"),
    ("FILL(m1, LINEAR)",       (1.0, 2.0, 3.0, 4.0),     "by the line through both sides"),
    ("FILL(none, REPEAT)",     NONE,                     "before the first there is nothing"),
    ("SUM(m1)",                7.0,                      "a series gives a number"),
    ("AVG(m1)",                7.0 / 3,                  "of the values there are"),
    ("MIN(m2) + MAX(m2)",      50.0,                     "least and most"),
    ("STDDEV([m1])",           (0.0, 0.0, None, 0.0),    "one value does not deviate"),
    ("STDDEV(IF(m1 > 1, m1))", 1.0,                      "of all the values, not of a sample of them"),
    ("DATAPOINT_COUNT(m1)",    3.0,                      "how many there are"),
    ("SUM(none)",              None,                     "nothing has no sum"),
    ("SUM([m1, m2])",          (11.0, 2.0, 30.0, 44.0),  "an array gives a series, of what is there"),
    ("SUM(METRICS())",         (11.0, 2.0, 30.0, 44.0),  "the alarm's metrics are an array"),
    ('SUM(METRICS("2"))',      M2,                       "those whose ids hold a text"),
    ("MAX([m1, zero, m2])",    (10.0, 2.0, 30.0, 40.0),  "the most of each period"),
    ('m1 + SUM(METRICS("9"))', NONE,                     "an array of none has no values, for each period"),
    ("IF(m1 > 1, SUM(SLICE(METRICS(), 5)), m1)", (1.0, None, None, None), "as others have"),
    ("SUM([m1 * 1e308, m1 * 1e308])", (None,) * 4,       "a sum that no float holds is missing"),
    ("RATE(m1)",               (None, 1 / 60, None, 2 / 120), "per second since the value before"),
    ("DIFF(m1)",               (None, 1.0, None, 2.0),   "the difference from it"),
    ("DIFF_TIME(m1)",          (None, 60.0, None, 120.0), "and how long ago it was"),
    ("RUNNING_SUM(m1)",        (1.0, 3.0, None, 7.0),    "a sum that grows"),
    ("PERIOD(m1)",             60.0,                     "in seconds"),
    ("m1 / PERIOD(m1) * 60",   (1.0, 2.0, None, 4.0),    "as in a rate"),
    ("TIME_SERIES(3)",         (3.0, 3.0, 3.0, 3.0),     "a number becomes a series"),
    ("CEIL(m1 / 3)",           (1.0, 1.0, None, 2.0),    "up"),
    ("FLOOR(m1 / 3)",          (0.0, 0.0, None, 1.0),    "down"),
    ("m1 > CEIL(AVG(m1))",     (0.0, 0.0, None, 1.0),    "what was rounded counts for every period too"),
    ("TIME_SERIES(FLOOR(AVG(m1)) + 1)", (3.0,) * 4,      "and is a number as others are"),
    ("counts / MAX(counts)",   (0.25, 0.5, None, 1.0),   "and so is the most of whole counts"),
    ("ABS(0 - m1)",            (1.0, 2.0, None, 4.0),    "without its sign"),
    ("LOG10(100)",             2.0,                      "to the base of ten"),
    ("LOG(zero)",              NONE,                     "zero has no logarithm"),
    ("FIRST(METRICS())",       M1,                       "the first of an array"),
    ("LAST(METRICS())",        M2,                       "the last"),
    ("FIRST(SORT(METRICS(), SUM, DESC))", M2,            "sorted by what is most"),
    ("FIRST(SORT(METRICS(), AVG))", M1,                  "else by what is least"),
    ("LAST(SORT([none, m1], MAX))", NONE,                "what has no value comes last"),
    ("LAST(SORT([m2, m1, zero], SUM, DESC, 2))", M1,     "and no more than asked for"),
    ("SUM(SLICE([m1, m2, zero], 1))", (10.0, 0.0, 30.0, 40.0), "from a place on"),
    ("SUM(SLICE([m1, m2, zero], 0, 1))", M1,             "up to another"),
    ("MINUTE(none)",           (0.0, 1.0, 2.0, 3.0),     "times need no datapoint"),
    ("HOUR(m1)",               (12.0,) * 4,              "in UTC"),
    ("DAY(m1)",                (7.0,) * 4,               "Sunday is 7, Monday 1"),
    ("DATE(m1)",               (22.0,) * 4,              "of the month"),
    ("MONTH(m1) + YEAR(m1)",   (2037.0,) * 4,            "11 and 2026"),
    ("FIRST([EPOCH(m1)]) - EPOCH(m1)", ZERO,             "seconds since 1970"),
    ("IF(DAY(m1)<6 AND (HOUR(m1)>=9 AND HOUR(m1)<17),m1)", NONE, "out of office hours nothing"),
    ("m1 - m1" + "+m1-m1" * 99, (0.0, 0.0, None, 0.0),   "two hundred operators are not too many"),
    ("1e2 + .5",               100.5,                    "numbers as they are written"),
]
# fmt: on


@pytest.mark.parametrize(
    ("text", "expected"),
    [row[:2] for row in VALUES_OF],
    ids=[f"{row[0]}: {row[2]}" for row in VALUES_OF],
)
def test_what_an_expression_comes_to(text: str, expected: Value) -> None:
    found = reckoned(text)

    if isinstance(expected, float) and isinstance(found, float):
        assert math.isclose(expected, found)
    else:
        assert expected == found


def test_an_array_reckons_series_by_series() -> None:
    assert Several(((2.0, 4.0, None, 8.0), (20.0, None, 60.0, 80.0))) == reckoned(
        "METRICS() * 2"
    )
    assert Several((ZERO, ZERO)) == reckoned("IF(zero, [m1, m2], 0)")
    assert Several((ZERO, NONE)) == reckoned("IF(zero, [m1, m2], [zero, none])")


# fmt: off
MISTAKES = [
    ("m1 +",         5,  'expected a number, an id, a function or a parenthesis (got the end)'),
    ("m1 > 1e999",   6,  '1e999 is too large'),
    ("m1 m2",        4,  'expected an operator or the end (got "m2")'),
    ("(m1 + m2",     9,  'expected ")" for the "(" at character 1 (got the end)'),
    ("[m1, m2",      8,  'expected "]" for the "[" at character 1 (got the end)'),
    ("SUM(m1",       7,  'expected ")" for the "(" at character 4 (got the end)'),
    ("m1 % 2",       4,  'expected an operator or the end (got "%")'),
    ("",             1,  'expected a number, an id, a function or a parenthesis (got the end)'),
    ("m1 AND",       7,  'expected a number, an id, a function or a parenthesis (got the end)'),
    ("m1 + OR",      6,  'expected a number, an id, a function or a parenthesis (got "OR")'),
    ("m3 * 2",       1,  'no id "m3"; there are m1, m2, zero, none, counts'),
    ("REPEAT",       1,  "REPEAT stands alone: ids begin with a small letter, functions take parentheses"),
    ("'m1'",         1,  "only METRICS takes a quoted text"),
    ("sum(m1)",      1,  'no function "sum"; did you mean SUM?'),
    ("MEDIAN(m1)",   1,  'no function "MEDIAN"; there are ABS, AVG, CEIL, DATAPOINT_COUNT'),
    ("RATE(m1, 2)",  1,  "RATE takes 1 arguments (got 2)"),
    ("IF(m1)",       1,  "IF takes 2 to 3 arguments (got 1)"),
    ("SUM(3)",       5,  "SUM takes a time series or an array of time series (got a number)"),
    ("FIRST(m1)",    7,  "FIRST takes an array of time series (got a time series)"),
    ("TIME_SERIES(m1)", 13, "TIME_SERIES takes a number (got a time series)"),
    ("FILL(m1, LAST)", 10, "FILL takes REPEAT or LINEAR (got LAST)"),
    ("FILL(m1, 'x')", 10, "only METRICS takes a quoted text"),
    ("SORT([m1], STDDEV)", 12, "SORT takes AVG or MAX or MIN or SUM (got STDDEV)"),
    ("SORT([m1], SUM, UP)", 17, "SORT takes ASC or DESC (got UP)"),
    ("SORT([m1], m1)", 12, "SORT takes a word (got a time series)"),
    ("METRICS(m1)",  9,  "METRICS takes a quoted text (got a time series)"),
    ("[m1, 2]",      6,  "an array takes a time series (got a number)"),
    ("METRICS() + [m1]", 11, "+ takes one array at most; make one of them a series, such as SUM(…)"),
    ("(" * 41 + "1", 41, "nested deeper than 40 levels"),
    ("-" * 41 + "1", 41, "nested deeper than 40 levels"),
    ("1^" * 41 + "1", 82, "nested deeper than 40 levels"),
    ("m1+" * 600 + "m1", 603, "more than 200 operators: use SUM or METRICS"),
    ("1+" * 1024 + "1", 2049, "must be at most 2048 characters (got 2049)"),
]
# fmt: on


@pytest.mark.parametrize(
    ("text", "column", "message"), MISTAKES, ids=[row[0][:24] for row in MISTAKES]
)
def test_a_mistake_is_told_with_its_place(text: str, column: int, message: str) -> None:
    with pytest.raises(Unreadable) as caught:
        reckoned(text)

    assert caught.value.message.startswith(message)
    assert column == caught.value.column
    assert str(caught.value).endswith(f", at character {column}")


numbers = st.one_of(st.none(), st.floats(-1e9, 1e9))
rows = st.tuples(*[numbers] * 4)
leaves = st.sampled_from(
    ["m1", "m2", "zero", "none", "2", "0.5", "METRICS()", "METRICS('9')"]
)
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/^<>"), inner).map(
            "({0[0]}{0[1]}{0[2]})".format
        ),
        st.tuples(inner, inner, inner).map("IF({0[0]},{0[1]},{0[2]})".format),
        st.tuples(st.sampled_from(sorted(FUNCTIONS)), inner).map(
            "{0[0]}({0[1]})".format
        ),
        st.tuples(inner, st.sampled_from(["0", "REPEAT", "LINEAR"])).map(
            "FILL({0[0]},{0[1]})".format
        ),
        inner.map("-{}".format),
    ),
    max_leaves=6,
)


@given(text=expressions, m1=rows, m2=rows)
def test_what_is_accepted_is_reckoned_and_is_what_it_was_said_to_be(
    text: str, m1: tuple[float | None, ...], m2: tuple[float | None, ...]
) -> None:
    """Never raises, never infinite, as long as the grid; a pure function."""
    expression = parse(text)
    try:
        kind = kind_of(expression, KINDS)
    except Unreadable:
        return
    values: dict[str, Value] = {"m1": m1, "m2": m2, "zero": ZERO, "none": NONE}
    world = World(GRID, values, ("m1", "m2"))

    value = value_of(expression, world)

    assert value == value_of(expression, world)
    match kind:
        case Kind.SERIES:
            assert isinstance(value, tuple)
            series = [value]
        case Kind.ARRAY:
            assert isinstance(value, Several)
            series = list(value.of)
        case _:
            assert value is None or isinstance(value, float)
            series = [(value,) * GRID.count]
    assert all(len(one) == GRID.count for one in series)
    assert all(one is None or math.isfinite(one) for each in series for one in each)
