"""Records are what was committed; a draft is what would be."""

import asyncio
from dataclasses import replace

import pytest

from foundation.journal import Delete, MemoryJournal, Put
from scheduler.instance import InstanceRecord, PortRecord
from scheduler.model import (
    Deployment,
    Service,
    ServiceRecord,
)
from scheduler.state.records import EVENTS_MAX, KINDS, Records
from tests.support.tasks import NOW, definition, task

WEB = ServiceRecord(Service("web", definition(), 1), "ecs-svc/1", NOW)
FIRST = Deployment("ecs-svc/1", "web", definition(), NOW)


def test_a_draft_changes_nothing_until_it_is_applied() -> None:
    records = Records()
    draft = records.draft()
    draft.put_task(task())
    assert (0, 1) == (len(records.tasks), len(draft.after.tasks))
    records.apply(draft.changes())
    assert len(records.tasks) == 1


def test_the_last_word_on_a_key_is_committed() -> None:
    draft = Records().draft()
    draft.put_task(task())
    draft.put_task(replace(task(), instance="b"))
    [change] = draft.changes()
    assert change == Put("task", "t", replace(task(), instance="b"))
    draft.drop_task(task())
    assert (Delete("task", "t"),) == draft.changes()


def kinds(records: Records) -> dict[str, object]:
    """Return what the records hold of each kind."""
    return {name: of for name, of in vars(records).items() if isinstance(of, dict)}


def test_what_the_journal_holds_is_read_again() -> None:
    draft = Records().draft()
    draft.put_service(WEB)
    draft.put_definition(definition())
    draft.put_task(task())
    draft.put_deployment(FIRST)
    draft.put_port(PortRecord("a", 20_000, NOW, NOW))
    draft.put_instance(InstanceRecord("a", NOW))
    draft.tell("web", "something", NOW)
    journal = MemoryJournal()
    asyncio.run(journal.commit(draft.changes()))

    again = Records.read({**journal.records, "alarm": {"x": object()}})

    assert kinds(again) == kinds(draft.after)
    assert [task()] == again.tasks_of("web") == again.tasks_on("a")
    assert {type(of) for kind in journal.records.values() for of in kind.values()} == (
        set(KINDS.values())
    )


def test_a_definition_is_in_use_as_long_as_anything_has_it() -> None:
    draft = Records().draft()
    for revision in range(1, 6):
        draft.put_definition(definition(revision=revision))
    first, second, third = (definition(revision=number) for number in (1, 2, 3))
    draft.put_service(replace(WEB, service=Service("web", first, 1)))
    draft.put_deployment(replace(FIRST, task_definition=second))
    draft.put_task(replace(task(), task_definition=third))

    assert {each.name for each in (first, second, third)} == (
        draft.after.used_definitions()
    )
    draft.drop_definition(definition(revision=5))
    assert definition(revision=5) not in draft.after.definitions.values()


def test_a_foreign_record_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="no record of ours"):
        Records().apply([Put("alarm", "x", object())])
    with pytest.raises(AssertionError, match="never deleted"):
        Records().apply([Delete("port", "x")])


def test_events_are_bounded_and_stay_in_order() -> None:
    draft = Records().draft()
    for number in range(EVENTS_MAX + 20):
        draft.tell("web", f"event {number}", NOW)
        draft.tell("api", f"other {number}", NOW)
    told = [event.message for event in draft.after.events_of("web")]
    assert [f"event {number}" for number in range(20, EVENTS_MAX + 20)] == told


def test_what_was_just_told_is_not_told_again() -> None:
    draft = Records().draft()
    for at in (0.0, 59.0, 60.0):
        draft.tell_once("web", "no room", NOW + at, within_s=60.0)
    assert [NOW, NOW + 60] == [event.unix_s for event in draft.after.events_of("web")]


def test_a_dropped_service_leaves_its_events_for_a_while() -> None:
    draft = Records().draft()
    draft.put_service(WEB)
    draft.put_deployment(FIRST)
    draft.tell("web", "one", NOW)
    draft.tell("web", "two", NOW + 2)
    draft.drop_service(WEB)
    assert not draft.after.services
    assert not draft.after.deployments
    assert ["one", "two"] == [event.message for event in draft.after.events.values()]
    draft.drop_events(NOW + 1)
    assert ["two"] == [event.message for event in draft.after.events.values()]


def test_ports_are_found_by_instance() -> None:
    draft = Records().draft()
    draft.put_port(PortRecord("a", 20_000, NOW, NOW))
    draft.put_port(PortRecord("b", 20_000, NOW, NOW))
    draft.put_port(PortRecord("b", 20_001, NOW, NOW))
    assert [20_000, 20_001] == sorted(draft.after.ports_of("b"))
