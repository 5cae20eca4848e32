"""Rules of composite alarms: what they say, and of which states they are true."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decide.alarm_rule import (
    children,
    holds,
    parse_rule,
)
from autoscaler.model import AlarmState
from foundation.tokens import Unreadable

STATES = {
    "high": AlarmState.ALARM,
    "low": AlarmState.OK,
    "new one": AlarmState.INSUFFICIENT_DATA,
}

# fmt: off
RULES = [
    ('ALARM("high")',                        True,  "an alarm in ALARM"),
    ("ALARM(high)",                          True,  "a plain name needs no quotes"),
    ("ALARM('new one')",                     False, "one with a space does"),
    ("OK(low)",                              True,  "an alarm that is OK"),
    ("OK(high)",                             False, "or is not"),
    ('INSUFFICIENT_DATA("new one")',         True,  "one that does not know yet"),
    ("TRUE",                                 True,  "always"),
    ("FALSE",                                False, "never"),
    ("NOT FALSE",                            True,  "the contrary"),
    ("NOT NOT TRUE",                         True,  "of the contrary"),
    ("ALARM(high) AND ALARM(low)",           False, "both"),
    ("ALARM(high) OR ALARM(low)",            True,  "one of them"),
    ("TRUE OR TRUE AND FALSE",               True,  "AND binds more than OR"),
    ("(TRUE OR TRUE) AND FALSE",             False, "unless in parentheses"),
    ("NOT ALARM(high) OR OK(low)",           True,  "NOT binds most"),
    ("NOT (ALARM(high) OR OK(low))",         False, "unless in parentheses"),
    ("ALARM(gone)",                          False, "nothing is true of one that is gone"),
    ("OK(gone) OR INSUFFICIENT_DATA(gone)",  False, "whatever is said of it"),
]
# fmt: on


@pytest.mark.parametrize(
    ("rule", "expected"),
    [row[:2] for row in RULES],
    ids=[f"{row[0]}: {row[2]}" for row in RULES],
)
def test_a_rule(rule: str, expected: bool) -> None:  # noqa: FBT001 - of the row
    assert expected is holds(parse_rule(rule), STATES)


EXPECTED = 'expected ALARM("name"), OK(…), INSUFFICIENT_DATA(…), TRUE or FALSE'
# fmt: off
MISTAKES = [
    ("",                      1,  f"{EXPECTED} (got the end)"),
    ("ALARM(a) ALARM(b)",     10, 'expected AND, OR or the end (got "ALARM")'),
    ("ALARM(a) AND",          13, f"{EXPECTED} (got the end)"),
    ("alarm(a)",              1,  f'{EXPECTED} (got "alarm")'),
    ('"ALARM"(a)',            1,  f'{EXPECTED} (got ""ALARM"")'),
    ("ALARM a",               7,  'expected "(" after ALARM (got "a")'),
    ("ALARM()",               7,  'expected the name of an alarm (got ")")'),
    ('ALARM("")',             7,  'expected the name of an alarm (got """")'),
    ("ALARM(a, b)",           8,  'expected ")" for the "(" at character 6 (got ",")'),
    ("(ALARM(a)",             10, 'expected ")" for the "(" at character 1 (got the end)'),
    ("(" * 51 + "TRUE",       51, "nested deeper than 50 levels"),
    ("NOT " * 51 + "TRUE",    201, "nested deeper than 50 levels"),
    ("TRUE" + " " * 10_240,   10_241, "must be at most 10240 characters (got 10244)"),
    (" OR ".join(f"OK(a{n})" for n in range(101)), 1, "names at most 100 alarms (got 101)"),
]
# fmt: on


@pytest.mark.parametrize(
    ("rule", "column", "message"), MISTAKES, ids=[row[0][:24] for row in MISTAKES]
)
def test_a_mistake_is_told_with_its_place(rule: str, column: int, message: str) -> None:
    with pytest.raises(Unreadable) as caught:
        parse_rule(rule)

    assert (message, column) == (caught.value.message, caught.value.column)
    assert f"{message}, at character {column}" == str(caught.value)


def test_a_hundred_alarms_may_be_named() -> None:
    rule = parse_rule(" OR ".join(f"ALARM(a{n % 100})" for n in range(200)))

    assert len({child.name for child in children(rule)}) == 100


terms = st.sampled_from(["TRUE", "FALSE", "ALARM(high)", "OK(low)", 'ALARM("new one")'])
rules = st.recursive(
    terms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("({0[0]} AND {0[1]})".format),
        st.tuples(inner, inner).map("({0[0]} OR {0[1]})".format),
        inner.map("NOT {}".format),
    ),
    max_leaves=12,
)


@given(rules)
def test_a_rule_is_what_python_makes_of_it(text: str) -> None:
    spelled = (
        text.replace("TRUE", "True")
        .replace("FALSE", "False")
        .replace("ALARM(high)", "True")
        .replace("OK(low)", "True")
        .replace('ALARM("new one")', "False")
        .replace("AND", "and")
        .replace("OR", "or")
        .replace("NOT", "not")
    )

    assert eval(spelled) is holds(parse_rule(text), STATES)  # noqa: S307 - our words
