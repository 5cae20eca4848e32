"""Every mistake a person can make in a cluster file has its sentence and its place.

`mistakes.txt` is the table: what is taken out of `valid.yaml`, what is put in,
and every line that is then printed, exactly.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from controlplane.cluster_file import load
from controlplane.problems import ConfigInvalid
from tests.support.certificates import MemoryDisk, ed25519, kept, pair

HERE = Path(__file__).parent
VALID = (HERE / "valid.yaml").read_text()
STRICT = (
    VALID.replace("healthCheckIntervalSeconds: 2", "healthCheckIntervalSeconds: 5")
    + "strictAwsLimits: true\n"
)
VARIABLES = {"NAME": "web"}


def damaged(pem: str) -> str:
    first, *middle, last = pem.splitlines(keepends=True)
    return "".join([first, *middle[1:], last])


@cache
def certificates() -> MemoryDisk:
    """What the rows' certificates are named after."""
    a, short = kept("a.test"), kept("short.test", rsa_bits=1024)
    ed = ed25519("ed.test")
    return MemoryDisk(
        {
            "a.pem": a.certificate,
            "a.key": a.key,
            "b.key": kept("b.test").key,
            "secret.key": pair("a.test", password=b"secret").key,
            "short.pem": short.certificate,
            "short.key": short.key,
            "ed.pem": ed.certificate,
            "ed.key": ed.key,
            "damaged.pem": damaged(a.certificate),
            "damaged.key": damaged(a.key),
            "text.txt": "certificate",
        },
        unreadable=frozenset({"locked.key"}),
    )


class Mistake(NamedTuple):
    section: str
    because: str
    out: str
    put_in: str
    lines: tuple[str, ...]


def mistakes() -> Iterator[Mistake]:
    section = ""
    for block in (HERE / "mistakes.txt").read_text().strip("\n").split("\n\n"):
        if block.startswith("== "):
            section = block.removeprefix("== ")
            continue
        title, *rest = block.split("\n")
        marked = {mark: [r[2:] for r in rest if r[:2] == f"{mark} "] for mark in "-+>"}
        yield Mistake(
            section,
            title.removeprefix("# "),
            "\n".join(marked["-"]),
            "\n".join(marked["+"]),
            tuple(marked[">"]),
        )


MISTAKES = list(mistakes())


def told(text: str) -> list[str]:
    with pytest.raises(ConfigInvalid) as refused:
        load("alb.yaml", text, VARIABLES, certificates())
    return [problem.at("alb.yaml") for problem in refused.value.problems]


def test_the_file_that_is_broken_below_is_valid() -> None:
    assert () == load("alb.yaml", VALID, VARIABLES).warnings
    assert () == load("alb.yaml", STRICT, VARIABLES).warnings


@pytest.mark.parametrize(
    "mistake", MISTAKES, ids=[f"{row.section}: {row.because}" for row in MISTAKES]
)
def test_a_mistake_is_told_in_these_words(mistake: Mistake) -> None:
    base = STRICT if mistake.section == "strictAwsLimits" else VALID
    assert base.count(mistake.out) == 1, "the row must say where it breaks the file"

    broken = base.replace(mistake.out, mistake.put_in)

    assert [f"alb.yaml:{line}" for line in mistake.lines] == told(broken)


def test_all_problems_of_a_file_are_told_at_once_in_the_order_of_the_file() -> None:
    broken = VALID
    rows = [m for m in MISTAKES if m.because in {
        "a priority of 0", "a negative count", "an unknown attribute names the nearest",
        "a control address", "a bad name",
    }]  # fmt: skip
    for row in reversed(rows):
        broken = broken.replace(row.out, row.put_in)

    places = [int(line.split(":")[1]) for line in told(broken)]

    assert len(rows) == len(places)
    assert sorted(places) == places


def test_a_control_character_is_told_with_its_place() -> None:
    assert ["alb.yaml:3:12: character U+0007 is not allowed"] == told(
        VALID.replace("cluster: demo", "cluster: de\x07mo")
    )


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_an_empty_file_is_told(text: str) -> None:
    assert ["alb.yaml:1:1: the file is empty"] == told(text)


def test_a_file_that_is_a_list_is_told() -> None:
    assert ['alb.yaml:1:1: the file must be a mapping such as "cluster: demo"'] == told(
        "- a\n"
    )
