"""A proxy is compared only if it does what the others do; medians are compared."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.contestants import CONTESTANTS, PEERS, filled, free_ports
from bench.proxy import parse, table, told
from bench.record import Round
from bench.stage import Answer
from bench.workloads import NotComparable


def test_only_our_own_names_are_filled_in() -> None:
    text = "listen ${LISTEN}; return $http_cookie ${undefined} ${OTHER}"

    assert filled(text, {"LISTEN": "80"}) == (
        "listen 80; return $http_cookie ${undefined} ${OTHER}"
    )


@pytest.mark.parametrize("name", CONTESTANTS)
def test_every_configuration_is_committed(name: str) -> None:
    for file in CONTESTANTS[name].prepare:
        assert "${LISTEN}" in (PEERS / file).read_text()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(502, b"a|203.0.113.7, 127.0.0.1|1-abc"),
        Answer(200, b"group a: 65 bytes"),
        Answer(200, b""),
    ],
)
def test_an_answer_that_is_not_the_origins_disqualifies(answer: Answer) -> None:
    with pytest.raises(NotComparable, match=str(answer.status)):
        told(answer)


def test_the_median_is_compared_with_haproxys() -> None:
    def rounds(*costs: float) -> list[Round]:
        return [Round(cost, 1000.0, 100, 200, 0.0) for cost in costs]

    lines = table({"alb": rounds(30, 33, 99), "haproxy": rounds(22, 20, 22)})

    assert [line.split() for line in lines.splitlines()[1:]] == [
        ["haproxy", "22.0", "20.0-22.0", "1000", "1.00"],
        ["alb", "33.0", "30.0-99.0", "1000", "1.50"],
    ]


def test_an_unknown_peer_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--peers", "haproxy,apache"])
    assert "no such peer: apache" in capsys.readouterr().err


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="benchmarks are Linux's"
)
def test_two_benchmarks_at_once_have_ports_of_their_own() -> None:
    program = "from bench.contestants import free_ports; print(*free_ports(3)); input()"
    with subprocess.Popen(
        [sys.executable, "-uc", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PEERS.parents[1],
    ) as other:
        assert other.stdout is not None
        theirs = other.stdout.readline().split()  # and nothing listens there
        assert len(theirs) == 3
        assert not {*free_ports(3)} & {*theirs}
        other.communicate("\n")
