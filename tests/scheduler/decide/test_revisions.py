"""A change makes a revision, and a deployment, only if something changed."""

from dataclasses import replace

import pytest

from scheduler.decide.revisions import (
    REVISIONS_KEPT,
    needs_deployment,
    outlived,
    registered,
)
from scheduler.model import Service, ServiceLoadBalancer
from tests.support.tasks import container, definition

WEB = definition(revision=0)
OTHER = definition(container("web", 9090), revision=0)


def test_the_first_revision_is_one_and_families_are_apart() -> None:
    elsewhere = replace(OTHER, family="api", revision=7)
    assert registered(WEB, [elsewhere]).revision == 1


def test_an_equal_definition_is_the_same_revision() -> None:
    assert registered(WEB, [replace(WEB, revision=4)]).revision == 4


def test_a_changed_one_is_the_next_even_if_an_older_one_was_equal() -> None:
    known = [replace(WEB, revision=1), replace(OTHER, revision=2)]
    assert registered(WEB, known).revision == 3


def test_the_newest_of_each_family_are_kept_and_what_is_in_use() -> None:
    count = REVISIONS_KEPT + 4
    web = [replace(WEB, revision=number) for number in range(1, count + 1)]
    api = [replace(each, family="api") for each in web[:REVISIONS_KEPT]]

    gone = outlived([*reversed(web), *api], {"web:2", f"web:{count}"})

    assert ["web:1", "web:3", "web:4"] == [each.name for each in gone]
    left = [each for each in web if each not in gone]
    assert registered(OTHER, left).revision == count + 1


BEFORE = Service("web", definition(), 1, (ServiceLoadBalancer("blue", "web", 8080),))


@pytest.mark.parametrize(
    ("after", "needed"),
    [
        (replace(BEFORE, desired_count=5), False),
        (replace(BEFORE, health_check_grace_period_s=9.0), False),
        (
            replace(
                BEFORE,
                load_balancers=(ServiceLoadBalancer("blue", "web", 8080, 5.0),),
            ),
            False,
        ),
        (replace(BEFORE, task_definition=definition(revision=2)), True),
        (replace(BEFORE, load_balancers=()), True),
    ],
    ids=["count", "grace period", "drain delay", "definition", "target groups"],
)
def test_what_replaces_tasks(after: Service, needed: bool) -> None:  # noqa: FBT001
    assert needed is needs_deployment(BEFORE, after)
