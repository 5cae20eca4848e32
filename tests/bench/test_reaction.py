"""What was seen while the load stepped up becomes three figures, or none."""

from __future__ import annotations

import json

import pytest

from bench.reaction import (
    NEEDED,
    WAYS,
    Look,
    Reaction,
    cluster_file,
    look_of,
    medians,
    parse,
    reaction_of,
)
from bench.workloads import NotComparable
from controlplane.cluster_file import load
from controlplane.demo.host import Host
from scheduler.model import RuntimeKind

BEFORE = [Look(at_s, False, NEEDED, NEEDED) for at_s in (-2.0, -1.0)]  # noqa: FBT003 - a row


def looks(*rows: tuple[float, bool, int, int]) -> list[Look]:
    return [*BEFORE, *(Look(*row) for row in rows)]


def test_each_figure_is_when_it_was_first_seen_after_the_step() -> None:
    seen = looks(
        (0.5, False, 1, 1),
        (1.5, True, 1, 1),
        (2.5, True, NEEDED + 1, 1),
        (3.5, False, NEEDED + 1, NEEDED),
        (4.5, False, NEEDED, NEEDED),
    )

    assert Reaction(1.5, 2.5, 3.5, 7) == reaction_of(seen, 7)


def test_what_never_came_is_not_measured() -> None:
    with pytest.raises(NotComparable, match="were never there"):
        reaction_of(looks((0.5, True, NEEDED, NEEDED - 1)), 0)


def test_a_target_counts_once_it_is_healthy_and_has_answered() -> None:
    targets = [
        {"state": "healthy", "requestCount": 3},
        {"state": "healthy", "requestCount": 0},
        {"state": "initial", "requestCount": 3},
    ]
    alarms = [
        {"name": "TargetTracking-x-AlarmLow-1", "state": "ALARM"},
        {"name": "TargetTracking-x-AlarmHigh-1", "state": "OK"},
    ]
    state = {
        "services": [{"desiredCount": 4}],
        "targetGroups": [{"targets": targets}],
        "alarms": alarms,
    }

    assert Look(1.0, in_alarm=False, desired=4, serving=1) == look_of(state, 1.0)


def test_medians_are_of_what_there_is() -> None:
    rounds = [Reaction(None, 2.0, at_s, 0) for at_s in (5.0, 3.0, 4.0)]

    assert {"decision_s": 2.0, "serving_s": 4.0} == medians(rounds)


HOSTS = [
    Host(RuntimeKind.PROCESS, "local processes", "127.0.0.1"),
    Host(RuntimeKind.DOCKER, "containers", "", "unix:///run/docker.sock", "demo:1"),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("host", HOSTS, ids=[host.why for host in HOSTS])
def test_its_cluster_files_are_valid(way: str, host: Host) -> None:
    loaded = load("alb.yaml", json.dumps(cluster_file(way, 8080, host)), {})

    (target,) = loaded.scalable_targets
    assert [WAYS[way]["policyName"]] == [one.name for one in target.policies]
    assert () == loaded.warnings


def test_three_rounds_of_both_ways_unless_told_otherwise() -> None:
    told = parse([])
    assert (3, "alarm,fast") == (told.rounds, told.ways)
