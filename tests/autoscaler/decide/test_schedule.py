"""When schedules come: AWS's expressions, time zones, and clocks that are changed."""

import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decide.schedule import (
    Cron,
    Days,
    ScheduleInvalid,
    exists,
    last_within,
    next_after,
    parse,
)

UTC = datetime.UTC
BERLIN, NEW_YORK, LORD_HOWE = map(
    ZoneInfo, ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
)
FIRST = 0.0


def unix(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()


def shown(time: float | None, zone: datetime.tzinfo = UTC) -> str:
    if time is None:
        return "never"
    return datetime.datetime.fromtimestamp(time, zone).strftime("%a %Y-%m-%d %H:%M")


# fmt: off
NEXT = [  # 2026-01-01 is a Thursday
    ("cron(0 10 * * ? *)",        "Thu 2026-01-01 10:00", "10:00 every day"),
    ("cron(15 12 * * ? *)",       "Thu 2026-01-01 12:15", "12:15 every day"),
    ("cron(0 18 ? * MON-FRI *)",  "Thu 2026-01-01 18:00", "18:00 on weekdays"),
    ("cron(0 8 1 * ? *)",         "Thu 2026-01-01 08:00", "8:00 on the first of a month"),
    ("cron(0/15 * * * ? *)",      "Thu 2026-01-01 00:15", "every quarter of an hour"),
    ("cron(0/10 * ? * MON-FRI *)", "Thu 2026-01-01 00:10", "every ten minutes, weekdays"),
    ("cron(0/5 8-17 ? * MON-FRI *)", "Thu 2026-01-01 08:00", "every five, working hours"),
    ("cron(30 6 ? * MON *)",      "Mon 2026-01-05 06:30", "Mondays, as the guide has it"),
    ("cron(0 9 ? * 2#1 *)",       "Mon 2026-01-05 09:00", "the first Monday of the month"),
    ("cron(0 9 ? * FRI#5 *)",     "Fri 2026-01-30 09:00", "the fifth Friday: not each month"),
    ("cron(0 9 ? * 6L *)",        "Fri 2026-01-30 09:00", "the last Friday"),
    ("cron(0 9 ? * L *)",         "Sat 2026-01-03 09:00", "the last day of the week"),
    ("cron(0 9 L * ? *)",         "Sat 2026-01-31 09:00", "the last day of the month"),
    ("cron(0 9 LW * ? *)",        "Fri 2026-01-30 09:00", "its last weekday"),
    ("cron(0 9 3W * ? *)",        "Fri 2026-01-02 09:00", "the weekday before a Saturday"),
    ("cron(0 9 4W * ? *)",        "Mon 2026-01-05 09:00", "the weekday after a Sunday"),
    ("cron(0 9 1W AUG ? *)",      "Mon 2026-08-03 09:00", "a first that is a Saturday"),
    ("cron(0 9 31W MAY ? *)",     "Fri 2026-05-29 09:00", "a last that is a Sunday"),
    ("cron(0 9 31W FEB,MAR ? *)", "Tue 2026-03-31 09:00", "a day that February has not"),
    ("cron(0 0 29 2 ? *)",        "Tue 2028-02-29 00:00", "leap years"),
    ("cron(0 12 1 1 ? 2030-2040/5)", "Tue 2030-01-01 12:00", "every fifth of some years"),
    ("cron(1,31 0 ? DEC 1 *)",    "Sun 2026-12-06 00:01", "lists, names, 1 is Sunday"),
    ("cron(0 0 ? * SUN 2025)",    "never",                "a year that has passed"),
    ("at(2026-07-01T12:00:00)",   "Wed 2026-07-01 12:00", "once"),
    ("at(2025-07-01T12:00:00)",   "never",                "once, and over"),
    ("rate(1 day)",               "Fri 2026-01-02 00:00", "every day from the first time"),
    ("rate(5 minutes)",           "Thu 2026-01-01 00:05", "every five minutes"),
]
# fmt: on


@pytest.mark.parametrize(
    ("text", "expected"), [row[:-1] for row in NEXT], ids=[row[-1] for row in NEXT]
)
def test_next_time(text: str, expected: str) -> None:
    begin = unix("2026-01-01T00:00:00+00:00")

    assert expected == shown(next_after(parse(text), UTC, begin, begin))


# fmt: off
CHANGED_CLOCKS = [
    ("cron(30 2 * * ? *)", BERLIN, "2027-03-27T12:00:00+01:00", "Mon 2027-03-29 02:30",
     "a time that is left out in spring is skipped"),
    ("cron(30 3 * * ? *)", BERLIN, "2027-03-27T12:00:00+01:00", "Sun 2027-03-28 03:30",
     "the hour after it comes"),
    ("cron(30 2 * * ? *)", BERLIN, "2027-10-30T12:00:00+02:00", "Sun 2027-10-31 02:30",
     "a time that comes twice in autumn: the first one"),
    ("cron(30 2 * * ? *)", BERLIN, "2027-10-31T02:30:00+02:00", "Mon 2027-11-01 02:30",
     "and not the second one"),
    ("cron(0 * * * ? *)", NEW_YORK, "2026-11-01T01:00:00-04:00", "Sun 2026-11-01 02:00",
     "an hour that is repeated is one hour"),
    ("cron(15 2 * * ? *)", LORD_HOWE, "2026-10-03T12:00:00+10:30", "Mon 2026-10-05 02:15",
     "clocks that are changed by half an hour"),
    ("cron(0 8 * * ? *)", BERLIN, "2026-06-01T00:00:00+00:00", "Mon 2026-06-01 08:00",
     "local time in summer"),
    ("at(2027-03-28T02:30:00)", BERLIN, "2027-01-01T00:00:00+00:00", "never",
     "a single time that is left out"),
]
# fmt: on


@pytest.mark.parametrize(
    ("text", "zone", "after", "expected"),
    [row[:-1] for row in CHANGED_CLOCKS],
    ids=[row[-1] for row in CHANGED_CLOCKS],
)
def test_clocks_that_are_changed(
    text: str, zone: ZoneInfo, after: str, expected: str
) -> None:
    assert expected == shown(next_after(parse(text), zone, unix(after), FIRST), zone)


# fmt: off
INVALID = [
    ("every day",               "must be at(...), rate(...) or cron(...)", "words"),
    ("at(tomorrow)",            "must be like at(2026-12-24T18:00:00)", "no time"),
    ("at(0001-01-01T00:00:00)", "the year must be between 1970 and 2199 (got 1)", "too early"),
    ("at(9999-12-31T23:59:59)", "the year must be between 1970 and 2199 (got 9999)", "too late"),
    ("rate(9999999 days)",      "a rate must be at most 36525 days", "beyond the calendar"),
    ("rate(5 minute)",          "must be like rate(1 hour) or rate(15 minutes)", "plural"),
    ("rate(1 days)",            "must be like rate(1 hour) or rate(15 minutes)", "singular"),
    ("rate(0 days)",            "must be like rate(1 hour) or rate(15 minutes)", "never"),
    ("cron(0 8 * * *)",         "cron has six fields, minutes hours day-of-month month "
                                "day-of-week year (got 5)", "five fields"),
    ("cron(0 8 * * * *)",       "one of day-of-month and day-of-week must be ?", "two days"),
    ("cron(0 8 ? * ? *)",       "one of day-of-month and day-of-week must be ?", "no day"),
    ("cron(60 8 * * ? *)",      '"60" is not in minutes, 0-59', "a 61st minute"),
    ("cron(0 8 * FOO ? *)",     '"FOO" is not in month, 1-12 or JAN-DEC', "no month"),
    ("cron(0 8 ? * 0 *)",       '"0" is not in day-of-week, 1-7 or SUN-SAT', "Sunday is 1"),
    ("cron(0 17-8 * * ? *)",    '"17-8" goes backwards in hours', "backwards"),
    ("cron(0/0 8 * * ? *)",     '"0/0" has no step in minutes', "a step of nothing"),
    ("cron(0 8 ? * MON#6 *)",   '"MON#6" is not a day and #1 to #5', "a sixth Monday"),
    ("cron(0 8 ? * MON 1969)",  '"1969" is not in year, 1970-2199', "before time"),
]
# fmt: on


@pytest.mark.parametrize(
    ("text", "message"), [row[:-1] for row in INVALID], ids=[row[-1] for row in INVALID]
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(ScheduleInvalid) as invalid:
        parse(text)

    assert message == str(invalid.value)


def test_a_rate_counts_from_its_first_time() -> None:
    rate, first = parse("rate(10 minutes)"), 1000.0

    assert next_after(rate, UTC, 0.0, first) == first
    assert next_after(rate, UTC, first, first) == first + 600
    assert last_within(rate, UTC, 0.0, first + 1250, first) == first + 1200
    assert last_within(rate, UTC, first + 1200, first + 1250, first) is None
    assert last_within(rate, UTC, 0.0, first - 1, first) is None


def test_the_30th_of_february_never_comes() -> None:
    assert not exists(parse("cron(0 8 30 2 ? *)"), UTC)
    assert exists(parse("cron(0 8 29 2 ? 2100-2104)"), UTC)


def days_where(days: Days, year: int, month: int) -> list[int]:
    one = datetime.date(year, month, 1)
    dates = [one + datetime.timedelta(days=n) for n in range(31)]
    return [date.day for date in dates if date.month == month and days.has(date)]


def test_there_is_one_nearest_weekday_in_every_month() -> None:
    for year in (2026, 2027, 2028):
        for month in range(1, 13):
            for day in (0, 1, 15, 28):
                (found,) = days_where(Days(nearest=frozenset({day})), year, month)
                assert datetime.date(year, month, found).weekday() < 5


@given(
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    zone=st.sampled_from([UTC, BERLIN, NEW_YORK, LORD_HOWE]),
    after=st.integers(int(unix("2026-01-01T00:00Z")), int(unix("2028-01-01T00:00Z"))),
    days=st.integers(1, 4),
)
def test_the_last_time_is_the_one_that_has_no_next(
    minute: int, hour: int, zone: datetime.tzinfo, after: int, days: int
) -> None:
    daily = parse(f"cron({minute} {hour} * * ? *)")
    assert isinstance(daily, Cron)
    through = after + days * 86_400.0

    times = []
    time = next_after(daily, zone, after, FIRST)
    while time is not None and time <= through:
        times.append(time)
        local = datetime.datetime.fromtimestamp(time, zone)
        assert (hour, minute) == (local.hour, local.minute)
        time = next_after(daily, zone, time, FIRST)

    assert (times[-1] if times else None) == last_within(
        daily, zone, after, through, FIRST
    )
    assert days - 1 <= len(times) <= days + 1
    assert sorted({*times}) == times
