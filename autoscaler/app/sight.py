"""What one look sees, what looks remember, and what one look decided. Floor 4.

Values and no behaviour: `alarms` and `look` fill an Outcome, the shell writes it
down and merges it into the Memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields

from autoscaler.actions import Notice
from autoscaler.model import (
    Activity,
    Alarm,
    AlarmHistoryItem,
    AlarmRecord,
    Capacity,
    CompositeAlarm,
    Cooldown,
    Datapoint,
    Metric,
    NotScaled,
)
from autoscaler.policies import (
    BoundsRecord,
    ScalableTarget,
    ScheduleRecord,
    SuspensionRecord,
)
from autoscaler.state.series import Series


@dataclass(slots=True)
class Memory:
    """What looks remember: records as committed, and what a restart may forget."""

    alarms: dict[str, AlarmRecord] = field(default_factory=dict)
    cooldowns: dict[str, Cooldown] = field(default_factory=dict)
    """By resource."""
    activities: dict[str, Activity] = field(default_factory=dict)
    """By id, oldest first."""
    bounds: dict[str, BoundsRecord] = field(default_factory=dict)
    """By resource: what scheduled actions made of its bounds."""
    schedules: dict[str, ScheduleRecord] = field(default_factory=dict)
    """By resource and scheduled action, see `schedules.key_of`."""
    suspensions: dict[str, SuspensionRecord] = field(default_factory=dict)
    """By resource."""
    looked_s: dict[str, int] = field(default_factory=dict)
    """Alarm -> the last second it was evaluated at."""
    acted_s: dict[str, int] = field(default_factory=dict)
    """Alarm -> the last second its actions ran at, while in ALARM."""
    values: dict[str, float | None] = field(default_factory=dict)
    """Alarm -> its newest datapoint."""
    datapoints: dict[str, tuple[Datapoint, ...]] = field(default_factory=dict)
    """Alarm -> what it was evaluated by last, oldest first."""
    definitions: dict[str, Alarm | CompositeAlarm] = field(default_factory=dict)
    """Alarm -> how it was configured at the last look."""
    by_hand: dict[str, float | None] = field(default_factory=dict)
    """Alarms that were set to ALARM by a person since the last look -> the value
    that is to be acted on, if one was given."""
    history: dict[str, dict[str, AlarmHistoryItem]] = field(default_factory=dict)
    """Alarm -> its history by key, oldest first."""
    notices: dict[str, Notice] = field(default_factory=dict)
    """Actions that have to run, by key, oldest first."""
    not_scaled: dict[tuple[str, str], NotScaled] = field(default_factory=dict)
    """(resource, policy) -> what was told last, so that it is told once."""
    panics_s: dict[tuple[str, str], float] = field(default_factory=dict)
    """(resource, policy) -> until when it is panic."""
    dealt_s: dict[str, float] = field(default_factory=dict)
    """As `schedules`, up to the last look: what a restart may look at again."""

    broken: dict[str, Exception] = field(default_factory=dict)
    """Alarms and targets that could not be decided on -> what failed unexpectedly."""

    def open_activities(self, resource: str) -> list[Activity]:
        return [
            activity
            for activity in self.activities.values()
            if activity.resource == resource and activity.is_open
        ]


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen at one look. `now_unix_s` never goes back between looks."""

    now_unix_s: float
    targets: Sequence[ScalableTarget]
    capacities: Mapping[str, Capacity]
    series: Mapping[Metric, Series]
    alarms: Mapping[str, tuple[Alarm, str]] = field(default_factory=dict)
    """Every metric alarm by name, with the resource it scales, or nothing."""
    composites: Sequence[CompositeAlarm] = ()
    wall_unix_s: float = 0.0
    """What the machine's clock says. It may jump: only schedules go by it."""


@dataclass(frozen=True, slots=True)
class Told:
    """A decision's reason for people. `resource` is empty for none in particular."""

    resource: str
    message: str


@dataclass(slots=True)
class Outcome:
    """What one look decided. None as a record means: remove it."""

    alarms: dict[str, AlarmRecord | None] = field(default_factory=dict)
    cooldowns: dict[str, Cooldown | None] = field(default_factory=dict)
    activities: dict[str, Activity | None] = field(default_factory=dict)
    bounds: dict[str, BoundsRecord | None] = field(default_factory=dict)
    schedules: dict[str, ScheduleRecord | None] = field(default_factory=dict)
    suspensions: dict[str, SuspensionRecord | None] = field(default_factory=dict)
    looked_s: dict[str, int] = field(default_factory=dict)
    acted_s: dict[str, int | None] = field(default_factory=dict)
    values: dict[str, float | None] = field(default_factory=dict)
    datapoints: dict[str, tuple[Datapoint, ...]] = field(default_factory=dict)
    definitions: dict[str, Alarm | CompositeAlarm | None] = field(default_factory=dict)
    by_hand: dict[str, float | None] = field(default_factory=dict)
    by_hand_done: list[str] = field(default_factory=list)
    """What was set by hand and is acted on, or is gone."""
    history: dict[str, Mapping[str, AlarmHistoryItem | None]] = field(
        default_factory=dict
    )
    """Alarm -> what is new in its history, and what is too old, by key."""
    notices: dict[str, Notice | None] = field(default_factory=dict)
    not_scaled: dict[tuple[str, str], NotScaled | None] = field(default_factory=dict)
    panics_s: dict[tuple[str, str], float | None] = field(default_factory=dict)
    dealt_s: dict[str, float] = field(default_factory=dict)
    broken: dict[str, Exception | None] = field(default_factory=dict)
    events: list[Told] = field(default_factory=list)
    actions: list[Activity] = field(default_factory=list)
    """Pending activities: set their desired counts, once all is written down."""

    def copied(self) -> Outcome:
        """Return one that can be filled while this stays as it is."""
        return Outcome(*(copy(getattr(self, each.name)) for each in fields(self)))
