"""What became of the requests, counted; and the report that is made of it.

Synchronous, no I/O; times are arguments, in seconds since the start of the run.

Failed is anything but status 200 with the request's own id within the timeout,
or an id that targets saw twice. A failed request is counted once, under what was
learned first, and each class keeps its first ids and times as evidence. Memory is
bounded: one byte a request, one row a second for a day, ten samples a class.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from controlplane.load.histogram import Histogram

REFUSED: Final = "connect refused"
CONNECT_FAILED: Final = "connect failed"
RESET: Final = "reset"
TLS_FAILED: Final = "TLS failed"
CLOSED_EARLY: Final = "closed early"
TIMED_OUT: Final = "timeout"
MALFORMED: Final = "malformed response"
WRONG_ID: Final = "wrong id"
SEEN_TWICE: Final = "seen twice"

STATUS_OK: Final = 200
SAMPLES_MAX: Final = 10
SECONDS_MAX: Final = 86_400

_DIGITS_MAX: Final = 15
_FAILED: Final = 0x80
_ANSWERED: Final = 0x40
_SEEN: Final = 0x3F


def classify(status: int, echoed: bytes | None, own: bytes | None) -> str | None:
    """Return the class of failure of a whole response, None if it is a success.

    `own` is the id that must come back, None where the service does not echo.
    """
    if status != STATUS_OK:
        return f"status {status}"
    if own is not None and echoed != own:
        return WRONG_ID
    return None


@dataclass(frozen=True, slots=True)
class Sample:
    """One failed request: its id, and its intended time since the start."""

    id: str
    at_s: float


@dataclass(slots=True)
class FailureClass:
    """How many requests failed in one way, and the first of them."""

    count: int = 0
    samples: list[Sample] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Second:
    """What was sent and what ended in one second of the run.

    Percentiles are of the successes that ended in it; 0 if there was none.
    """

    at_s: int
    sent: int
    ok: int
    failed: int
    in_flight: int
    p50_ms: float
    p95_ms: float
    max_ms: float


class Tally:
    """Counts outcomes while the run goes on. Numbers of requests count from 0."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self._marks = bytearray()
        self._second = Histogram()
        self._second_sent = self._second_ok = self._second_failed = 0
        self._next_second = 0
        self.latencies = Histogram()
        self.lags = Histogram()
        self.requests = self.ok = self.failed = 0
        self.witnessed = self.foreign = 0
        self.failures: dict[str, FailureClass] = {}
        self.seconds: deque[Second] = deque(maxlen=SECONDS_MAX)

    @property
    def in_flight(self) -> int:
        """Requests whose outcome is not known yet, waiting ones included."""
        return self.requests - self.ok - self.failed

    def begin(self, lag_s: float) -> int:
        """Count a request that is due, and return its number.

        `lag_s` is how late the generator itself was in noticing.
        """
        number = self.requests
        self.requests += 1
        self._second_sent += 1
        self._marks.append(0)
        self.lags.record(lag_s)
        return number

    def succeed(self, number: int, latency_s: float) -> None:
        """Count a success, unless targets are known to have seen it twice."""
        if self._marks[number] & _FAILED:
            return
        self._marks[number] |= _ANSWERED
        self.ok += 1
        self._second_ok += 1
        self.latencies.record(latency_s)
        self._second.record(latency_s)

    def fail(self, number: int, intended_s: float, reason: str) -> None:
        """Count a failure under `reason`; a request fails once."""
        mark = self._marks[number]
        if mark & _FAILED:
            return
        if mark & _ANSWERED:
            self.ok -= 1
        self._marks[number] = mark | _FAILED
        self.failed += 1
        self._second_failed += 1
        kind = self.failures.setdefault(reason, FailureClass())
        kind.count += 1
        if len(kind.samples) < SAMPLES_MAX:
            sample = Sample(f"{self.run_id}-{number}", round(intended_s, 3))
            kind.samples.append(sample)

    def witness(self, request_id: bytes, at_s: float) -> None:
        """Note that a target received `request_id`. The second time it fails."""
        run_id, _, number_text = request_id.rpartition(b"-")
        plain = number_text.isdigit() and len(number_text) <= _DIGITS_MAX
        mine = plain and run_id == self.run_id.encode()
        number = int(number_text) if mine else self.requests
        if number >= self.requests:
            self.foreign += 1
            return
        seen = self._marks[number] & _SEEN
        self.witnessed += seen == 0
        if seen < _SEEN:
            self._marks[number] += 1
        if seen == 1:
            self.fail(number, at_s, SEEN_TWICE)

    def end_second(self) -> Second:
        """Close the current second's row and begin the next one."""
        p50_s, p95_s = self._second.percentiles((50, 95))
        row = Second(
            at_s=self._next_second,
            sent=self._second_sent,
            ok=self._second_ok,
            failed=self._second_failed,
            in_flight=self.in_flight,
            p50_ms=_ms(p50_s),
            p95_ms=_ms(p95_s),
            max_ms=_ms(self._second.max_s),
        )
        self.seconds.append(row)
        self._next_second += 1
        self._second = Histogram()
        self._second_sent = self._second_ok = self._second_failed = 0
        return row


def _ms(duration_s: float) -> float:
    return round(duration_s * 1000, 3)
