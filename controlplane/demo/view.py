"""The demo's live view: a frame in, text out. Pure: no terminal, no clock.

    render(frame, 80, 24)    a whole screen; colour only if asked for
    line(frame)              the same in one plain line, where there is no terminal

A caller draws a screen by writing HOME before it; every line ends with what
clears the rest of the old one, so nothing flickers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

HOME: Final = "\x1b[H"
CLEAR_LINE: Final = "\x1b[K"
CLEAR_BELOW: Final = "\x1b[J"

_BOLD: Final = "1"
_DIM: Final = "2"
_RED: Final = "31"
_GREEN: Final = "32"
_YELLOW: Final = "33"
_CYAN: Final = "36"

_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_GAUGE_WIDTH: Final = 16
_NOTABLE: Final = (
    ("-> ALARM", _YELLOW),
    ("Setting desired count", _CYAN),
    ("stopped:", _RED),
)
"""Words of an event, and the colour that they give it."""
_EVENT_LABEL: Final = 9
_SPARK_LABEL: Final = 22
_SPARK_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One service. CPU in percent of what its tasks reserved, None if unknown.

    `alarms` are (name, state) with CloudWatch's states: OK, ALARM,
    INSUFFICIENT_DATA.
    """

    name: str
    desired: int
    running: int
    healthy: int
    cpu_percent: float | None
    threshold_high: float
    threshold_low: float
    alarms: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """What one second looks like. Histories are by second, oldest first."""

    elapsed_s: float
    rate: float
    p50_ms: float
    p95_ms: float
    requests: int
    failed: int
    services: tuple[ServiceRow, ...]
    events: tuple[tuple[float, str], ...] = ()
    rates: Sequence[float] = ()
    p95s_ms: Sequence[float] = ()
    tasks: Sequence[float] = ()
    title: str = "alb demo"
    doing: str = ""


@dataclass(frozen=True, slots=True)
class Ink:
    """How text is coloured, if at all."""

    colour: bool

    def __call__(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text


PLAIN: Final = Ink(colour=False)
COLOURED: Final = Ink(colour=True)


def render(frame: Frame, width: int, height: int, ink: Ink = COLOURED) -> str:
    """Return a screen of less than `height` lines, none wider than `width`.

    The events get the lines that are left; the newest are the last. The cursor
    ends on the line below, so that the terminal never scrolls.
    """
    lines = list(_top(frame, width, ink))[: max(0, height - 1)]
    room = height - 1 - len(lines)
    if room > 1 and frame.events:
        lines.append("")
        shown = frame.events[-(room - 1) :]
        lines.extend(_event(event, width, ink) for event in shown)
    return "".join(f"{text}{CLEAR_LINE}\n" for text in lines) + CLEAR_BELOW


def line(frame: Frame) -> str:
    """The frame in one line without escapes, for logs and pipes."""
    services = "  ".join(
        f"{row.name} {row.running}/{row.desired} cpu {_percent(row.cpu_percent)}"
        for row in frame.services
    )
    return (
        f"{frame.elapsed_s:4.0f} s  {frame.rate:4.0f} req/s  "
        f"p50 {frame.p50_ms:.0f} ms  p95 {frame.p95_ms:.0f} ms  "
        f"failed {frame.failed}  {services}"
    )


def sparkline(values: Sequence[float], width: int) -> str:
    """The last `width` values as blocks; the highest shown is a whole one."""
    shown = values[-width:] if width > 0 else ()
    top = max(shown, default=0.0)
    if top <= 0:
        return _BLOCKS[0] * len(shown)
    last = len(_BLOCKS) - 1
    return "".join(_BLOCKS[round(max(0.0, value) / top * last)] for value in shown)


def gauge(percent: float | None, marks: Sequence[float], width: int) -> str:
    """A bar of 0-100 % with a `|` at each mark; beyond 100 it is just full."""
    filled = 0 if percent is None else round(min(100.0, percent) / 100 * width)
    cells = ["█"] * filled + ["·"] * (width - filled)
    for mark in marks:
        at = min(width - 1, max(0, round(mark / 100 * width)))
        cells[at] = "|"
    return "".join(cells)


def _top(frame: Frame, width: int, ink: Ink) -> Iterator[str]:
    yield _fit(((_BOLD, frame.title), ("", f"  {frame.elapsed_s:.0f} s")), width, ink)
    failed = f"{frame.failed} failed"
    yield _fit(
        (
            ("", f"{frame.requests} requests, "),
            (_RED if frame.failed else _GREEN, failed),
            (_DIM, f"  {frame.doing}" if frame.doing else ""),
        ),
        width,
        ink,
    )
    yield ""
    tasks_now = frame.tasks[-1] if frame.tasks else 0.0
    histories = (
        ("requests/s", frame.rate, frame.rates, _CYAN),
        ("p95 ms", frame.p95_ms, frame.p95s_ms, _YELLOW),
        (f"{_scaled(frame.services)}tasks", tasks_now, frame.tasks, _GREEN),
    )
    room = width - _SPARK_LABEL - _SPARK_MAX
    for label, now, values, code in histories:
        spark = sparkline(values, room)
        top = f"  max {max(values[-room:], default=0.0):.0f}" if room > 0 else ""
        pieces = (("", f"{label:<11}{now:>8.0f}   "), (code, spark), (_DIM, top))
        yield _fit(pieces, width, ink)
    yield ""
    yield ink(_DIM, _service_head()[:width])
    for row in frame.services:
        yield _service(row, width, ink)


def _scaled(services: Sequence[ServiceRow]) -> str:
    """The name of the service with the most tasks, which is the one to watch."""
    most = max(services, key=lambda row: row.running, default=None)
    return f"{most.name[:5]} " if most else ""


def _service_head() -> str:
    cpu = "cpu of the reserved, low | high |"
    return f"{'service':<14}{'desired':>8}{'running':>8}{'healthy':>8}  {cpu}"


def _service(row: ServiceRow, width: int, ink: Ink) -> str:
    counts = f"{row.name[:13]:<14}{row.desired:>8}{row.running:>8}{row.healthy:>8}  "
    marks = (row.threshold_low, row.threshold_high)
    bar = gauge(row.cpu_percent, marks, _GAUGE_WIDTH)
    percent = f" {_percent(row.cpu_percent):>5}"
    firing = [name for name, state in row.alarms if state == "ALARM"]
    alarms = f"  ALARM {', '.join(firing)}" if firing else ""
    busy = row.cpu_percent is not None and row.cpu_percent > row.threshold_high
    pieces = (
        ("", counts),
        (_RED if busy else _GREEN, bar),
        ("", percent),
        (_YELLOW, alarms),
    )
    return _fit(pieces, width, ink)


def _event(event: tuple[float, str], width: int, ink: Ink) -> str:
    at_s, text = event
    code = next((code for words, code in _NOTABLE if words in text), "")
    shown = _printable(text)
    room = width - _EVENT_LABEL
    if len(shown) > room > 0:
        shown = shown[: room - 1] + "…"
    return _fit(((_DIM, f"{at_s:5.0f} s  "), (code, shown)), width, ink)


def _fit(pieces: Sequence[tuple[str, str]], width: int, ink: Ink) -> str:
    """Join (colour, text) and cut at `width`: escapes take no room."""
    fitted = []
    room = width
    for code, text in pieces:
        shown = text[: max(0, room)]
        room -= len(shown)
        fitted.append(ink(code, shown) if code and shown else shown)
    return "".join(fitted)


def _printable(text: str) -> str:
    """An event quotes what others wrote: it must not move the cursor."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} %"
