"""Transforms send what they say, or nothing; no spelling gets round them."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alb.decide.head import REQUEST_LINE_MAX, scan_request
from alb.decide.request import RequestHead
from alb.decide.rewrite import SUCCESS, Rewrite, replacement_flaw_of, template_of
from alb.decide.uri import leads_elsewhere, normalise_path
from alb.errors import Refused
from alb.model import HostHeaderRewrite, Transform, UrlRewrite
from tests.support.examples import examples


def head_of(target: bytes, host: bytes = b"example.com", method: bytes = b"GET") -> RequestHead:  # fmt: skip
    found = scan_request(b"%b %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (method, target, host))
    assert found
    return found[0]


def sent(transform: Transform, target: bytes = b"/", host: bytes = b"example.com") -> bytes | str:  # fmt: skip
    """The target or host that is sent, or why nothing is."""
    head = head_of(target, host)
    done = Rewrite([transform]).apply(head, head.host)
    if done.failed:
        return done.status
    assert (done.status == SUCCESS) == (
        done.host is not None or done.target is not None
    )
    return head.target if isinstance(transform, UrlRewrite) else head.host_field


# fmt: off
URLS = [
    (r"^/api/(.*)$", "/v2/$1",  b"/api/users",        b"/v2/users",        "a prefix is replaced"),
    (r"^/api/(.*)$", "/v2/$1",  b"/api/u?x=1&y",      b"/v2/u?x=1&y",      "the query is part of it"),
    (r"^/api/(.*)$", "/v2/$1",  b"/web/users",        b"/web/users",       "what does not match is sent as it came"),
    (r"^/api/(.*)$", "/v2/$1",  b"/w%65b/../x",       b"/w%65b/../x",      "to the octet"),
    (r"\?.*$",       "",        b"/a?secret",         b"/a",               "a query can be taken away"),
    (r"\?",          "?v=1&",   b"/a?b?c",            b"/a?v=1&b?c",       "only the first match is replaced"),
    (r"^/(\w+)/(\w+)", "/$2/$1?$0", b"/a/b",          b"/b/a?/a/b",        "groups in any order, $0 is the match"),
    (r"^/a(b)?",     "/x$1",    b"/a",                b"/x",               "a group that was not there is empty"),
    (r"^(/)(.*)",    "$1$$2$",  b"/a",                b"/$a$",             "other dollar signs are themselves"),
    (r"^/(.*)$",     "/t1/$1",  b"/a%20b%C3%a9|",     b"/t1/a%20b%C3%A9%7C", "what must be escaped is escaped again"),
    (r"^/(.*)$",     "/t1/$1",  b"/%61dmin%2fx",      b"/t1/admin/x",      "what need not is not, slashes too"),
    (r"^/(.*)$",     "/t1/$1",  b"/../t2/x",          b"/t1/t2/x",         "nothing climbs out of what is put in front"),
    (r"^/(.*)$",     "/t1/$1",  b"/%2e%2e%2ft2//x",   b"/t1/t2/x",         "however it is spelled"),
    (r"^/(.*)$",     "/t1/$1",  b"/..;/t2\\x",        b"/t1/t2/x",         "in any server's reading"),
    (r"^/(.*)$",     "/t1/$1",  b"/%252e%252e/t2",    b"/t1/%252e%252e/t2", "what was escaped twice still is"),
    (r"^/(.*)$",     "/t1/$1",  b"/a?../%2e",         b"/t1/a?../%2e",     "dots in a query lead nowhere"),
    (r"^/t(.*)$",    "/u/$1",   b"/t../x",            "TransformInvalidPath", "an expression makes no dot segment"),
    (r"^/t(.*)$",    "/u/$1",   b"/t..;a/x",          "TransformInvalidPath", "with parameters neither"),
    (r"^/(.*)$",     "/%2e$1",  b"/x",                b"/%2ex",            "a dot in front of a name is a name"),
    (r"^/(.*)$",     "/%2e$1",  b"/./x",              b"/%2ex",            "also after dots were resolved"),
    (r"^/(.*)$",     "/%2E.",   b"/x",                "TransformInvalidPath", "a replacement leads nowhere else either"),
    (r"^/x",         "x",       b"/x",                "TransformInvalidPath", "without its slash it is no path"),
    (r"^/x",         "",        b"/x",                "TransformInvalidPath", "nothing is none"),
    (r"^/x",         "http://h/", b"/x",              "TransformInvalidPath", "a URL is none"),
    (r"^/(.*)$",     "/$1$1$1", b"/" + b"x" * 8000,   "TransformBufferTooSmall", "a line longer than may be received is not sent"),
    (r".*",          "/",       b"/a?b",              b"/",                "all of it"),
]
HOSTS = [
    (r"^mywebsite-(.+).com$", "internal.dev.$1.myweb.com", b"mywebsite-example.com", b"internal.dev.example.myweb.com", "AWS's example"),
    (r"^A\.com$",    "b.com",   b"a.COM:8080",        b"b.com",            "the name is what counts, in any case"),
    (r"^a\.com$",    "b.com",   b"a.com.",            b"b.com",            "a full name may end in a dot"),
    (r"^a\.com$",    "b.com:81", b"a.com",            b"b.com:81",         "a port may be added"),
    (r"^a\.com$",    "b.com",   b"x.com:1",           b"x.com:1",          "what does not match is sent as it came"),
    (r"^a\.com$",    "",        b"a.com",             "TransformInvalidHost", "nothing is no host"),
    (r"^(.*)$",      "$1/x",    b"a.com",             "TransformInvalidHost", "nor is a path"),
    (r"^(.*)$",      "$1:99999999", b"a.com",         "TransformInvalidHost", "nor is no port"),
    (r"^\[(.*)\]$",  "$1",      b"[::1]",             "TransformInvalidHost", "nor an address without its brackets"),
    (r"^(.*)$",      "$1$1$1",  b"a" * 8000,          "TransformBufferTooSmall", "nor what is longer than a header may be"),
]
REPLACEMENTS = [
    ("",          0, (),                  "nothing"),
    ("a$b",       0, (b"a$b",),           "a dollar sign before a letter"),
    ("$0",        0, (0,),                "the whole match"),
    ("/$1-$2$",   2, (b"/", 1, b"-", 2, b"$"), "groups between text"),
    ("$12",       1, (1, b"2"),           "one group and a digit"),
    ("$12",       12, (12,),              "or twelve groups"),
    ("$012",      1, (1, b"2"),           "a leading nought"),
]
# fmt: on


@pytest.mark.parametrize(
    ("regex", "replace", "target", "expected"),
    [row[:4] for row in URLS],
    ids=[row[4] for row in URLS],
)
def test_url(regex: str, replace: str, target: bytes, expected: bytes | str) -> None:
    assert expected == sent(UrlRewrite(regex, replace), target)


@pytest.mark.parametrize(
    ("regex", "replace", "host", "expected"),
    [row[:4] for row in HOSTS],
    ids=[row[4] for row in HOSTS],
)
def test_host(regex: str, replace: str, host: bytes, expected: bytes | str) -> None:
    assert expected == sent(HostHeaderRewrite(regex, replace), host=host)


@pytest.mark.parametrize(
    ("text", "groups", "expected"),
    [row[:3] for row in REPLACEMENTS],
    ids=[row[3] for row in REPLACEMENTS],
)
def test_replacement(text: str, groups: int, expected: tuple[bytes | int, ...]) -> None:
    assert expected == template_of(text, groups)


def test_a_group_that_is_not_there_is_told() -> None:
    assert ("$2 names a group of 1", 4) == replacement_flaw_of("$1-$2", 1)
    with pytest.raises(ValueError, match="names a group of 0"):
        template_of("$1", 0)


def test_both_are_done_or_neither_is() -> None:
    both = Rewrite([UrlRewrite("^/a", "x"), HostHeaderRewrite("^.*$", "b.com")])
    head = head_of(b"/a")

    done = both.apply(head, head.host)

    assert ("TransformInvalidPath", b"/a", b"example.com") == (
        done.status, head.target, head.host_field
    )  # fmt: skip


def test_the_asterisk_of_options_is_no_url() -> None:
    head = head_of(b"*", method=b"OPTIONS")

    done = Rewrite([UrlRewrite("^.*$", "/x")]).apply(head, head.host)

    assert ("", b"*") == (done.status, head.target)


def test_the_longest_line_that_may_be_received_may_be_sent() -> None:
    longest = b"/b" + b"x" * (REQUEST_LINE_MAX - len("GET /b HTTP/1.1"))

    assert b"/c" + longest[2:] == sent(UrlRewrite("^/b", "/c"), longest)
    assert sent(UrlRewrite("^/b", "/cc"), longest) == "TransformBufferTooSmall"


def test_what_captures_multiply_is_not_kept() -> None:
    """A thousand times sixteen thousand octets would be a request of 16 MiB."""
    done = sent(UrlRewrite("^(.*)$", "$1" * 500), b"/" + b"x" * 16000)

    assert done == "TransformBufferTooSmall"


# --- whatever a client sends --------------------------------------------------------

VISIBLE = {bytes((octet,)) for octet in range(0x21, 0x7F)} - {b"?", b"#"}
pieces = st.sampled_from(
    [
        b"/",
        b"a",
        b"t",
        b".",
        b"..",
        b"%2e",
        b"%2F",
        b"%5c",
        b"\\",
        b";",
        b"%25",
        b"%0d",
        b"%0a",
        b"%20",
        b"?",
        b"#",
        b"%",
        b"\xff",
        b"|",
        b"//",
    ]
)
targets = (
    st.lists(pieces, max_size=10)
    .map(lambda parts: b"/" + b"".join(parts))
    .filter(lambda target: b"#" not in target.partition(b"?")[0])
)
rewrites = st.sampled_from(
    [
        ("^/(.*)$", "/t1/$1"),
        ("^/a(.*)$", "/u$1"),
        ("(.)$", "$1$1"),
        ("t", "%0d%0a"),
        ("^(.*)t(.*)$", "$2$1"),
        ("/+", "$0/x/"),
        ("^/", "//"),
    ]
)


@settings(max_examples=examples(2000), deadline=None)
@given(targets, rewrites)
def test_what_is_sent_could_have_been_received(
    target: bytes, rewrite: tuple[str, str]
) -> None:
    """One request with one target, for the very scanner that reads requests."""
    head = head_of(target)
    done = Rewrite([UrlRewrite(*rewrite)]).apply(head, head.host)

    if done.target is None:
        assert target == head.target
    else:
        assert done.target == head.target == head_of(head.target).target
        assert not leads_elsewhere(head.target.partition(b"?")[0])


@settings(max_examples=examples(2000), deadline=None)
@given(targets)
def test_nobody_climbs_out_of_a_prefix(target: bytes) -> None:
    done = sent(UrlRewrite("^/(.*)$", "/t1/$1"), target)

    assert isinstance(done, bytes)
    assert normalise_path(done.partition(b"?")[0]).startswith(b"/t1/")


@settings(max_examples=examples(1000), deadline=None)
@given(targets, st.data())
def test_every_spelling_of_a_path_is_rewritten_alike(
    target: bytes, data: st.DataObject
) -> None:
    path, mark, query = target.partition(b"?")
    octets = re.findall(rb"%25|.", normalise_path(path)[1:], re.DOTALL)
    spelled = b"/" + b"".join(
        octet
        if octet == b"%25" or (octet in VISIBLE and data.draw(st.booleans()))
        else b"%%%02x" % octet[0]
        for octet in octets
    )
    url = UrlRewrite("^/(a?)(.*)$", "/$1-$2")

    assert sent(url, target) == sent(
        url, spelled.replace(b"%%", b"%25%") + mark + query
    )


@settings(max_examples=examples(1000), deadline=None)
@given(st.text("ab.-_:[]0", min_size=1, max_size=8).map(str.encode), st.text("$01ab.:/@[] \n", max_size=6))  # fmt: skip
def test_a_host_that_is_sent_could_have_been_received(
    host: bytes, replace: str
) -> None:
    try:
        head = head_of(b"/", host)
    except Refused:
        return
    if replacement_flaw_of(replace, 1):
        return
    done = Rewrite([HostHeaderRewrite("^(.*)$", replace)]).apply(head, head.host)

    if not done.failed:
        assert head.host_field == head_of(b"/", head.host_field).host_field
