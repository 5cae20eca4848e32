"""A line for each health check, as ALB writes it."""

from __future__ import annotations

import json

import pytest

from alb.decide.health import Answered, Failed, NotMade, ProbeOutcome, TimedOut
from alb.decide.health_log import Checked, json_line, line
from alb.decide.probing import Probed
from alb.model import HealthCheck

BEGAN = 1_761_914_699.875678
CHECK = HealthCheck(matcher=((200, 299),))
WEB = Probed("172.31.20.97", 80, CHECK, "web")
START = b"http 2025-10-31T12:44:59.875678Z 0.019584011 172.31.20.97:80 web "

# fmt: off
LINES = [
    (Answered(200),                b"PASS 200 -",                    "it passed"),
    (Answered(302),                b"FAIL 302 ResponseCodeMismatch", "another code than was wanted"),
    (Answered(502),                b"FAIL 502 TargetError",          "the target says that it fails"),
    (TimedOut(),                   b"FAIL - TimedOut",               "no answer in time"),
    (Failed("connection refused"), b"FAIL - ConnectionReset",        "no valid answer"),
    (NotMade("no descriptors"),    b"FAIL - InternalError",          "our own fault"),
]
# fmt: on


@pytest.mark.parametrize(
    ("outcome", "told"), [row[:-1] for row in LINES], ids=[row[-1] for row in LINES]
)
def test_a_check_is_told_in_awss_words(outcome: ProbeOutcome, told: bytes) -> None:
    checked = Checked(WEB, BEGAN, 0.019584011, outcome)
    assert line(checked) == START + told + b"\n"


def test_a_matcher_may_want_what_is_an_error_elsewhere() -> None:
    wanted = Probed("h", 1, HealthCheck(matcher=((500, 599),)), "web")
    assert b" PASS 503 -" in line(Checked(wanted, BEGAN, 0.1, Answered(503)))


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    secure = Probed("::1", 443, HealthCheck(protocol="HTTPS"), "web")
    told = line(Checked(secure, BEGAN, 0.1, Answered(200)))
    assert told.split()[0] == b"https"
    assert told.split()[3] == b"[::1]:443"


def test_json_says_the_same_and_whose_check_it_was() -> None:
    checked = Checked(WEB, BEGAN, 0.019584011, Answered(502))
    told = json.loads(json_line(checked, "app/front/x"))
    assert told.pop("elb") == "app/front/x"
    assert " ".join(told.values()).encode() + b"\n" == line(checked)
