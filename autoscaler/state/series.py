"""Time series in CloudWatch's model: seconds for three hours, then minutes.

Floor 2: mutable, synchronous. A series takes memory for what was measured and
not for what could be: its two newest minutes are open, older ones are packed,
their seconds go after three hours, and they themselves as soon as no alarm
looks back so far. How many series there may be is bounded.

    record --> open minutes --> packed minutes --> changed, for whoever keeps them
                     └──────────────┴──> window(start, end) --> Distribution

Absent: disks. `since_s` tells what was never looked at from what was looked at
and missing.

Source: CloudWatch user guide, "Metrics retention" (resolutions).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, cast

from autoscaler.decide.statistics import Distribution, merge
from autoscaler.state.packing import (
    MINUTE_S,
    Minute,
    Samples,
    distribution_of,
    folded,
    pack,
    unpack,
)

SPAN_S: Final = 3 * 60 * 60
"""How long seconds are kept."""
KEPT_S: Final = 15 * 24 * 60 * 60
"""How long minutes are kept, by whoever keeps them."""
AHEAD_S: Final = 2 * 60 * 60
"""How far ahead of now a sample may be dated, as in CloudWatch."""
OPEN_MAX: Final = 2
TOLD_MAX: Final = 64
"""Answers that a series keeps for who asks the same again."""
UNPACKED_MAX: Final = 16
"""Minutes that are kept unpacked, of a series whose values are asked for."""
LISTED_MAX: Final = 128
"""Samples of one second that are kept apart until they are folded."""


Lives = list[tuple[int, int]]
"""When earlier lives of this program began and ended, in unix seconds, in order."""


class Series:
    """Samples by unix second; a second's samples are folded into one set."""

    def __init__(
        self,
        since_s: int,
        keep_s: int = SPAN_S,
        unit: str = "",
        lives: Lives | None = None,
    ) -> None:
        self.since_s = since_s
        """The first second wholly observed, in this life."""
        self._lives = [] if lives is None else lives
        self.keep_s = keep_s
        """How far back minutes are kept here."""
        self.unit = unit
        self._open: dict[int, dict[int, Samples]] = {}
        """Minute -> second of the minute -> what was sampled."""
        self._packed: dict[int, Minute] = {}
        self._unpacked: dict[int, Distribution] = {}
        self._told: dict[tuple[int, int, bool], Distribution | None] = {}
        """What was answered: (start, end, with values). Looks ask the same again."""
        self._told_until = 0
        """No sample from here on can be in an answer."""
        self._told_again = False
        """Whether an answer was of use since the last minute ended."""
        self._changed: set[int] = set()
        self._closed = -1
        """The newest minute that may not change any more."""

    def __repr__(self) -> str:
        minutes = len(self._open) + len(self._packed)
        return f"<Series: {minutes} minutes since {self.since_s}, {self.size} bytes>"

    @property
    def size(self) -> int:
        """The bytes of what is packed."""
        return sum(minute.size for minute in self._packed.values())

    @property
    def newest_s(self) -> int | None:
        """The newest second with a sample; None without any."""
        if self._open:
            newest = max(self._open)
            return newest * MINUTE_S + max(self._open[newest])
        return max(self._packed) * MINUTE_S if self._packed else None

    def seen_since_s(self, period_s: int) -> int:
        """Return the first second observed, for someone who judges such periods.

        Earlier lives count while what lies between two is at most a tenth of a
        period: a restart in a minute is nothing to an alarm over a day.
        """
        since_s = self.since_s
        for began_s, ended_s in reversed(self._lives):
            if since_s - ended_s > period_s / 10:
                break
            since_s = min(since_s, began_s)
        return since_s

    def record(self, second: int, value: float) -> bool:
        """Add a sample; False: its minute may not change any more."""
        minute, place = divmod(second, MINUTE_S)
        seconds = self._changing(minute)
        if seconds is None:
            return False
        if second < self._told_until:
            self._forget_what_was_told()
        value = float(value)
        before = seconds.get(place)
        if before is None:
            seconds[place] = value
        elif isinstance(before, float):
            seconds[place] = [before, value]
        elif isinstance(before, list):
            before.append(value)
            if len(before) > LISTED_MAX:
                seconds[place] = Distribution.of(before)
        else:
            seconds[place] = _together(before, value)
        return True

    def add(self, second: int, distribution: Distribution) -> bool:
        """Add a set of samples, as `record` does one."""
        minute, place = divmod(second, MINUTE_S)
        seconds = self._changing(minute)
        if seconds is None:
            return False
        if second < self._told_until:
            self._forget_what_was_told()
        before = seconds.get(place)
        seconds[place] = (
            distribution if before is None else _together(before, distribution)
        )
        return True

    def _changing(self, minute: int) -> dict[int, Samples] | None:
        """Return the seconds of a minute that is about to change, if it still may."""
        seconds = self._open.get(minute)
        if seconds is None:
            seconds = self._opened(minute)
            if seconds is None:
                return None
        self._changed.add(minute)
        return seconds

    def _opened(self, minute: int) -> dict[int, Samples] | None:
        """Open a minute, closing others; None: it may not change any more."""
        self._age(minute - (SPAN_S + AHEAD_S) // MINUTE_S)
        if minute <= self._closed:
            return None
        while len(self._open) >= OPEN_MAX:
            oldest = min(self._open)
            self._packed[oldest] = pack(self._open.pop(oldest))
        before = self._packed.pop(minute, None)
        self._unpacked.pop(minute, None)
        self._open[minute] = seconds = unpack(before.seconds) if before else {}
        return seconds

    def forget(self, now_s: int) -> None:
        """Drop the seconds and the minutes that have had their time."""
        self._age((now_s - SPAN_S) // MINUTE_S)

    def _age(self, closed: int) -> None:
        """Keep no seconds up to the minute `closed`, and no minutes long before it."""
        if closed <= self._closed:
            return
        self._closed = closed
        if not self._told_again:  # who asked once, as people do, leaves nothing here
            self._forget_what_was_told()
            self._unpacked.clear()
        self._told_again = False
        self._changed = {minute for minute in self._changed if minute > closed}
        for minute in [minute for minute in self._open if minute <= closed]:
            self._packed[minute] = pack(self._open.pop(minute))
        gone = closed - (self.keep_s - SPAN_S) // MINUTE_S
        for minute in [minute for minute in self._packed if minute <= closed]:
            if minute <= gone:
                del self._packed[minute]
            else:
                self._packed[minute] = self._packed[minute].without_seconds()

    def restore(self, minutes: Mapping[int, Minute]) -> None:
        """Take back what an earlier life kept; what is here already stays."""
        for minute, kept in minutes.items():
            if minute not in self._open:
                self._packed.setdefault(minute, kept)
        closed, self._closed = self._closed, -1
        self._age(closed)
        self._forget_what_was_told()

    def changed(self) -> dict[int, Minute]:
        """Return the minutes that grew since this was asked last."""
        grown, self._changed = self._changed, set()
        return {
            minute: pack(self._open[minute])
            if minute in self._open
            else self._packed[minute]
            for minute in sorted(grown)
            if minute in self._open or minute in self._packed
        }

    # --- what was sampled -----------------------------------------------------------

    def window(self, start: int, end: int) -> Distribution | None:
        """Return the samples of [start, end), or None when there are none.

        Of a minute whose seconds are gone all samples count as at its beginning.
        """
        key = (start, end, True)
        if key in self._told:
            self._told_again = True
        else:
            self._remember(key, self._window(start, end))
        return self._told[key]

    def totals(self, start: int, end: int) -> Distribution | None:
        """Return `window` without values: enough where `needs_values` is False."""
        key = (start, end, False)
        if key in self._told:
            self._told_again = True
        else:
            self._remember(key, self._totals(start, end))
        return self._told[key]

    def _remember(self, key: tuple[int, int, bool], told: Distribution | None) -> None:
        """Keep an answer until a sample comes that belongs to one, or it is old."""
        if len(self._told) >= TOLD_MAX:
            del self._told[next(iter(self._told))]
        self._told[key] = told
        self._told_until = max(self._told_until, key[1])

    def _forget_what_was_told(self) -> None:
        self._told.clear()
        self._told_until = 0

    def _window(self, start: int, end: int) -> Distribution | None:
        parts: list[Distribution] = []
        seconds: list[Samples] = []
        for minute, low, high in _minutes(start, end):
            found = self._seconds(minute, low, high)
            if isinstance(found, Minute):
                parts.append(self._distribution(minute, found))
            else:
                seconds.extend(found)
        if whole := folded(seconds):
            parts.append(whole)
        return merge(parts)

    def _totals(self, start: int, end: int) -> Distribution | None:
        parts = [self._figures(*within) for within in _minutes(start, end)]
        found = [part for part in parts if part is not None]
        if len(found) <= 1:
            return found[0] if found else None
        return Distribution(
            sum(part.sample_count for part in found),
            sum(part.total for part in found),
            min(part.minimum for part in found),
            max(part.maximum for part in found),
        )

    def by_second(self, start: int, end: int) -> list[Distribution | None]:
        """Return the samples of each second of [start, end), where they are kept."""
        found: list[Distribution | None] = [None] * (end - start)
        for minute in range(start // MINUTE_S, -(-end // MINUTE_S)):
            seconds = self._open.get(minute)
            if seconds is None and minute in self._packed:
                seconds = unpack(self._packed[minute].seconds)
            for place, samples in (seconds or {}).items():
                second = minute * MINUTE_S + place
                if start <= second < end:
                    found[second - start] = distribution_of(samples)
        return found

    def _figures(self, minute: int, low: int, high: int) -> Distribution | None:
        """Return what `totals` tells of a part of one minute."""
        found = self._seconds(minute, low, high)
        if isinstance(found, Minute):
            count, total = found.sample_count, found.total
            return Distribution(count, total, found.minimum, found.maximum)
        return _figures(found) if found else None

    def _seconds(self, minute: int, low: int, high: int) -> Minute | list[Samples]:
        """Return a whole minute where it is packed, else its seconds [low, high)."""
        seconds = self._open.get(minute)
        if seconds is None:
            packed = self._packed.get(minute)
            if packed is None:
                return []
            if high - low == MINUTE_S or not packed.seconds:
                return [] if low else packed
            seconds = unpack(packed.seconds)
        if high - low == MINUTE_S:
            return [*seconds.values()]
        return [seconds[place] for place in range(low, high) if place in seconds]

    def _distribution(self, minute: int, packed: Minute) -> Distribution:
        """Return a packed minute's; that of the next look is mostly the same."""
        known = self._unpacked.get(minute)
        if known is None:
            known = self._unpacked[minute] = packed.distribution()
            if len(self._unpacked) > UNPACKED_MAX:
                del self._unpacked[min(self._unpacked)]
        return known


def _minutes(start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield each minute that [start, end) touches, and which of its seconds."""
    for minute in range(start // MINUTE_S, -(-end // MINUTE_S)):
        begins = minute * MINUTE_S
        yield minute, max(start - begins, 0), min(end - begins, MINUTE_S)


def _figures(seconds: list[Samples]) -> Distribution:
    """Return count, sum, minimum and maximum of at least one second."""
    numbers = cast("list[float]", seconds)
    try:  # nearly always they are, and then this is fast
        return Distribution(len(numbers), sum(numbers), min(numbers), max(numbers))
    except TypeError:
        parts = [distribution_of(samples)._replace(values=None) for samples in seconds]
        whole = merge(parts)
        assert whole is not None
        return whole._replace(values=None)


def _together(before: Samples, more: Samples) -> Distribution:
    merged = merge((distribution_of(before), distribution_of(more)))
    assert merged is not None
    return merged
