"""An alarm's history is its own: a change of one costs nothing for the others."""

from collections.abc import Iterator

from autoscaler.app.alarms import HISTORY_MAX, note
from autoscaler.app.remembering import batch_of, remember
from autoscaler.app.sight import Memory, Outcome
from autoscaler.model import AlarmHistoryItem, HistoryItemType
from foundation.journal import Delete


def item(alarm: str, second: int) -> AlarmHistoryItem:
    kind = HistoryItemType.STATE_UPDATE
    return AlarmHistoryItem(alarm, float(second), kind, "changed", "{}")


class Unread(dict[str, AlarmHistoryItem]):
    """A history that nobody looks into."""

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("looked into")

    def keys(self) -> None:  # type: ignore[override]
        raise AssertionError("looked into")

    items = values = keys  # type: ignore[assignment]


def test_a_change_of_one_alarm_does_not_walk_the_others() -> None:
    memory = Memory(history={"other": Unread(x=item("other", 1))})
    for second in range(HISTORY_MAX + 2):
        outcome = Outcome()
        note(item("one", second), memory, outcome)
        remember(outcome, memory)

    kept = [one.unix_s for one in memory.history["one"].values()]
    assert kept == [float(second) for second in range(2, HISTORY_MAX + 2)]


def test_what_one_look_makes_too_old_is_deleted_by_its_key() -> None:
    known = {f"k{second}": item("one", second) for second in range(HISTORY_MAX)}
    memory, outcome = Memory(history={"one": known}), Outcome()
    note(item("one", 1000), memory, outcome)
    note(item("one", 1001), memory, outcome)

    batch = batch_of(outcome)

    deleted = [one.key for one in batch if isinstance(one, Delete)]
    assert deleted == ["k0", "k1"]
    assert len(batch) == 4
