"""No spelling of a path hides it from a rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.decide.uri import normalise_path, query_pairs, unescape

# fmt: off
PATHS = [
    (b"/a/b",              b"/a/b",      "a plain path is itself"),
    (b"/",                 b"/",         "the root is itself"),
    (b"",                  b"/",         "the empty path is the root"),
    (b"*",                 b"*",         "the asterisk of OPTIONS is no path"),
    (b"%2e%2e",            b"..",        "what has no leading slash is only decoded"),
    (b"/%61dmin",          b"/admin",    "an escaped letter is that letter"),
    (b"/%2561dmin",        b"/%2561dmin", "nothing is decoded twice"),
    (b"/%zz%4",            b"/%25zz%254", "a broken escape is a percent sign"),
    (b"/caf%c3%A9",        b"/caf\xc3\xa9", "escapes in either case are octets"),
    (b"/a%2Fb",            b"/a/b",      "an escaped slash parts segments"),
    (b"//admin",           b"/admin",    "slashes in a row are one"),
    (b"/a///b//",          b"/a/b/",     "at the end too"),
    (b"\\admin\\x",        b"/admin/x",  "a backslash is a slash"),
    (b"/%5cadmin",         b"/admin",    "an escaped one too"),
    (b"/x/../admin",       b"/admin",    "two dots go up"),
    (b"/x/%2e%2E/admin",   b"/admin",    "escaped dots go up"),
    (b"/x/%2e%2e%2fadmin", b"/admin",    "whatever is escaped of them"),
    (b"/x/..\\admin",      b"/admin",    "across a backslash"),
    (b"/x/..;/admin",      b"/admin",    "also where a server drops a parameter first"),
    (b"/x/..;a=b/admin",   b"/admin",    "whatever the parameter says"),
    (b"/a/./b",            b"/a/b",      "one dot stays"),
    (b"/a/.",              b"/a/",       "and leaves a directory at the end"),
    (b"/a/b/..",           b"/a/",       "as do two"),
    (b"/../../a",          b"/a",        "nothing is above the root"),
    (b"/..",               b"/",         "not even at the end"),
    (b"/a/.b/..c/...",     b"/a/.b/..c/...", "names may have dots"),
    (b"/a;v=1/b",          b"/a;v=1/b",  "parameters of names are kept"),
    (b"/a//../b",          b"/b",        "runs of slashes are one before dots are read"),
]
QUERIES = [
    (b"",            [],                             "nothing has no pairs"),
    (b"a=1&b=2",     [(b"a", b"1"), (b"b", b"2")],   "pairs keep their order"),
    (b"a&=x&&",      [(b"a", b""), (b"", b"x")],     "a pair may lack either side"),
    (b"a=b=c",       [(b"a", b"b=c")],               "the first equals sign parts"),
    (b"A=%58+Y%20Z", [(b"a", b"x y z")],             "decoded, spaces alike, lower case"),
    (b"a%3Db=%26",   [(b"a=b", b"&")],               "parted first, decoded then"),
]
# fmt: on


@pytest.mark.parametrize(
    ("raw", "expected"), [row[:2] for row in PATHS], ids=[row[2] for row in PATHS]
)
def test_path(raw: bytes, expected: bytes) -> None:
    assert expected == normalise_path(raw)


@pytest.mark.parametrize(
    ("raw", "expected"), [row[:2] for row in QUERIES], ids=[row[2] for row in QUERIES]
)
def test_query(raw: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    assert expected == query_pairs(raw)


paths = st.lists(
    st.sampled_from([b"/", b"a", b".", b"%", b"2", b"e", b"%2e", b"%2F", b"\\", b";"]),
    max_size=12,
).map(lambda parts: b"/" + b"".join(parts))


@given(paths | st.binary(max_size=20))
def test_reading_a_path_twice_changes_nothing(path: bytes) -> None:
    once = normalise_path(path)

    assert once == normalise_path(once)


@given(paths)
def test_no_segment_that_leads_elsewhere_is_left(path: bytes) -> None:
    read = normalise_path(path)

    assert read.startswith(b"/")
    assert b"//" not in read
    assert b"\\" not in read
    names = [segment.partition(b";")[0] for segment in read.split(b"/")]
    assert not {b".", b".."} & set(names)


@given(st.binary(max_size=20))
def test_escaping_every_octet_hides_nothing(path: bytes) -> None:
    escaped = b"".join(b"%%%02X" % octet for octet in path)

    assert unescape(escaped) == unescape(path.replace(b"%", b"%25"))
