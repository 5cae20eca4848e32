"""What is kept of deployments, and what is told of them."""

from dataclasses import replace

import pytest

from scheduler.decide import deployments
from scheduler.model import Deployment, RolloutState
from tests.support.tasks import NOW, definition

R = RolloutState


def made(
    number: int, state: RolloutState = R.COMPLETED, *, inactive: bool = True
) -> Deployment:
    return Deployment(
        f"ecs-svc/{number}",
        "web",
        definition(),
        NOW,
        rollout_state=state,
        updated_at_unix_s=NOW + number,
        finished_at_unix_s=NOW + number,
        inactive=inactive,
    )


def test_the_oldest_inactive_ones_are_forgotten() -> None:
    many = [made(number) for number in range(deployments.KEPT + 3)]
    gone = [one.id for one in deployments.forgotten(many, set())]
    assert ["ecs-svc/2", "ecs-svc/1", "ecs-svc/0"] == gone
    needed = deployments.forgotten(many, {"ecs-svc/1"})
    assert ["ecs-svc/2", "ecs-svc/0"] == [one.id for one in needed]


def test_what_can_be_rolled_back_to_is_kept_however_old() -> None:
    good = [made(0), made(1, inactive=False)]
    bad = [made(2 + number, R.FAILED) for number in range(deployments.KEPT + 1)]
    gone = deployments.forgotten([*good, *bad], set())
    assert ["ecs-svc/2"] == [one.id for one in gone]


BACK = replace(made(3, R.FAILED), rolled_back_to="ecs-svc/1")

# fmt: off
STATUSES = [  # deployment, PRIMARY, others, status, because
    (made(1, R.COMPLETED),   "1", [],                    "SUCCESSFUL",           "it is there"),
    (made(1, R.COMPLETED),   "2", [],                    "SUCCESSFUL",           "it was"),
    (made(1, R.IN_PROGRESS), "1", [],                    "IN_PROGRESS",          "it is under way"),
    (made(1, R.IN_PROGRESS), "2", [],                    "STOPPED",              "another took over"),
    (made(1, R.FAILED),      "1", [],                    "STOPPED",              "it failed and stays"),
    (BACK,                   "1", [made(1, R.IN_PROGRESS)], "ROLLBACK_IN_PROGRESS", "the other comes back"),
    (BACK,                   "1", [made(1)],             "ROLLBACK_SUCCESSFUL",  "it is back"),
    (BACK,                   "1", [made(1, R.FAILED)],   "ROLLBACK_FAILED",      "it failed too"),
    (BACK,                   "2", [],                    "STOPPED",              "that is long forgotten"),
]
# fmt: on


@pytest.mark.parametrize("row", STATUSES, ids=[row[-1] for row in STATUSES])
def test_status(
    row: tuple[Deployment, str, list[Deployment], str, str],
) -> None:
    deployment, primary, others, expected, _ = row
    found = deployments.status_of(deployment, f"ecs-svc/{primary}", others)
    assert expected == found
