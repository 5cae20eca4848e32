"""When a host that does not answer is given up, and what of it serves on."""

from dataclasses import replace

import pytest

from scheduler.decide.losses import Silence, Views, serves_on, why_lost
from scheduler.model import TaskStatus
from tests.support.tasks import HEALTHY, INITIAL, NOW, UNHEALTHY, task

UNUSED = replace(INITIAL, unused=True)
VIEWS = {"h": HEALTHY, "u": UNHEALTHY, "i": INITIAL, "-": UNUSED, "?": None}


def views(drawing: str) -> Views:
    """Read targets from a drawing: (h)ealthy, (u)nhealthy, (i)nitial, unused, unknown."""
    return [VIEWS[letter] for letter in drawing]


# fmt: off
SILENCES = [  # silent for, targets there, targets of the same services elsewhere
    (59.9, "hh", "hh", None,     "it serves: nobody else has to"),
    (60.0, "hh", "hh", "for 60", "it has been silent for too long"),
    (60.0, "",   "",   "for 60", "even if nothing is known to run there"),
    ( 0.0, "uu", "hh", "all its targets fail", "its targets fail as well"),
    ( 0.0, "u",  "",   "all its targets fail", "no other host has such tasks"),
    ( 0.0, "u-", "h",  "all its targets fail", "what nobody uses says nothing"),
    ( 0.0, "uh", "hh", None,     "one serves"),
    ( 0.0, "ui", "hh", None,     "one was not probed yet"),
    ( 0.0, "uu", "uu", None,     "what fails everywhere is not this host"),
    ( 0.0, "uu", "uh", "all its targets fail", "elsewhere one serves"),
    ( 0.0, "uu", "ui", None,     "elsewhere nothing serves, and some fail as well"),
    ( 0.0, "uu", "ii", "all its targets fail", "elsewhere nothing is known to fail"),
    ( 0.0, "",   "hh", None,     "nothing there is probed"),
    ( 0.0, "-",  "hh", None,     "nobody is sent there"),
]
SERVING = [
    (TaskStatus.RUNNING,    "h",  True,  "it is healthy"),
    (TaskStatus.RUNNING,    "i",  True,  "it may be"),
    (TaskStatus.RUNNING,    "?",  True,  "a new control does not know yet"),
    (TaskStatus.ACTIVATING, "?",  True,  "it is about to be registered"),
    (TaskStatus.RUNNING,    "u",  False, "it fails"),
    (TaskStatus.RUNNING,    "hu", False, "one of its targets fails"),
    (TaskStatus.RUNNING,    "",   False, "nobody can tell"),
    (TaskStatus.RUNNING,    "-",  False, "nobody is sent there"),
    (TaskStatus.PENDING,    "?",  False, "it was only being started"),
]
# fmt: on


@pytest.mark.parametrize(
    ("silent_s", "here", "peers", "why"),
    [row[:4] for row in SILENCES],
    ids=[row[4] for row in SILENCES],
)
def test_a_host_is_lost(
    silent_s: float, here: str, peers: str, why: str | None
) -> None:
    silence = Silence(NOW - silent_s, views(here), views(peers))
    told = why_lost(silence, 60.0, NOW)
    assert (why is None) == (told is None)
    assert (why or "") in (told or "")


@pytest.mark.parametrize(
    ("status", "drawing", "serves"),
    [row[:3] for row in SERVING],
    ids=[row[3] for row in SERVING],
)
def test_a_task_of_a_lost_host_serves_on(
    status: TaskStatus, drawing: str, *, serves: bool
) -> None:
    assert serves is serves_on(task(status=status), views(drawing))
