"""A keeper holds one whole snapshot, the newest, of the highest control."""

from __future__ import annotations

import pytest

from alb.model import HealthState, TargetHealth, Version
from alb.ports import (
    HealthChange,
    HealthReport,
    ListenerCertificates,
    Manifest,
    Section,
)
from alb.state.holdings import Holdings

WEB, API, FRONT = Section("w", "web"), Section("a", "api"), Section("l", "front")
PLACES = {"http-80": (("10.0.0.1", 80), ("::1", 80)), "http-81": (("::1", 81),)}
CERTIFIED = [ListenerCertificates(name, name, ()) for name in ("http-80", "http-90")]
SICK, HEALTHY = TargetHealth(HealthState.UNHEALTHY), TargetHealth(HealthState.HEALTHY)


@pytest.fixture
def holdings() -> Holdings:
    one = Holdings()
    for section in (WEB, API, FRONT):
        one.add(section)
    return one


@pytest.mark.parametrize(
    ("first", "then", "may"), [(1, 2, True), (2, 2, True), (2, 1, False)]
)
def test_the_highest_epoch_decides(first: int, then: int, may: object) -> None:
    holdings = Holdings()
    assert holdings.greet(first)
    assert holdings.greet(then) == may
    assert holdings.epoch == max(first, then)


def test_a_manifest_is_served_in_its_order(holdings: Holdings) -> None:
    assert holdings.publish(Manifest(Version(1, 1), ("l", "a"), PLACES))
    assert holdings.sections() == (FRONT, API)
    assert holdings.places() == {("10.0.0.1", 80), ("::1", 80), ("::1", 81)}


def test_certificates_stay_as_long_as_their_listener(holdings: Holdings) -> None:
    for served in CERTIFIED:
        holdings.certify(served)
    holdings.publish(Manifest(Version(1, 1), (), PLACES))
    assert holdings.certified() == {"http-80": "http-80"}


def test_health_is_of_all_whatever_changed_last() -> None:
    holdings = Holdings()
    holdings.note(HealthChange({"a": HEALTHY, "b": HEALTHY, "c": HEALTHY}))
    holdings.note(HealthChange({"b": SICK}, gone=("c", "unknown"), log_lines_dropped=3))
    assert holdings.health == HealthReport({"a": HEALTHY, "b": SICK}, 3)


# fmt: off
NOT_TAKEN = [
    (Manifest(Version(1, 6), ("l", "?")), "a section of it is missing"),
    (Manifest(Version(1, 4), ("l",)),     "it is old"),
    (Manifest(Version(0, 9), ("l",)),     "its control is"),
]
# fmt: on


@pytest.mark.parametrize(
    "manifest", [r[0] for r in NOT_TAKEN], ids=[r[1] for r in NOT_TAKEN]
)
def test_what_is_old_or_not_whole_changes_nothing(
    holdings: Holdings, manifest: Manifest
) -> None:
    present = Manifest(Version(1, 5), ("w", "l"))
    assert holdings.publish(present)
    assert not holdings.publish(manifest)
    assert holdings.manifest == present
    assert holdings.sections() == (WEB, FRONT)


def test_a_manifest_may_be_sent_twice(holdings: Holdings) -> None:
    manifest = Manifest(Version(1, 5), ("w",))
    assert holdings.publish(manifest)
    assert holdings.publish(manifest)


def test_sections_that_no_manifest_names_are_forgotten(holdings: Holdings) -> None:
    holdings.publish(Manifest(Version(1, 1), ("w",)))
    assert not holdings.publish(Manifest(Version(1, 2), ("w", "a")))


def test_before_anything_is_published_there_is_nothing() -> None:
    assert Holdings().sections() == ()
    assert Holdings().places() == frozenset()
