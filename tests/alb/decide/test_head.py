"""Every head has one meaning, or it is refused with a reason."""

from __future__ import annotations

import pytest

from alb.decide.head import (
    HEAD_MAX,
    HEADER_MAX,
    HEADERS_MAX,
    HOSTS_REMEMBERED,
    REQUEST_LINE_MAX,
    scan_request,
)
from alb.decide.request import RequestHead
from alb.errors import Refused


def read(head: bytes) -> RequestHead:
    found = scan_request(head)
    assert found is not None, "not whole"
    return found[0]


def get(*lines: bytes, version: bytes = b"1.1") -> bytes:
    start = b"GET / HTTP/" + version
    return b"\r\n".join([start, b"Host: a", *lines, b"\r\n"])


def post(*lines: bytes, version: bytes = b"1.1") -> bytes:
    start = b"POST / HTTP/" + version
    return b"\r\n".join([start, b"Host: a", *lines, b"\r\n"])


TE = b"Transfer-Encoding: chunked"
WS = (b"Upgrade: websocket", b"Connection: Upgrade")

# fmt: off
REFUSED = [
    (b"G@T / HTTP/1.1\r\n\r\n",                   400, "BadMethod",          "a method is a token"),
    (b"GET\t/ HTTP/1.1\r\n\r\n",                  400, "BadMethod",          "a tab parts nothing"),
    (b" GET / HTTP/1.1\r\n\r\n",                  400, "BadMethod",          "a line does not begin with a space"),
    (b"G" * 65,                                   400, "BadMethod",          "nobody waits for the end of such a method"),
    (b"G" * 65 + b" / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "BadMethod",        "nor takes it when it comes whole"),
    (b"\x16\x03\x01\x02\r\n\r\n",                 400, "BadMethod",          "TLS is no HTTP"),
    (b"GET HTTP/1.1\r\n\r\n",                     400, "MissingUri",         "there is no target"),
    (b"GET  HTTP/1.1\r\n\r\n",                    400, "MissingUri",         "nor is nothing one"),
    (b"GET\r\n\r\n",                              400, "NonCompliantVersion", "a method alone"),
    (b"GET /\r\n\r\n",                            400, "NonCompliantVersion", "HTTP/0.9 has no version"),
    (b"GET / HTTPS/1.1\r\n\r\n",                  400, "BadVersion",         "it is HTTP that we speak"),
    (b"GET / x RTSP/1.0\r\n\r\n",                 400, "BadVersion",         "not RTSP"),
    (b"GET / http/1.1\r\n\r\n",                   400, "BadVersion",         "in capitals"),
    (b"GET /a b HTTP/1.1\r\n\r\n",                400, "SpaceInUri",         "where does it end?"),
    (b"GET  / HTTP/1.1\r\n\r\n",                  400, "SpaceInUri",         "two spaces are one too many"),
    (b"GET /a\tb HTTP/1.1\r\n\r\n",               400, "AmbiguousUri",       "a control character in the target"),
    (b"GET /\x7f HTTP/1.1\r\n\r\n",               400, "AmbiguousUri",       "delete is one"),
    (b"GET /\xff\x01 HTTP/1.1\r\n\r\n",           400, "BadUri",             "beside bytes beyond ASCII too"),
    (b"GET foo HTTP/1.1\r\nHost: a\r\n\r\n",      400, "BadUri",             "a path begins with a slash"),
    (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",        400, "BadUri",             "only OPTIONS asks about everything"),
    (b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "BadUri",             "that is not ours to fetch"),
    (b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "BadUri",            "an absolute target names a host"),
    (b"GET / HTTP/2.0\r\n\r\n",                   505, "BadVersion",         "a version we do not speak"),
    (b"GET / HTTP/1.2\r\n\r\n",                   505, "BadVersion",         "nor will guess"),
    (b"GET / HTTP/0.9\r\n\r\n",                   505, "BadVersion",         "nor remember"),
    (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",      405, "MethodNotAllowed",   "TRACE would show what we added"),
    (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",  405, "MethodNotAllowed",   "we are no forward proxy"),
    (b"GET / HTTP/1.1\r\n\r\n",                   400, "MissingHost",        "HTTP/1.1 names its host"),
    (get(b"Host: a"),                             400, "MultipleHost",       "once, even if it is the same"),
    (get(b"hOST: b"),                             400, "MultipleHost",       "in any case"),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",      400, "BadHost",            "a name has no spaces"),
    (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",      400, "BadHost",            "nor slashes"),
    (b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",      400, "BadHost",            "nor users"),
    (b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n",      400, "BadHost",            "nor is it a list"),
    (b"GET / HTTP/1.1\r\nHost: a:\r\n\r\n",       400, "BadHost",            "a colon announces a port"),
    (b"GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n", 400, "BadHost",            "of at most five digits"),
    (b"GET / HTTP/1.1\r\nHost: ::1\r\n\r\n",      400, "BadHost",            "an IPv6 address stands in brackets"),
    (b"GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "BadHost",       "also in the target"),
    (post(b"Content-Length: 5", b"Content-Length: 5"), 400, "DuplicateContentLength", "one length, once"),
    (post(b"Content-Length: 5", b"content-length: 6"), 400, "MultipleContentLength",  "and not two"),
    (post(b"Content-Length: +5"),                 400, "BadContentLength",   "digits"),
    (post(b"Content-Length: 5,5"),                400, "BadContentLength",   "only"),
    (post(b"Content-Length: 0x5"),                400, "BadContentLength",   "decimal ones"),
    (post(b"Content-Length:"),                    400, "BadContentLength",   "at least one"),
    (post(b"Content-Length: " + b"1" * 19),       400, "BadContentLength",   "at most eighteen"),
    (post("Content-Length: ٣".encode()),          400, "BadContentLength",   "from ASCII"),
    (post(TE, b"Content-Length: 5"),              400, "BothTeClPresent",    "two framings"),
    (post(b"Content-Length: 5", b"Transfer-Encoding: gzip"), 400, "BothTeClPresent", "whatever they are"),
    (post(TE, TE),                                400, "MultipleTransferEncodingChunked", "chunked is chunked once"),
    (post(b"Transfer-Encoding: x"),               400, "BadTransferEncoding", "a coding nobody knows"),
    (post(b"Transfer-Encoding:"),                 400, "BadTransferEncoding", "or none"),
    (post(b"Transfer-Encoding: gzip, chunked"),   400, "BadTransferEncoding", "or a list"),
    (post(b"Transfer-Encoding: identity"),        400, "BadTransferEncoding", "obsolete since RFC 7230"),
    (post(b'Transfer-Encoding: "chunked"'),       400, "BadTransferEncoding", "quotes are part of a name"),
    (post(b"Transfer-Encoding: chunked\x0b"),     400, "NonCompliantHeader", "a vertical tab is no space"),
    (post(b"Transfer-Encoding: gzip"),            501, "UnsupportedTransferEncoding", "known, and not built"),
    (post(b"Transfer-Encoding: X-GZIP"),          501, "UnsupportedTransferEncoding", "by its other name too"),
    (post(TE, version=b"1.0"),                    400, "UndefinedTransferEncodingSemantics", "HTTP/1.0 has no chunks"),
    (post(b"Transfer_Encoding: chunked"),         400, "SuspiciousHeader",   "framing in disguise"),
    (post(b"Transfer-Encoding : chunked"),        400, "SuspiciousHeader",   "with a space behind"),
    (post(b"Transfer--Encoding: chunked"),        400, "SuspiciousHeader",   "with two dashes"),
    (post(b"TransferEncoding: chunked"),          400, "SuspiciousHeader",   "with none"),
    (post(b"-Content-Length-: 5"),                400, "SuspiciousHeader",   "with dashes around"),
    (post(b"Content.Length: 5"),                  400, "SuspiciousHeader",   "with a dot"),
    (post(b"\xa0Content-Length: 5"),              400, "SuspiciousHeader",   "with a space of Latin-1"),
    (get(b"X Y: 1"),                              400, "NonCompliantHeader", "a name is a token"),
    (get(b"X : 1"),                               400, "NonCompliantHeader", "up to the colon"),
    (get(b"X\xe9: 1"),                            400, "NonCompliantHeader", "of ASCII"),
    (get(b"X: a\x7fb"),                           400, "NonCompliantHeader", "a value has no control characters"),
    (get(b": 1"),                                 400, "EmptyHeader",        "a header has a name"),
    (get(b"X: 1", b" y"),                         400, "MultilineHeader",    "a folded line"),
    (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",       400, "MultilineHeader",    "folded onto the request line"),
    (get(b"X"),                                   400, "MissingHeaderColon", "a line without a colon"),
    (get(b"X: a\0b"),                             400, "BadHeader",          "NUL ends strings elsewhere"),
    (b"GET / HTTP/1.1\nHost: a\n\n",              400, "NonCrLfLineTermination", "lines end in CRLF"),
    (b"GET / HTTP/1.1\r\nHost: a\n",              400, "NonCrLfLineTermination", "told before the head is whole"),
    (get(b"X: a\rb"),                             400, "NonCrLfLineTermination", "a bare CR"),
    (b"\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",    400, "NonCrLfLineTermination", "also in front"),
    (get(b"Expect: 200-ok"),                      417, "BadExpect",          "all we can promise is 100-continue"),
    (post(b"Content-Length: 5", *WS),             400, "UpgradeWithBody",    "where would the tunnel begin?"),
    (post(TE, *WS),                               400, "UpgradeWithBody",    "or a chunked one"),
    (b"GET /" + b"a" * REQUEST_LINE_MAX + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "RequestLineTooLong", "16 K of it"),
    (b"GET /" + b"a" * REQUEST_LINE_MAX,          414, "RequestLineTooLong", "told before it ends"),
    (get(b"X: " + b"y" * HEADER_MAX),             400, "HeaderTooLarge",     "16 K of one header"),
    (get(b"X: " + b"y" * HEADER_MAX)[:-4],        400, "HeaderTooLarge",     "told before it ends"),
    (get(*[b"X: " + b"y" * 16000] * 5),           400, "HeadTooLarge",       "64 K of a head"),
    (get(*[b"X: " + b"y" * 16000] * 5)[:-4],      400, "HeadTooLarge",       "told before it ends"),
    (get(*[b"X:"] * HEADERS_MAX),                 400, "TooManyHeaders",     "256 headers, with Host"),
    (b"\r\n" * 9 + get(),                         400, "EmptyLines",         "a few empty lines, not a stream of them"),
]
# fmt: on


@pytest.mark.parametrize(
    ("head", "status", "reason"),
    [row[:-1] for row in REFUSED],
    ids=[f"{row[2]}: {row[3]}" for row in REFUSED],
)
def test_what_has_no_one_meaning_is_refused(
    head: bytes, status: int, reason: str
) -> None:
    with pytest.raises(Refused) as refused:
        scan_request(head)
    assert (refused.value.status, refused.value.reason) == (status, reason)


# fmt: off
READ = [
    (b"\r\n" * 8 + get(),                   "method",      b"GET",     "up to eight of them"),
    (b"\r\n\r\n" + get(),                    "method",      b"GET",     "empty lines in front are skipped"),
    (b"PURGE" + get()[3:],                   "method",      b"PURGE",   "methods we do not know pass"),
    (b"G" * 64 + get()[3:],                  "method",      b"G" * 64,  "up to 64 letters"),
    (b"GET /a?b#c HTTP/1.1\r\nHost: a\r\n\r\n", "target",   b"/a?b#c",  "the target is kept raw"),
    (b"GET /a?b?c HTTP/1.1\r\nHost: a\r\n\r\n", "path",     b"/a",      "the first question mark ends the path"),
    (b"GET /a?b?c HTTP/1.1\r\nHost: a\r\n\r\n", "query",    b"b?c",     "and begins the query"),
    (b"GET //x HTTP/1.1\r\nHost: a\r\n\r\n", "path",        b"//x",     "two slashes are a path, no host"),
    (b"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n", "path",      b"/\xe9",   "bytes beyond ASCII pass"),
    (b"GET http://B:81/c?d HTTP/1.1\r\nHost: a\r\n\r\n", "target", b"/c?d", "an absolute target is sent on in origin form"),
    (b"GET HTTPS://B:81/c HTTP/1.1\r\nHost: a\r\n\r\n", "host", b"b",   "its host counts, not the header's"),
    (b"GET http://B:81/c HTTP/1.1\r\nHost: a\r\n\r\n", "host_field", b"B:81", "with its port"),
    (b"GET http://b HTTP/1.1\r\nHost: a\r\n\r\n", "target", b"/",       "without a path it is the root"),
    (b"GET http://b?c HTTP/1.1\r\nHost: a\r\n\r\n", "target", b"/?c",   "also with a query"),
    (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "target",    b"*",       "OPTIONS asks about everything"),
    (b"GET / HTTP/1.1\r\nHost: A.eXample:8080\r\n\r\n", "host", b"a.example", "rules match on the lower-case name"),
    (b"GET / HTTP/1.1\r\nHost: A.eXample:8080\r\n\r\n", "host_field", b"A.eXample:8080", "the field is kept"),
    (b"GET / HTTP/1.1\r\nHost: [2001:DB8::1]:80\r\n\r\n", "host", b"[2001:db8::1]", "an IPv6 address keeps its brackets"),
    (b"GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", "host",      b"[::1]",   "and its colons without a port"),
    (b"GET / HTTP/1.1\r\nHost:\t a \t\r\n\r\n", "host",     b"a",       "space around a value is none of it"),
    (b"GET / HTTP/1.1\r\nHost:\r\n\r\n",     "host",        b"",        "an empty Host is one"),
    (b"GET / HTTP/1.1\r\nHost: a_b.c\r\n\r\n", "host",      b"a_b.c",   "names of services have underscores"),
    (b"GET / HTTP/1.0\r\n\r\n",              "host",        b"",        "HTTP/1.0 may leave Host out"),
    (b"GET / HTTP/1.0\r\n\r\n",              "block",       b"",        "and everything else"),
    (b"GET / HTTP/1.0\r\n\r\n",              "keep_alive",  False,      "HTTP/1.0 closes"),
    (get(b"Connection: Keep-Alive", version=b"1.0"), "keep_alive", True, "unless it says otherwise"),
    (get(b"Connection: x, keep-alive", version=b"1.0"), "keep_alive", True, "among others too"),
    (get(),                                  "keep_alive",  True,       "HTTP/1.1 stays"),
    (get(b"Connection: CLOSE"),              "keep_alive",  False,      "unless it says otherwise"),
    (get(b"Connection: keep-alive", b"Connection: close"), "keep_alive", False, "close wins"),
    (get(b"Connection: x"),                  "keep_alive",  True,       "what we do not know changes nothing"),
    (get(b"X:", b"Y_z.!: caf\xe9"),          "passed_on",   b"\r\nX:\r\nY_z.!: caf\xe9", "lines pass unchanged, odd ones too"),
    (get(b"x-a: 1", b"B: 2", b"X-A:3"),      "passed_on",   b"\r\nx-a: 1\r\nB: 2\r\nX-A:3", "in order and case"),
    (get(b"Keep-Alive: 5", b"X: 1", b"TE: x"), "passed_on", b"\r\nX: 1", "without what is about this connection"),
    (get(b"X-Y: 1", b"Connection: x-y", b"Z: 2"), "passed_on", b"\r\nZ: 2", "or named to be"),
    (get(b"Cookie: 1", b"Connection: cookie, close"), "passed_on", b"\r\nCookie: 1", "but for what must not go missing"),
    (get(b"Connection: ,, x"),               "passed_on",   b"",        "empty names name nothing"),
    (get(b"Connection:close"),               "keep_alive",  False,      "no space is needed"),
    (post(b"Content-Length: 005"),           "content_length", 5,       "zeros in front are harmless"),
    (post(b"Content-Length: " + b"9" * 18),  "content_length", 10**18 - 1, "lengths that fit anywhere"),
    (post(b"Content-Length: 0"),             "has_body",    False,      "an empty body is none"),
    (post(b"Content-Length: 1"),             "has_body",    True,       "a counted one"),
    (post(b"Content-Length: 1"),             "close_after", False,      "of POST is ordinary"),
    (get(b"Content-Length: 0"),              "close_after", False,      "GET with an empty body is too"),
    (get(b"Content-Length: 1"),              "close_after", True,       "GET with a body is served, and the end"),
    (get(TE),                                "close_after", True,       "whatever its framing"),
    (b"HEAD" + get(TE)[3:],                  "close_after", True,       "HEAD as well"),
    (b"DELETE" + get(TE)[3:],                "close_after", False,      "DELETE may have one"),
    (post(b"transfer-encoding:\t CHUNKED "), "chunked",     True,       "codings have no case"),
    (post(TE),                               "has_body",    True,       "a chunked body may be anything"),
    (post(b"Content-Length: 5", b"Expect: 100-Continue"), "expects_continue", True, "the client waits for us"),
    (get(b"Expect: 100-continue"),           "expects_continue", False, "not without a body"),
    (post(b"Content-Length: 5", b"Expect: 100-continue", version=b"1.0"), "expects_continue", False, "not in HTTP/1.0"),
    (get(*WS),                               "upgrade",     b"websocket", "an upgrade is asked for"),
    (get(b"Upgrade: a", b"Upgrade: b", b"Connection: upgrade"), "upgrade", b"a, b", "a choice of them"),
    (get(b"Upgrade: websocket"),             "upgrade",     b"",        "not without Connection"),
    (get(b"Upgrade: websocket", b"Connection: close"), "upgrade", b"",  "that names it"),
    (get(b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings"), "upgrade", b"", "HTTP/2 would hide requests"),
    (get(b"Upgrade: HTTP/2.0", b"Connection: Upgrade"), "upgrade", b"", "by any name"),
    (get(*WS, version=b"1.0"),               "upgrade",     b"",        "HTTP/1.0 cannot"),
    (post(*WS),                              "upgrade",     b"",        "POST does not"),
    (post(b"Content-Length: 5", b"Upgrade: x"), "has_body", True,       "an upgrade nobody asked for leaves the body alone"),
    (get(b"X-Forwarded-For: 1, 2", b"x-forwarded-for: 3"), "forwarded_for", b"1, 2, 3", "lists are joined"),
    (get(b"X-Forwarded-For:", b"X-Forwarded-For: 3"), "forwarded_for", b"3", "nothing adds nothing"),
    (get(),                                  "forwarded_for", None,     "nobody forwarded it"),
    (get(b"X-Amzn-Trace-Id: Root=1"),        "trace_id",    b"Root=1",  "a trace goes on"),
    (get(),                                  "size",        len(get()), "the size is that of the head"),
]
# fmt: on


@pytest.mark.parametrize(
    ("head", "name", "value"),
    [row[:-1] for row in READ],
    ids=[f"{row[1]}: {row[3]}" for row in READ],
)
def test_what_has_one_meaning_is_read(head: bytes, name: str, value: object) -> None:
    assert value == getattr(read(head), name)


def test_headers_are_told_apart_for_rules_as_they_came() -> None:
    head = read(get(b"X-A:  1 ", b"x-a: 2", b"Connection: x-a"))
    assert head.pairs() == [
        (b"host", b"a"),
        (b"x-a", b"1"),
        (b"x-a", b"2"),
        (b"connection", b"x-a"),
    ]


def test_a_head_ends_where_its_empty_line_does() -> None:
    buffer = b"junk" + get() + b"the body"
    found = scan_request(buffer, 4)
    assert found is not None
    assert buffer[found[1] :] == b"the body"


@pytest.mark.parametrize(
    "line", [b"GET / HTTP/1.1", b"X: " + b"y" * (HEADER_MAX - 3)], ids=["small", "max"]
)
def test_limits_are_reached_and_not_passed(line: bytes) -> None:
    assert read(get(b"X: y")).size < read(get(line.replace(b"GET", b"X:"))).size


def test_the_largest_head_is_read_and_one_more_byte_is_not() -> None:
    filler = b"X: " + b"y" * 16000
    size = HEAD_MAX - len(get(*[filler] * 4, b"Z:"))
    assert read(get(*[filler] * 4, b"Z:" + b"z" * size)).size == HEAD_MAX
    with pytest.raises(Refused, match="HeadTooLarge"):
        scan_request(get(*[filler] * 4, b"Z:" + b"z" * (size + 1)))
    assert scan_request(get(*[filler] * 4, b"Z:" + b"z" * size)[:-1]) is None


def test_names_of_hosts_are_remembered_within_bounds() -> None:
    for number in range(HOSTS_REMEMBERED + 1):
        name = b"h%d" % number
        assert read(b"GET / HTTP/1.1\r\nHost: %b:1\r\n\r\n" % name).host == name
    assert read(b"GET / HTTP/1.1\r\nHost: h0:1\r\n\r\n").host == b"h0"
