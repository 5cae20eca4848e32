"""Cookies in requests and responses, found exactly."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.decide.cookies import TRIED_MAX, CookieName, set_cookie, set_cookie_pair

NAME = CookieName(b"AWSALB")

# fmt: off
IN_REQUESTS = [
    (b"\r\nCookie: AWSALB=v",                           [b"v"],       "alone"),
    (b"\r\ncOOkie:a=1;AWSALB=v;b=2",                     [b"v"],       "without spaces, between others"),
    (b"\r\nCookie: a=1 ;\t AWSALB=v ; b",                [b"v"],       "with spaces around"),
    (b"\r\nHost: a\r\nCookie: a=1\r\nCookie: AWSALB=v",  [b"v"],       "in a second line"),
    (b"\r\nCookie: AWSALB=1; AWSALB=2",                  [b"1", b"2"], "twice, in their order"),
    (b"\r\nCookie: AWSALB=",                             [b""],        "empty"),
    (b"\r\nCookie: AWSALB=a=b",                          [b"a=b"],     "with an equals sign in it"),
    (b'\r\nCookie: AWSALB="v"',                          [b'"v"'],     "quoted is another value"),
    (b"\r\nCookie: AWSALB=a%3D",                         [b"a%3D"],    "encoded is another value"),
    (b"\r\nCookie: awsalb=v",                            [],           "names are of their case"),
    (b"\r\nCookie: XAWSALB=v; AWSALBX=v; a AWSALB=v",    [],           "names are whole"),
    (b"\r\nCookie: AWSALB =v",                           [],           "a name has no space behind it"),
    (b"\r\nCookie: AWSALB",                              [],           "nor is it one without a value"),
    (b"\r\nX-Cookie: AWSALB=v\r\nSet-Cookie: AWSALB=v",  [],           "other headers are not cookies"),
    (b"\r\nCookie: a=1\r\nX: b;AWSALB=v",                [],           "nor what stands behind a cookie line"),
    (b"",                                                [],           "no headers at all"),
]
IN_RESPONSES = [
    (b"\r\nSet-Cookie: AWSALB=v; Path=/",    True),
    (b"\r\nX: y\r\nset-cookie:AWSALB =v",    True),
    (b"\r\nSet-Cookie: AWSALB=; Max-Age=0",  True),
    (b"\r\nSet-Cookie: AWSALBX=v",           False),
    (b"\r\nSet-Cookie: a=AWSALB=v",          False),
    (b"\r\nCookie: AWSALB=v",                False),
]
# fmt: on


@pytest.mark.parametrize(
    ("block", "values"), [r[:-1] for r in IN_REQUESTS], ids=[r[-1] for r in IN_REQUESTS]
)
def test_values_of_a_cookie(block: bytes, values: list[bytes]) -> None:
    assert values == NAME.values(block)


@pytest.mark.parametrize(("block", "is_set"), IN_RESPONSES)
def test_whether_a_response_sets_a_cookie(block: bytes, *, is_set: bool) -> None:
    assert is_set is NAME.is_set_in(block)


def test_a_name_with_characters_of_expressions_is_taken_as_it_is() -> None:
    assert [b"v"] == CookieName(b"a.b*").values(b"\r\nCookie: axbb=1; a.b*=v")


def test_a_thousand_values_are_not_all_looked_at() -> None:
    block = b"\r\nCookie: " + b"; ".join([b"AWSALB=%d" % n for n in range(1000)])
    assert [b"%d" % n for n in range(TRIED_MAX)] == NAME.values(block)


def spelled_out(block: bytes) -> list[bytes]:
    """What is promised, line by line and cookie by cookie."""
    values = []
    for line in re.findall(rb"\r\n(?i:cookie):([^\r]*)", block):
        for one in line.split(b";"):
            name, equals, value = one.lstrip(b" \t").partition(b"=")
            if name == b"AWSALB" and equals:
                values.append(value.strip(b" \t"))
    return values[:TRIED_MAX]


PIECES = (
    *(b"\r\nCookie:", b"\r\nX:", b"\r\nX-Cookie:", b"AWSALB=", b"AWSALB", b"=", b";"),
    *(b" ", b"\t", b"a", b'"'),
)


@given(st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join))
def test_values_are_those_that_a_reading_cookie_by_cookie_finds(block: bytes) -> None:
    assert spelled_out(block) == NAME.values(block)


@given(st.binary(max_size=200))
def test_whatever_comes_is_read_without_an_exception(noise: bytes) -> None:
    for value in NAME.values(b"\r\nCookie: AWSALB=" + noise):
        assert b";" not in value
        assert b"\r" not in value
    NAME.is_set_in(b"\r\nSet-Cookie: " + noise)


def test_the_twin_is_for_other_origins() -> None:
    at = b"Tue, 01 Dec 2026 00:00:00 GMT"
    one = b"\r\nSet-Cookie: AWSALB=v; Expires=%b; Path=/" % at
    assert one == set_cookie(b"AWSALB", b"v", at)
    twin = b"\r\nSet-Cookie: AWSALBCORS=v; Expires=%b; Path=/; SameSite=None; Secure"
    assert one + twin % at == set_cookie_pair(b"AWSALB", b"v", at)
