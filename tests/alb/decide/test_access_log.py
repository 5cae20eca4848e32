"""A line of the access log tells one request, in ALB's fields, and no other."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.decide.access_log import AccessEntry, LogOf, Moment, json_line, line
from alb.decide.head import scan_request
from alb.decide.names import balancer_id, target_group_arn
from alb.errors import Refused

NOW = Moment(now_s=1000.0, unix_s=1_795_404_619.25)
FIELD = re.compile(rb'"((?:[^"\\]|\\x[0-9a-f]{2})*)"|([^ "\n]+)')


def log() -> LogOf:
    return LogOf(balancer_id("front"), "HTTP", "127.0.0.1", 8080)


def fields_of(text: bytes) -> list[str]:
    """Read a line as its readers do: fields by spaces, quoted ones whole."""
    assert text.endswith(b"\n")
    assert text.count(b"\n") == 1
    found = [a or b for a, b in FIELD.findall(text)]
    assert b" ".join(m.group() for m in FIELD.finditer(text)) == text[:-1]
    return [field.decode() for field in found]


def entry_of(request: bytes) -> AccessEntry:
    entry = AccessEntry(b"192.0.2.7:5", b"TID_1", 999.9)
    found = scan_request(request)
    assert found is not None
    entry.head = found[0]
    entry.received = found[0].size
    return entry


def test_a_forwarded_request_fills_all_fields_in_their_order() -> None:
    entry = entry_of(
        b"GET /a?b=c HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: x y\r\n\r\n"
    )
    entry.tried("10.0.0.1", 20000)
    entry.tried("10.0.0.2", 20001)
    entry.target_statuses[-1] = b"200"
    entry.sent_s, entry.answered_s = 999.902, 999.99
    entry.status, entry.sent, entry.rule_priority = 200, 345, 10
    entry.trace, entry.action = b"Root=1-2-3", b"forward"
    entry.group = target_group_arn("web").encode()

    assert fields_of(line(entry, log(), NOW)) == [
        "http", "2026-11-23T03:30:19.250000Z",
        balancer_id("front"), "192.0.2.7:5", "10.0.0.2:20001",
        "0.002", "0.088", "0.000", "200", "200", str(entry.received), "345",
        "GET http://shop.example:8080/a?b=c HTTP/1.1", "x y", "-", "-",
        target_group_arn("web"), "Root=1-2-3", "-", "-", "10",
        "2026-11-23T03:30:19.150000Z", "forward", "-", "-",
        "10.0.0.1:20000 10.0.0.2:20001", "- 200", "-", "-", "TID_1",
        "-", "-", "-", "127.0.0.1",
    ]  # fmt: skip


# fmt: off
EDGES = [
    (b"Host: a:9000",    "request",                 "GET http://a:9000/ HTTP/1.1", "a port that was sent is kept"),
    (b"Host: [::1]",     "request",                 "GET http://[::1]:8080/ HTTP/1.1", "colons of an address are no port"),
    (b"Host: a",         "user_agent",              "-",  "no user agent"),
    (b"Host: a",         "target:port",             "-",  "never dispatched"),
    (b"Host: a",         "request_processing_time", "-1", "never dispatched"),
    (b"Host: a",         "target_processing_time",  "-1", "never answered"),
    (b"Host: a",         "matched_rule_priority",   "-",  "no rule was reached"),
]
# fmt: on


@pytest.mark.parametrize(
    ("header", "name", "value"), [e[:3] for e in EDGES], ids=[e[3] for e in EDGES]
)
def test_what_is_absent_or_odd(header: bytes, name: str, value: str) -> None:
    entry = entry_of(b"GET / HTTP/1.1\r\n" + header + b"\r\n\r\n")

    told = json.loads(json_line(entry, log(), NOW))

    assert told[name] == value


def test_a_request_that_could_not_be_read_is_told_without_its_words() -> None:
    entry = AccessEntry(b"192.0.2.7:5", b"TID_1", 999.9)

    assert fields_of(line(entry, log(), NOW))[12] == "- http://127.0.0.1:8080- -"


@given(
    target=st.binary(min_size=1, max_size=30),
    agent=st.binary(max_size=30),
    trace=st.binary(max_size=30),
)
def test_no_client_can_forge_a_line_or_a_field(
    target: bytes, agent: bytes, trace: bytes
) -> None:
    request = b"GET /%b HTTP/1.1\r\nHost: a\r\nUser-Agent: %b\r\n\r\n" % (target, agent)
    try:
        entry = entry_of(request)
    except (Refused, AssertionError):
        return  # such a request reaches no log with its words
    entry.trace = trace
    entry.redirect_url = target

    assert len(fields_of(line(entry, log(), NOW))) == 34
    assert json_line(entry, log(), NOW).count(b"\n") == 1
    json.loads(json_line(entry, log(), NOW))


def test_json_says_why_it_failed() -> None:
    entry = entry_of(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    entry.reason = "CONNECT_REFUSED"

    assert json.loads(json_line(entry, log(), NOW))["reason"] == "CONNECT_REFUSED"
