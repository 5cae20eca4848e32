"""When a schedule's times are: at(...), rate(...), cron(...). Floor 1: pure.

    text --parse--> Schedule --> last_within(after, through), next_after(after)

Local times are of the zone that is given. A local time that does not exist, as
clocks go forward, is left out; one that comes twice, as they go back, counts once.

Source: Application Auto Scaling API, PutScheduledAction; EventBridge user guide,
"Cron expressions reference" and Scheduler user guide, "Daylight saving time".
"""

from __future__ import annotations

import calendar
import datetime
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

UTC: Final = datetime.UTC
YEARS: Final = (1970, 2199)
RATE_MAX_DAYS: Final = 36_525
"""A century: what is much later is in no calendar."""
MONDAY_TO_FRIDAY: Final = range(5)
DAY: Final = datetime.timedelta(days=1)
SLACK_H: Final = 3
"""More than any clock is ever set back."""


class ScheduleInvalid(ValueError):
    """A schedule that is none. Its text says what is wrong and what would be right."""


@dataclass(frozen=True, slots=True)
class At:
    """Once, at a local time."""

    local: datetime.datetime


@dataclass(frozen=True, slots=True)
class Rate:
    """Every so often, from when it began to hold."""

    period_s: int


@dataclass(frozen=True, slots=True)
class Days:
    """Days of a month, in the terms of one of cron's two fields.

    `nearest` are days whose nearest weekday of the month is meant, 0 the last one;
    `numbered` are (day of the week, which one in the month), 0 the last one.
    """

    of_month: frozenset[int] = frozenset()
    last: bool = False
    nearest: frozenset[int] = frozenset()
    of_week: frozenset[int] = frozenset()
    """1 is Sunday."""
    numbered: frozenset[tuple[int, int]] = frozenset()

    def has(self, date: datetime.date) -> bool:
        length = calendar.monthrange(date.year, date.month)[1]
        weekday = date.isoweekday() % 7 + 1
        return (
            date.day in self.of_month
            or weekday in self.of_week
            or (self.last and date.day == length)
            or (weekday, (date.day - 1) // 7 + 1) in self.numbered
            or (date.day + 7 > length and (weekday, 0) in self.numbered)
            or any(date.day == _weekday_near(date, day, length) for day in self.nearest)
        )


def _weekday_near(month: datetime.date, day: int, length: int) -> int:
    """Return the weekday that is nearest to `day` and in its month; 0 is the last day.

    A day that the month does not have is none: 0, which no day is.
    """
    if day > length:
        return 0
    wanted = month.replace(day=day or length)
    if wanted.weekday() in MONDAY_TO_FRIDAY:
        return wanted.day
    saturday = wanted.weekday() == MONDAY_TO_FRIDAY.stop
    near = wanted.day - 1 if saturday else wanted.day + 1
    if near < 1:
        return 3  # the month begins on a Saturday
    return near if near <= length else length - 2


@dataclass(frozen=True, slots=True)
class Cron:
    """Minutes of hours of days. Everything is ascending."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: Days
    months: frozenset[int]
    years: frozenset[int]

    def has(self, date: datetime.date) -> bool:
        return (
            date.month in self.months
            and date.year in self.years
            and self.days.has(date)
        )


Schedule = At | Rate | Cron


# --- times ----------------------------------------------------------------------------


def last_within(
    schedule: Schedule,
    zone: datetime.tzinfo,
    after: float,
    through: float,
    first: float,
) -> float | None:
    """Return the schedule's last time after `after` and up to `through`, if any.

    Unix seconds. `first` is a rate's first time; others do not use it.
    """
    if through <= after:
        return None
    match schedule:
        case At(local):
            time = _unix(local, zone)
            return time if time is not None and after < time <= through else None
        case Rate(period_s):
            time = first + math.floor((through - first) / period_s) * period_s
            return time if time > after and time >= first else None
        case Cron():
            return _last(schedule, zone, after, through)


def next_after(
    schedule: Schedule, zone: datetime.tzinfo, after: float, first: float
) -> float | None:
    """Return the schedule's first time after `after`; None when there is none."""
    match schedule:
        case At(local):
            time = _unix(local, zone)
            return time if time is not None and time > after else None
        case Rate(period_s):
            passed = math.floor((after - first) / period_s) + 1
            return first + max(0, passed) * period_s
        case Cron():
            return _next(schedule, zone, after)


def _last(
    cron: Cron, zone: datetime.tzinfo, after: float, through: float
) -> float | None:
    end = datetime.datetime.fromtimestamp(through, zone)
    begin = datetime.datetime.fromtimestamp(after, zone).date()
    date, latest_h = end.date(), end.hour + SLACK_H
    while date >= begin:
        for time in _times_on(cron, date, zone, latest_h):
            if time <= after:
                return None
            if time <= through:
                return time
        date, latest_h = date - DAY, 24
    return None


def _times_on(
    cron: Cron, date: datetime.date, zone: datetime.tzinfo, latest_h: int
) -> Iterator[float]:
    """Yield the times of a day up to an hour, the last one first."""
    if not cron.has(date):
        return
    for hour in reversed(cron.hours):
        if hour > latest_h:
            continue
        for minute in reversed(cron.minutes):
            local = datetime.datetime.combine(date, datetime.time(hour, minute))
            time = _unix(local, zone)
            if time is not None:
                yield time


def _next(cron: Cron, zone: datetime.tzinfo, after: float) -> float | None:
    date = datetime.datetime.fromtimestamp(after, zone).date()
    end = datetime.date(max(cron.years), 12, 31)
    while date <= end:
        later = [time for time in _times_on(cron, date, zone, 24) if time > after]
        if later:
            return later[-1]
        date = date + DAY if date.month in cron.months else _next_month(date)
    return None


def _next_month(date: datetime.date) -> datetime.date:
    return (date.replace(day=1) + 31 * DAY).replace(day=1)


def _unix(local: datetime.datetime, zone: datetime.tzinfo) -> float | None:
    """Return when the clocks of `zone` first show `local`; None when they never do."""
    time = local.replace(tzinfo=zone).astimezone(UTC)
    if time.astimezone(zone).replace(tzinfo=None) != local:
        return None
    return time.timestamp()


def exists(schedule: Schedule, zone: datetime.tzinfo) -> bool:
    """Whether the schedule has any time at all."""
    begin = datetime.datetime(YEARS[0], 1, 2, tzinfo=UTC).timestamp()
    return next_after(schedule, zone, begin, begin) is not None


# --- reading --------------------------------------------------------------------------

_WRITTEN: Final = re.compile(r"(at|rate|cron)\((.*)\)")
_RATE: Final = re.compile(r"([1-9][0-9]{0,6}) (minute|hour|day)(s?)")
_UNITS_S: Final = {"minute": 60, "hour": 3600, "day": 86_400}
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                  "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")  # fmt: skip
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


@dataclass(frozen=True, slots=True)
class _Field:
    """One of cron's six: its range, and the names that stand for numbers from `low`."""

    name: str
    low: int
    high: int
    names: Sequence[str] = ()


_MINUTES: Final = _Field("minutes", 0, 59)
_HOURS: Final = _Field("hours", 0, 23)
_OF_MONTH: Final = _Field("day-of-month", 1, 31)
_MONTH: Final = _Field("month", 1, 12, _MONTHS)
_OF_WEEK: Final = _Field("day-of-week", 1, 7, _DAYS)
_YEAR: Final = _Field("year", *YEARS)
_FIELDS: Final = (_MINUTES, _HOURS, _OF_MONTH, _MONTH, _OF_WEEK, _YEAR)


def parse(text: str) -> Schedule:
    """Return what `text` says. Raises ScheduleInvalid."""
    written = _WRITTEN.fullmatch(text.strip())
    if written is None:
        raise ScheduleInvalid("must be at(...), rate(...) or cron(...)")
    kind, inside = written.groups()
    if kind == "at":
        return _at(inside)
    return _rate(inside) if kind == "rate" else _cron(inside)


def _at(inside: str) -> At:
    try:
        local = datetime.datetime.strptime(inside, "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        raise ScheduleInvalid("must be like at(2026-12-24T18:00:00)") from None
    if not YEARS[0] <= local.year <= YEARS[1]:
        between = f"between {YEARS[0]} and {YEARS[1]}"
        raise ScheduleInvalid(f"the year must be {between} (got {local.year})")
    return At(local)


def _rate(inside: str) -> Rate:
    found = _RATE.fullmatch(inside)
    if found is None or (found[1] == "1") == bool(found[3]):
        raise ScheduleInvalid("must be like rate(1 hour) or rate(15 minutes)")
    period_s = int(found[1]) * _UNITS_S[found[2]]
    if period_s > RATE_MAX_DAYS * _UNITS_S["day"]:
        raise ScheduleInvalid(f"a rate must be at most {RATE_MAX_DAYS} days")
    return Rate(period_s)


def _cron(inside: str) -> Cron:
    words = inside.upper().split()
    if len(words) != len(_FIELDS):
        names = " ".join(field.name for field in _FIELDS)
        raise ScheduleInvalid(f"cron has six fields, {names} (got {len(words)})")
    minutes, hours, of_month, months, of_week, years = words
    if (of_month == "?") == (of_week == "?"):
        raise ScheduleInvalid("one of day-of-month and day-of-week must be ?")
    days = _days_of_week(of_week) if of_month == "?" else _days_of_month(of_month)
    return Cron(
        tuple(sorted(_numbers(minutes, _MINUTES))),
        tuple(sorted(_numbers(hours, _HOURS))),
        days,
        _numbers(months, _MONTH),
        _numbers(years, _YEAR),
    )


def _days_of_month(text: str) -> Days:
    plain, nearest, last = set[int](), set[int](), False
    for part in text.split(","):
        if part == "L":
            last = True
        elif part == "LW":
            nearest.add(0)
        elif part.endswith("W"):
            nearest.add(_number(part[:-1], _OF_MONTH))
        else:
            plain |= _range(part, _OF_MONTH)
    return Days(frozenset(plain), last, frozenset(nearest))


def _days_of_week(text: str) -> Days:
    plain, numbered = set[int](), set[tuple[int, int]]()
    for part in text.split(","):
        day, hash_, which = part.partition("#")
        if hash_:
            if which not in {"1", "2", "3", "4", "5"}:
                raise ScheduleInvalid(f'"{part}" is not a day and #1 to #5')
            numbered.add((_number(day, _OF_WEEK), int(which)))
        elif part == "L":
            plain.add(_OF_WEEK.high)
        elif part.endswith("L"):
            numbered.add((_number(part[:-1], _OF_WEEK), 0))
        else:
            plain |= _range(part, _OF_WEEK)
    return Days(of_week=frozenset(plain), numbered=frozenset(numbered))


def _numbers(text: str, field: _Field) -> frozenset[int]:
    return frozenset(n for part in text.split(",") for n in _range(part, field))


def _range(part: str, field: _Field) -> frozenset[int]:
    """Return the numbers of ``*``, ``7``, ``7-9``, ``7/2`` or ``7-19/2``."""
    bounds, slash, step = part.partition("/")
    low, dash, high = bounds.partition("-")
    if bounds == "*":
        first, last = field.low, field.high
    else:
        first = _number(low, field)
        last = _number(high, field) if dash else first
        if slash and not dash:
            last = field.high
    if first > last:
        raise ScheduleInvalid(f'"{part}" goes backwards in {field.name}')
    if slash and not (step.isascii() and step.isdecimal() and int(step)):
        raise ScheduleInvalid(f'"{part}" has no step in {field.name}')
    return frozenset(range(first, last + 1, int(step) if slash else 1))


def _number(text: str, field: _Field) -> int:
    if text in field.names:
        return field.low + field.names.index(text)
    if text.isascii() and text.isdecimal() and field.low <= int(text) <= field.high:
        return int(text)
    names = f" or {field.names[0]}-{field.names[-1]}" if field.names else ""
    raise ScheduleInvalid(
        f'"{text}" is not in {field.name}, {field.low}-{field.high}{names}'
    )
