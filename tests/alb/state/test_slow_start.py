"""When a target is eased in, when it is not, and what that costs the others."""

from __future__ import annotations

import pytest

from alb.model import (
    Algorithm,
    GroupTargets,
    HealthState,
    Target,
    TargetGroup,
    TargetHealth,
    TargetId,
    Version,
)
from alb.state.groups import GroupState
from alb.state.table import Table

STATES = {
    "h": HealthState.HEALTHY,
    "u": HealthState.UNHEALTHY,
    "i": HealthState.INITIAL,
    "D": HealthState.HEALTHY,
}
DURATION_S = 100.0


class Group:
    """One group whose targets are drawn: a letter each, by position.

    h healthy, u unhealthy, i not judged yet, D draining, a dot not registered.
    """

    def __init__(self, duration_s: float = DURATION_S) -> None:
        self.table = Table(0)
        self.duration_s = duration_s
        self.algorithm = "round_robin"
        self.now_s = 1000.0
        self.version = 0

    @property
    def state(self) -> GroupState:
        return self.table.groups["web"]

    def look(self, drawing: str) -> str:
        """Let targets be so; return them, those in slow start as r."""
        group = TargetGroup(
            "web", algorithm=Algorithm(self.algorithm), slow_start_s=self.duration_s
        )
        targets = tuple(
            Target(TargetId(str(at)), "h", at, draining=letter == "D")
            for at, letter in enumerate(drawing)
            if letter != "."
        )
        self.version += 1
        self.table.swap(
            Version(1, self.version), [GroupTargets(group, targets)], [], self.now_s
        )
        health = {
            TargetId(str(at)): TargetHealth(STATES[letter])
            for at, letter in enumerate(drawing)
            if letter != "."
        }
        self.table.judge(health, self.now_s)
        ramping = {t.id for t in self.state.targets.values() if t.ramp is not None}
        return "".join(
            "r" if str(at) in ramping else letter for at, letter in enumerate(drawing)
        )

    def wait(self, passed_s: float) -> None:
        self.now_s += passed_s
        self.table.tick(self.now_s)


# fmt: off
STORIES = [  # what is seen one after the other, and then who of them is in slow start
    ("hh",             "hh",   "the first of an empty group have full shares"),
    ("ii hi hh",       "hh",   "also if they turn healthy one after the other"),
    ("ii uu uh hh",    "rh",   "but not one that was unhealthy first"),
    ("h hi hh",        "hr",   "a new one beside another is eased in"),
    ("h hii hhh",      "hrr",  "and so are several"),
    ("h hih hhh",      "hrr",  "each from its own beginning"),
    ("u ui uii uhh",   "uhh",  "with no other healthy one, those of one moment are not"),
    ("h u ui uh",      "uh",   "nor is the only healthy one"),
    ("h hh uh uhh",    "urh",  "one in slow start is no other with a full share"),
    ("h hh hu hh",     "hr",   "unhealthy ends it, and healthy begins it again"),
    ("h hh hD",        "hD",   "draining ends it"),
    ("h hh hD hh",     "hr",   "registered again while it drains, it begins again"),
    ("h hh h. hi hh",  "hr",   "and so when it had been gone"),
    ("h . .i .h",      ".h",   "a group that lost all is empty"),
]
# fmt: on


@pytest.mark.parametrize(
    ("story", "seen"), [row[:2] for row in STORIES], ids=[row[2] for row in STORIES]
)
def test_who_is_eased_in(story: str, seen: str) -> None:
    group = Group()
    told = []
    for drawing in story.split():
        told.append(group.look(drawing))
        group.wait(1.0)

    assert told[-1] == seen


def test_enabling_it_does_not_touch_who_is_healthy() -> None:
    group = Group(duration_s=0.0)
    group.look("hi")
    assert group.look("hhi") == "hhi"

    group.duration_s = DURATION_S

    assert group.look("hhi") == "hhi"
    assert group.look("hhh") == "hhr"


def test_disabling_it_ends_those_that_run() -> None:
    group = Group()
    group.look("h")
    assert group.look("hh") == "hr"

    group.duration_s = 0.0

    assert group.look("hh") == "hh"
    assert group.state.chooser is None


def test_another_duration_bends_those_that_run() -> None:
    group = Group()
    group.look("h")
    group.look("hh")
    group.wait(50.0)
    new = group.state.targets[TargetId("1")]
    assert new.weight(group.now_s) == pytest.approx(0.5)

    group.duration_s = 200.0
    group.look("hh")

    assert new.weight(group.now_s) == pytest.approx(0.25)


def test_the_shares_of_a_group_are_told_while_they_grow() -> None:
    group = Group()
    group.look("h")
    group.look("hh")
    assert group.state.shares(group.now_s) == {"0": 1 / 1.01, "1": 0.01 / 1.01}
    group.wait(50.0)

    assert group.table.shares(group.now_s) == ({"1": 0.5}, {})
    assert group.state.shares(group.now_s) == {"0": 2 / 3, "1": 1 / 3}
    group.wait(DURATION_S)
    assert group.table.shares(group.now_s) == ({}, {})
    assert group.state.shares(group.now_s) == {"0": 0.5, "1": 0.5}


def test_what_hangs_on_requests_in_flight_has_no_shares() -> None:
    group = Group()
    group.algorithm = "least_outstanding_requests"
    group.look("hh")

    assert group.state.shares(group.now_s) == {}


def test_round_robin_asks_nobody_once_all_have_full_shares() -> None:
    group = Group()
    group.look("hh")
    assert group.state.chooser is None, "nobody is in slow start"

    assert group.look("hhh") == "hhr"
    assert group.state.chooser is not None
    group.wait(DURATION_S - 1)
    assert group.state.chooser is not None
    group.wait(1)

    assert group.state.chooser is None
    assert [group.state.pick(group.now_s) for _ in range(3)] == list(
        group.state.targets.values()
    )


def test_a_full_share_counts_at_once_for_the_next() -> None:
    group = Group()
    group.look("h")
    assert group.look("hhi") == "hri"
    group.now_s += DURATION_S  # and no tick yet

    assert group.look("uhh") == "uhr"


def test_another_algorithm_takes_over_in_the_middle() -> None:
    group = Group()
    group.look("h")
    group.look("hh")
    for algorithm in ("weighted_random", "round_robin"):
        group.algorithm = algorithm
        assert group.look("hh") == "hr"
        picked = [group.state.pick(group.now_s) for _ in range(100)]
        assert picked.count(group.state.targets[TargetId("1")]) <= 8
