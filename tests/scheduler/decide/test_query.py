"""The cluster query language: what it says, whom it selects, what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.decide.matching import matcher, matcher_of
from scheduler.decide.query import (
    EXPRESSION_MAX,
    Both,
    Comparison,
    Either,
    Not,
    Query,
    instant,
    parse_query,
)
from scheduler.errors import QueryInvalid
from tests.support.examples import examples


@dataclass(frozen=True)
class Host:
    """An instance that can be asked."""

    name: str = "i-1"
    attributes: Mapping[str, str] = field(default_factory=dict)
    connected: bool = True
    version: str = "1.30.2"
    registered_at_unix_s: float = instant("2018-02-13")
    running: int = 2
    groups: tuple[str, ...] = ("service:web", "family:job")


T2 = Host(
    attributes={
        "ecs.instance-type": "t2.small",
        "ecs.availability-zone": "us-east-1a",
        "disk": "ssd",
        "slots": "9",
    }
)

# fmt: off
SELECTIONS = [
    ("attribute:disk == ssd",                      True,  "equality of texts"),
    ("attribute:disk equals ssd",                  True,  "in words"),
    ("attribute:disk==ssd",                        True,  "without spaces"),
    ("attribute:disk == 'ssd'",                    True,  "quoted"),
    ('attribute:disk == "ssd"',                    True,  "quoted the other way"),
    ("attribute:disk == SSD",                      False, "case matters"),
    ("attribute:disk != ssd",                      False, "its negation"),
    ("attribute:rack == 1",                        False, "what is missing equals nothing"),
    ("attribute:rack != 1",                        True,  "so it differs"),
    ("attribute:disk exists",                      True,  "presence"),
    ("attribute:disk !exists",                     False, "absence"),
    ("attribute:rack not_exists",                  True,  "in words"),
    ("attribute:disk in [hdd, ssd]",               True,  "one of a list"),
    ("attribute:disk in ['hdd','ssd']",            True,  "a quoted list"),
    ("attribute:disk not_in [hdd, nvme]",          True,  "none of it"),
    ("attribute:disk !in [ssd]",                   False, "the negation as a sign"),
    ("attribute:rack !in [1]",                     True,  "what is missing is in no list"),
    ("attribute:ecs.instance-type =~ t2.*",        True,  "a pattern"),
    ("attribute:ecs.instance-type matches t2",     False, "which is of the whole value"),
    ("attribute:ecs.instance-type !~ m5.*",        True,  "its negation"),
    ("attribute:ecs.instance-type not_matches 't2.(small|nano)'", False, "parentheses in quotes"),
    ("attribute:ecs.instance-type =~ [st]2\\.[a-z]+", True, "classes need no quotes"),
    ("attribute:slots > 10",                       False, "numbers are compared as numbers"),
    ("attribute:slots < 10",                       True,  "however they are spelled"),
    ("attribute:slots >= 9.0",                     True,  "with or without a point"),
    ("attribute:disk greater_than nvme",           True,  "texts by their letters"),
    ("attribute:ecs.instance-type =~ t2.* and attribute:ecs.availability-zone != us-east-1d",
                                                   True,  "AWS's example"),
    ("attribute:disk == hdd || attribute:slots exists", True, "one of two"),
    ("attribute:disk == ssd && attribute:rack exists", False, "both of two"),
    ("attribute:disk == ssd or attribute:rack exists and attribute:rack exists",
                                                   True,  "and binds more than or"),
    ("(attribute:disk == ssd or attribute:rack exists) and attribute:rack exists",
                                                   False, "parentheses bind most"),
    ("not attribute:disk == hdd",                  True,  "a negation"),
    ("!(attribute:disk == ssd)",                   False, "as a sign"),
    ("not !attribute:disk == ssd",                 True,  "twice"),
    ("task:group == service:web",                  True,  "affinity"),
    ("not(task:group == service:db)",              True,  "anti-affinity"),
    ("task:group != service:web",                  False, "no task of the group"),
    ("task:group =~ family:.*",                    True,  "one of several groups"),
    ("task:group exists",                          True,  "any task at all"),
    ("runningTasksCount == 2",                     True,  "a count"),
    ("runningTasksCount <= 1",                     False, "at most"),
    ("runningTasksCount == 02",                    True,  "a number, not a text"),
    ("agentConnected == true",                     True,  "the agent"),
    ("agentConnected in [false]",                  False, "in a list"),
    ("agentVersion >= 1.4",                        True,  "versions by their parts"),
    ("agentVersion < 1.30.10",                     True,  "each of them"),
    ("agentVersion == 1.30.2.0",                   True,  "zeros at the end do not count"),
    ("ec2InstanceId in ['i-1', 'i-2']",            True,  "an instance by its name"),
    ("registeredAt < 2018-02-14",                  True,  "a day"),
    ("registeredAt >= 2018-02-13T01:00:00+01:00",  True,  "a moment with its offset"),
    ("registeredAt > 2018-02-13T00:00:00Z",        False, "or in UTC"),
]
MISTAKES = [
    ("",                            1,  'expected a subject such as attribute:NAME (got the end)'),
    ("disk == ssd",                 1,  'no subject "disk"; there are attribute:NAME, agentConnected, '
                                        "agentVersion, ec2InstanceId, registeredAt, runningTasksCount, "
                                        "task:group"),
    ("attribute: == a",             1,  'no subject "attribute:"'),
    ("attribute:a",                 12, "expected an operator such as == (got the end)"),
    ("attribute:a = b",             13, 'expected an operator such as == (got "=")'),
    ("attribute:a like b",          13, 'expected an operator such as == (got "like")'),
    ("attribute:a ==",              15, "expected a value; quote one that holds signs (got the end)"),
    ("attribute:a == [b]",          16, 'expected a value; quote one that holds signs (got "[")'),
    ("attribute:a in b",            16, 'expected a list such as [a, b] after in (got "b")'),
    ("attribute:a in [b c]",        19, 'expected "," or "]" (got "c")'),
    ("attribute:a in []",           17, 'expected a value; quote one that holds signs (got "]")'),
    ("attribute:a == b c",          18, 'expected "and", "or" or the end (got "c")'),
    ("(attribute:a exists",         20, 'expected ")" for the "(" at character 1 (got the end)'),
    ("attribute:a exists)",         19, 'expected "and", "or" or the end (got ")")'),
    ("attribute:a == 'b",           16, 'expected a value; quote one that holds signs (got "\'")'),
    ("attribute:a =~",              15, "expected a regular expression (got the end)"),
    ("attribute:a =~ t2.[",         19, "missing ]: ["),
    ("attribute:a =~ 'x(?=y)'",     18, "lookahead is not supported: (?="),
    ("attribute:a =~ caf\u00e9",    16, "a regular expression must be of ASCII characters"),
    ("agentVersion exists",         14, "agentVersion has the operators == != > >= < <= only (got exists)"),
    ("agentVersion > new",          16, "agentVersion is compared with a version such as 1.2.3 (got new)"),
    ("runningTasksCount == few",    22, "runningTasksCount is compared with a whole number (got few)"),
    ("agentConnected == yes",       19, "agentConnected is true or false (got yes)"),
    ("registeredAt < 2018-02-31",   16, "registeredAt is compared with a date such as 2018-06-18, "
                                        "2018-06-18T22:28:28 or 2018-06-18T22:28:28Z (got 2018-02-31)"),
    ("registeredAt < yesterday",    16, "registeredAt is compared with a date such as"),
    ("!" * 60 + "attribute:a exists", 51, "nested deeper than 50 levels"),
    ("attribute:a == " + "b" * EXPRESSION_MAX, EXPRESSION_MAX + 1, "must be at most 2000 characters"),
]
# fmt: on


@pytest.mark.parametrize(
    ("expression", "selects"),
    [row[:-1] for row in SELECTIONS],
    ids=[f"{row[-1]}: {row[0]}" for row in SELECTIONS],
)
def test_an_expression_selects(expression: str, *, selects: bool) -> None:
    assert selects is matcher_of(expression)(T2)


@pytest.mark.parametrize(
    ("expression", "at", "message"), MISTAKES, ids=[row[0][:40] for row in MISTAKES]
)
def test_a_mistake_is_told_with_its_character(
    expression: str, at: int, message: str
) -> None:
    with pytest.raises(QueryInvalid) as told:
        parse_query(expression)

    assert (at, message) == (told.value.at, str(told.value)[: len(message)])


def test_what_makes_others_backtrack_takes_its_length() -> None:
    slow = Host(attributes={"a": "a" * 128})
    assert not matcher_of("attribute:a =~ '(a*)*(a*)*b'")(slow)


# --- beside a naive evaluator -----------------------------------------------------

NAMES = ("disk", "zone", "n")
VALUES = ("ssd", "hdd", "9", "10", "a.b", "")


def literals() -> st.SearchStrategy[str]:
    return st.sampled_from([value for value in VALUES if value])


def comparisons() -> st.SearchStrategy[Query]:
    attribute = st.sampled_from([f"attribute:{name}" for name in NAMES])
    one = st.tuples(literals())
    several = st.lists(literals(), min_size=1, max_size=3).map(tuple)
    patterns = st.tuples(st.sampled_from(["s.*", "[0-9]+", ".", "hdd|ssd", "a\\.b"]))
    subject = attribute | st.just("task:group")
    compared = st.sampled_from(["==", "!=", ">", ">=", "<", "<="])
    return st.one_of(
        st.builds(Comparison, subject, compared, one),
        st.builds(Comparison, subject, st.sampled_from(["in", "!in"]), several),
        st.builds(Comparison, subject, st.sampled_from(["=~", "!~"]), patterns),
        st.builds(Comparison, subject, st.sampled_from(["exists", "!exists"])),
    )


QUERIES = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(lambda of: Both(tuple(of)), st.lists(inner, min_size=2, max_size=3)),
        st.builds(
            lambda of: Either(tuple(of)), st.lists(inner, min_size=2, max_size=3)
        ),
    ),
    max_leaves=8,
)
HOSTS = st.builds(
    Host,
    attributes=st.dictionaries(st.sampled_from(NAMES), literals()),
    groups=st.sets(literals(), max_size=2).map(lambda of: tuple(sorted(of))),
)


def said(query: Query) -> str:
    """Write a query out, every part in parentheses."""
    match query:
        case Not(of=one):
            return f"not ({said(one)})"
        case Both(of=several):
            return " && ".join(f"({said(one)})" for one in several)
        case Either(of=several):
            return " or ".join(f"({said(one)})" for one in several)
        case Comparison(subject=subject, operator=name, values=values):
            quoted = [f"'{value}'" for value in values]
            if name in {"in", "!in"}:
                return f"{subject} {name} [{', '.join(quoted)}]"
            return f"{subject} {name} {''.join(quoted)}"


def naive(query: Query, host: Host) -> bool:
    """Say it again as the manual does, one operator after the other."""
    if isinstance(query, Not):
        return not naive(query.of, host)
    if isinstance(query, Both):
        return all(naive(one, host) for one in query.of)
    if isinstance(query, Either):
        return any(naive(one, host) for one in query.of)
    found: list[str] = list(host.groups)
    if query.subject.startswith("attribute:"):
        name = query.subject.split(":", 1)[1]
        found = [host.attributes[name]] if name in host.attributes else []
    if query.operator.startswith("!"):
        opposite = {"!=": "==", "!~": "=~"}.get(query.operator, query.operator[1:])
        return not naive(Comparison(query.subject, opposite, query.values), host)
    return any(holds(query.operator, value, query.values) for value in found)


def holds(name: str, value: str, given_values: tuple[str, ...]) -> bool:
    if name == "exists":
        return True
    if name == "in":
        return value in given_values
    [wanted] = given_values
    if name == "==":
        return value == wanted
    if name == "=~":
        return re.fullmatch(wanted, value) is not None
    if value.isdecimal() and wanted.isdecimal():
        less, equal = int(value) < int(wanted), int(value) == int(wanted)
    else:
        less, equal = value < wanted, value == wanted
    return {"<": less, "<=": less or equal, ">": not (less or equal), ">=": not less}[
        name
    ]


@settings(max_examples=examples(300))
@given(query=QUERIES, host=HOSTS)
def test_a_query_means_what_a_naive_evaluator_says(query: Query, host: Host) -> None:
    assert naive(query, host) is matcher(query)(host)


@settings(max_examples=examples(300))
@given(query=QUERIES, host=HOSTS)
def test_a_query_that_is_written_out_means_the_same(query: Query, host: Host) -> None:
    assert naive(query, host) is matcher(parse_query(said(query)))(host)


@settings(max_examples=examples(300))
@given(
    st.text(max_size=60)
    | st.text(alphabet="()[]!&|=~ '\"andorti:ruegpx,.", max_size=60)
)
def test_whatever_is_written_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        parse_query(text)
    except QueryInvalid as told:
        place = told.at
    else:
        place = 1
    assert 1 <= place <= len(text) + 1
