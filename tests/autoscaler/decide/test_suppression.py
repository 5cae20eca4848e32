"""Suppressed actions of composite alarms: the examples of CloudWatch's user guide."""

import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decide.suppression import rule_on
from autoscaler.model import AlarmState, CompositeAlarm, Suppression

WAIT, EXTENSION = 2, 3
ALARM = CompositeAlarm("main", "ALARM(child)", "suppressor", WAIT, EXTENSION)
STATE = {"-": AlarmState.OK, "X": AlarmState.ALARM}


@dataclass
class Played:
    """What became of one drawing, a second per letter."""

    acted: list[str] = field(default_factory=list)
    held: str = ""


def played(main: str, suppressor: str, alarm: CompositeAlarm = ALARM) -> Played:
    """Play both alarms' states: X in ALARM, - OK. Acts are like ``X@4``."""
    result = Played()
    held: Suppression | None = None
    before = STATE[main[0]]
    letters = {"Alarm": "A", "WaitPeriod": "W", "ExtensionPeriod": "E"}
    for second, (own, other) in enumerate(zip(main, suppressor, strict=True)):
        now = STATE[own]
        changed_from = None if now is before else before
        ruling = rule_on(alarm, held, changed_from, STATE[other], float(second))
        held, before = ruling.suppression, now
        result.held += letters[held.by.value] if held else "."
        if ruling.act_from is not None:
            result.acted.append(f"{own}@{second}")
    return result


# fmt: off
EXAMPLES = [  # wait 2, extension 3
    #  main          suppressor    held back     acts
    ("--XXXXXXXX", "----------", "..WW......", "X@4", "1: the wait passes, then it acts"),
    ("--XXXXXXXX", "---XXXXXXX", "..WAAAAAAA", "",    "2: the suppressor came in time"),
    ("--X-------", "----------", "..WWW.....", "-@5", "3: a change back waits anew"),
    ("--XXXXXXXX", "XXXXXXXXXX", "AAAAAAAAAA", "",    "4: it was in ALARM already"),
    ("--XXXXXXXX", "---XXX----", "..WAAAEEE.", "X@9", "5: the extension passes, then it acts"),
    ("--XXXXX---", "---XX-----", "..WAAEEWW.", "-@9", "6: a change in the extension waits anew"),
    ("----------", "--XXX-----", "..AAAEEE..", "",    "without a change there is nothing to do"),
    ("XXXXXXXXXX", "--XX------", "..AAEEE...", "",    "nor when it acted before"),
]
# fmt: on


@pytest.mark.parametrize(
    ("main", "suppressor", "held", "acts"),
    [row[:4] for row in EXAMPLES],
    ids=[row[4] for row in EXAMPLES],
)
def test_the_guides_examples(main: str, suppressor: str, held: str, acts: str) -> None:
    found = played(main, suppressor)

    assert (held, acts.split()) == (found.held, found.acted)


def test_without_a_suppressor_or_without_periods_it_acts_at_once() -> None:
    plain = CompositeAlarm("main", "ALARM(child)")
    eager = CompositeAlarm("main", "ALARM(child)", "suppressor")

    assert ["X@2", "-@4"] == played("--XX--", "------", plain).acted
    assert ["X@2", "-@4"] == played("--XX--", "------", eager).acted
    assert ["-@5"] == played("--XX--", "-XXXX-", eager).acted


def test_a_clock_set_back_lengthens_no_period() -> None:
    far = Suppression(ruled().by, 1e9, AlarmState.OK)

    ruling = rule_on(ALARM, far, None, AlarmState.OK, 10.0)

    assert ruling.suppression is not None
    assert ruling.suppression.until_unix_s == 10.0 + WAIT


def ruled() -> Suppression:
    held = rule_on(ALARM, None, AlarmState.OK, AlarmState.OK, 0.0).suppression
    assert held is not None
    return held


states = st.text("-X", min_size=1, max_size=24)


@given(main=states, suppressor=states)
def test_actions_run_never_in_alarm_and_once_per_change_at_most(
    main: str, suppressor: str
) -> None:
    length = min(len(main), len(suppressor))
    main, suppressor = main[:length], suppressor[:length]
    calm = main[-1] * (WAIT + EXTENSION + 2)

    found = played(main + calm, suppressor + "-" * len(calm))

    changes = sum(a != b for a, b in itertools.pairwise(main))
    assert len(found.acted) <= changes
    assert bool(found.acted) == bool(changes)
    for act in found.acted:
        second = int(act.partition("@")[2])
        assert (suppressor + "-" * len(calm))[second] == "-"
