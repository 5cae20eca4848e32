"""However a path is spelled, the server behind reads what its rule has looked at.

The rules: /admin and below are nobody's, or only /public is everybody's. Whatever
is forwarded is read by no server as a path that these rules would have kept.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings

from alb.decide.head import scan_request
from alb.decide.rewrite import settle
from alb.decide.rules import CompiledRules, compile_rules
from alb.decide.spelling import other_readings
from alb.decide.uri import normalise_path
from alb.errors import Refused
from alb.model import (
    FixedResponse,
    Forward,
    Listener,
    PathPattern,
    Rule,
    WeightedGroup,
)
from tests.support.examples import examples
from tests.support.paths import SERVERS, aimed, paths

WEB = Forward((WeightedGroup("web"),))
KEPT = FixedResponse(403)


def guarding(*protected: str) -> CompiledRules:
    return compile_rules(Listener(80, WEB, (Rule(1, (PathPattern(protected),), KEPT),)))


def admitting(*public: str) -> CompiledRules:
    return compile_rules(Listener(80, KEPT, (Rule(1, (PathPattern(public),), WEB),)))


GUARDED = guarding("/admin*")
NARROWLY = guarding("/admin", "/admin/*")
ADMITTED = admitting("/public*")
RAW = "as it came"


def sent(rules: CompiledRules, target: bytes) -> bytes | None:
    """The target that is forwarded; None: it is not. Raises Refused."""
    found = scan_request(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target)
    assert found is not None
    head, _ = found
    if rules.actions[rules.match_request(head, (), "192.0.2.1")] is not WEB:
        return None
    if head.is_disputed:
        settle(head, None)
    return head.target


# fmt: off
SPELLINGS = [  # of /admin, mostly: what is sent on
    (b"/admin",                None, "the path itself is kept"),
    (b"/%61dmin",              None, "an escaped letter is the letter"),
    (b"/%61%64%6D%69%6e",      None, "in either case"),
    (b"/%2e/admin",            None, "an escaped dot is a dot"),
    (b"/./admin",              None, "one dot stays where it is"),
    (b"//admin",               None, "slashes in a row are one"),
    (b"/%2fadmin",             None, "escaped ones too"),
    (b"/%2Fadmin",             None, "in either case"),
    (b"/x/../admin",           None, "two dots go up"),
    (b"/x/%2e%2E/admin",       None, "escaped ones too"),
    (b"/x/..;/admin",          None, "and those with a parameter"),
    (b"/x/..%3b/admin",        None, "that may be escaped"),
    (b"/x/..;a=b/admin",       None, "whatever it says"),
    (b"\\admin",               Refused, "a target begins with a slash"),
    (b"/\\admin",              None, "a backslash is a slash"),
    (b"/x\\..\\admin",         None, "everywhere"),
    (b"/%5cadmin",             None, "escaped ones too"),
    (b"/x/..%5Cadmin",         None, "in either case"),
    (b"/../admin",             None, "nothing is above the root"),
    (b"/admin;a=b",            None, "a parameter makes no other path"),
    (b"/admin%00",             None, "nor does an octet that ends strings"),
    (b"/admin.",               None, "nor do dots behind"),
    (b"/admin%20",             None, "nor do spaces"),
    (b"/admin?/../x",          None, "a query is no path"),
    (b"http://a/admin",        None, "an absolute target has a path"),
    (b"HTTP://A:80/x/../admin", None, "which is read as any"),
    (b"http://a?/admin",       b"/?/admin", "or has none"),
    (b"http://a;x/admin",      Refused, "what is no host has no path"),
    (b"http://a\\@b/admin",    Refused, "nor what is one to some"),
    (b"http:///admin",         Refused, "nor no host at all"),
    (b"http:/admin",           Refused, "nor a scheme alone"),
    (b"ftp://a/admin",         Refused, "nor another"),
    (b"admin",                 Refused, "nor a name alone"),
    (b"/admin#/../x",          Refused, "a number sign ends a path for some"),
    (b"/x/#/../../admin",      Refused, "and is refused wherever it is in it"),
    (b"/x?a#b",                RAW, "in a query it changes no path"),
    (b"?/admin",               Refused, "a query alone is no target"),
    # read in two ways: what the rules saw is what is sent
    (b"/;a/admin",             b"/%3Ba/admin", "some drop what has no name but a parameter"),
    (b"/admin/../x",           b"/x", "some leave dots as they are"),
    (b"/admin//../x",          b"/x", "some go up from what is empty between slashes"),
    (b"//x/admin",             b"/x/admin", "some take what follows two slashes for a host"),
    (b"/\\x/admin",            b"/x/admin", "or what follows any two"),
    (b"///x/admin?q=//",       b"/x/admin?q=//", "or more; a query stays as it is"),
    (b"/admin\\..\\x",         b"/x", "some take a backslash for a letter"),
    (b"/admin%2f..%2fx",       b"/x", "some take an escaped slash for one"),
    (b"/admin%5c..%5cx",       b"/x", "or an escaped backslash"),
    (b"/admin%3f/../x",        b"/x", "an escaped question mark asks nothing"),
    # read in one way, and another path
    (b"/%2561dmin",            RAW, "nothing is decoded twice"),
    (b"/%252e/admin",          RAW, "nor are dots"),
    (b"/%u0061dmin",           RAW, "nor is what never was in the standard"),
    (b"/ADMIN",                RAW, "another case is another path, as at AWS"),
    (b"/x/admin",              RAW, "another folder is another path"),
    (b"/x/../y//z;a=b/%2f%2e", RAW, "what leads nowhere near is sent as it came"),
]
# fmt: on


@pytest.mark.parametrize(
    ("target", "expected"),
    [row[:2] for row in SPELLINGS],
    ids=[r[2] for r in SPELLINGS],
)
def test_what_is_sent_where_admin_is_kept(
    target: bytes, expected: bytes | str | type[Refused] | None
) -> None:
    if expected is Refused:
        with pytest.raises(Refused, match="400"):
            sent(GUARDED, target)
    else:
        assert (target if expected is RAW else expected) == sent(GUARDED, target)


def read_by(server: str, target: bytes) -> bytes:
    path = target.partition(b"?")[0]
    return re.sub(rb"/+", b"/", SERVERS[server](path))


@pytest.mark.parametrize("server", SERVERS)
@given(path=aimed | paths)
@example(path=b"//%2f\\x/admin")
@settings(max_examples=examples(2000))
def test_what_is_protected_is_reached_by_no_spelling(server: str, path: bytes) -> None:
    for rules in (GUARDED, NARROWLY):
        target = sent(rules, path)
        if target is not None:
            read = read_by(server, target)
            assert read != b"/admin"
            assert not read.startswith(b"/admin/")


@pytest.mark.parametrize("server", SERVERS)
@given(path=aimed | paths)
@example(path=b"/public%2fx/../admin")
@settings(max_examples=examples(2000))
def test_nothing_but_what_is_admitted_is_reached(server: str, path: bytes) -> None:
    target = sent(ADMITTED, path)

    assert target is None or read_by(server, target).startswith(b"/public")


@given(path=aimed | paths)
def test_what_is_written_anew_has_one_path_for_everybody(path: bytes) -> None:
    target = sent(NARROWLY, path)
    if target is None or target == path:
        return

    read = {read_by(server, target) for server in SERVERS}
    assert len(read) == 1
    (alone,) = read
    assert normalise_path(path) == normalise_path(alone.replace(b"%", b"%25"))


@given(path=aimed | paths)
def test_a_path_is_itself_only_where_all_read_it_alike(path: bytes) -> None:
    """By that the request path knows that there is nothing more to ask."""
    if normalise_path(path) is path:
        assert [] == other_readings(path)
        assert {path} == {read_by(server, path) for server in SERVERS}


@given(path=aimed | paths)
def test_nothing_is_written_anew_where_it_makes_no_difference(path: bytes) -> None:
    assert sent(guarding("/nobody/asks/*"), path) == path
