"""The demo's view fits its terminal, and shows what matters first."""

import re

from hypothesis import given
from hypothesis import strategies as st

from controlplane.demo.view import (
    COLOURED,
    PLAIN,
    Frame,
    ServiceRow,
    gauge,
    line,
    render,
    sparkline,
)

WEB = ServiceRow("web", 3, 2, 1, 82.0, 75, 30, (("web-out", "ALARM"), ("in", "OK")))
API = ServiceRow("api", 1, 1, 1, None, 75, 30)
FRAME = Frame(
    elapsed_s=31.0,
    rate=126,
    p50_ms=20.4,
    p95_ms=480.0,
    requests=1234,
    failed=0,
    services=(WEB, API),
    events=tuple((float(n), f"event number {n}") for n in range(30)),
    rates=[10, 60, 126],
    p95s_ms=[20, 900, 480],
    tasks=[2, 2, 3],
    doing="load rises",
)
SCREEN = """\
alb demo  31 s
1234 requests, 0 failed  load rises

requests/s      126   ▂▄█  max 126
p95 ms          480   ▁█▅  max 900
web tasks         3   ▆▆█  max 3

service        desired running healthy  cpu of the reserved, low | high |
web                  3       2       1  █████|██████|···  82 %  ALARM web-out
api                  1       1       1  ·····|······|···     -

   27 s  event number 27
   28 s  event number 28
   29 s  event number 29
"""


def plain(screen: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", screen)


def test_a_screen() -> None:
    assert SCREEN == plain(render(FRAME, 80, 15, PLAIN))


@given(st.integers(1, 200), st.integers(1, 60))
def test_it_fits_every_terminal(width: int, height: int) -> None:
    shown = plain(render(FRAME, width, height)).splitlines()
    assert len(shown) < height
    assert max(map(len, shown), default=0) <= width


def test_no_colour_means_none() -> None:
    assert "\x1b[3" not in render(FRAME, 80, 24, PLAIN)
    assert "\x1b[3" in render(FRAME, 80, 24, COLOURED)


def test_an_event_cannot_move_the_cursor() -> None:
    frame = Frame(0, 0, 0, 0, 0, 0, (), events=((1.0, "a\x1b[2Jb\nc"),))
    assert "a [2Jb c" in render(frame, 80, 24, PLAIN)


def test_an_event_that_is_too_long_says_so() -> None:
    frame = Frame(0, 0, 0, 0, 0, 0, (), events=((1.0, "too long to be shown whole"),))
    assert "    1 s  too long …" in plain(render(frame, 19, 24))


def test_a_line_for_where_there_is_no_terminal() -> None:
    assert (
        "  31 s   126 req/s  p50 20 ms  p95 480 ms  failed 0  "
        "web 2/3 cpu 82 %  api 1/1 cpu -" == line(FRAME)
    )


def test_a_sparkline_shows_the_last_values_against_the_highest_of_them() -> None:
    assert "▁▅█" == sparkline([900, 0, 5, 9], 3)
    assert "▁▁" == sparkline([0, 0], 10)
    assert "" == sparkline([1, 2], 0)


def test_a_gauge_has_its_thresholds_on_it() -> None:
    assert "██|█···|··" == gauge(40, [20, 70], 10)
    assert "··|····|··" == gauge(None, [20, 70], 10)
    assert "██████████" == gauge(180, [], 10)
