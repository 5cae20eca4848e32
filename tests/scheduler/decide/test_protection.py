"""Protected tasks: who may be, until when, and what it holds up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scheduler.decide.protection import (
    NotProtected,
    Protected,
    ProtectionFailure,
    blocked,
    protect,
)
from scheduler.model import Service, ServiceRecord, Task, TaskStatus
from tests.support.tasks import NOW, definition, task

UNTIL = NOW + 60
RECORD = ServiceRecord(Service("web", definition(), 1), "ecs-svc/1", NOW)
SERVICES = {"web": RECORD}


def tasks(**made: Task) -> dict[str, Task]:
    return made


def safe(name: str, until: float = UNTIL) -> Task:
    return replace(task(name), protected_until_unix_s=until)


# fmt: off
FAILURES = [
    ("nope", tasks(aaaa1=task("aaaa1")), "MISSING", "nobody has that id"),
    ("aaaa", tasks(aaaa1=task("aaaa1"), aaaa2=task("aaaa2")), "MISSING", "two have ids that begin so"),
    ("aaa",  tasks(aaaa1=task("aaaa1")), "MISSING", "three digits are too few"),
    ("a",    tasks(a=task("a", TaskStatus.STOPPING)), "TASK_NOT_VALID", "it is about to stop"),
    ("a",    tasks(a=replace(task("a"), service="gone")), "TASK_NOT_VALID", "its service is no more"),
    ("a",    tasks(a=task("a"), b=safe("b"), c=safe("c")), "DEPLOYMENT_BLOCKED", "two are protected, one is wanted"),
]
# fmt: on


@pytest.mark.parametrize("row", FAILURES, ids=[row[-1] for row in FAILURES])
def test_what_cannot_be_protected(row: tuple[str, dict[str, Task], str, str]) -> None:
    name, known, failure, _ = row
    found = protect(name, known, SERVICES, UNTIL, NOW)
    assert isinstance(found, NotProtected)
    assert ProtectionFailure(failure) is found.failure


def test_a_task_is_protected_until_then_and_by_the_beginning_of_its_id() -> None:
    found = protect("aaaa", {"aaaa1": task("aaaa1")}, SERVICES, UNTIL, NOW)
    assert Protected(safe("aaaa1")) == found
    assert isinstance(found, Protected)
    assert found.task.is_protected(UNTIL - 1)
    assert not found.task.is_protected(UNTIL)


def test_protecting_again_sets_a_new_end_even_while_blocked() -> None:
    known = {"a": safe("a"), "b": safe("b")}
    assert Protected(safe("a", UNTIL + 9)) == protect(
        "a", known, SERVICES, UNTIL + 9, NOW
    )


def test_unprotecting_is_always_possible() -> None:
    known = {"a": safe("a"), "b": safe("b")}
    assert Protected(task("a")) == protect("a", known, SERVICES, None, NOW)


# fmt: off
BLOCKED = [
    ([safe("a")],                                      "",          "as many as are wanted"),
    ([safe("a"), safe("b")],                           "ecs-svc/1", "more than are wanted"),
    ([safe("a"), safe("b", NOW)],                      "",          "one has expired"),
    ([replace(safe("a"), deployment_id="ecs-svc/0")],  "ecs-svc/0", "of an older deployment none is wanted"),
    ([safe("a"), replace(safe("b"), status=TaskStatus.STOPPED)], "", "one has stopped"),
]
# fmt: on


@pytest.mark.parametrize("row", BLOCKED, ids=[row[-1] for row in BLOCKED])
def test_a_deployment_that_cannot_scale_in(row: tuple[list[Task], str, str]) -> None:
    known, expected, _ = row
    assert frozenset(filter(None, [expected])) == blocked(RECORD, known, NOW)
