"""What one look sees, what looks remember, and what one look decided. Floor 4.

Values and no behaviour: `alarms` and `look` fill an Outcome, the shell writes it
down and merges it into the Memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from autoscaler.model import (
    Activity,
    AlarmRecord,
    Capacity,
    Cooldown,
    Metric,
    NotScaled,
    ScalableTarget,
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
    looked_s: dict[str, int] = field(default_factory=dict)
    """Alarm -> the last second it was evaluated at."""
    acted_s: dict[str, int] = field(default_factory=dict)
    """Alarm -> the last second its actions ran at, while in ALARM."""
    values: dict[str, float | None] = field(default_factory=dict)
    """Alarm -> its newest datapoint."""
    not_scaled: dict[tuple[str, str], NotScaled] = field(default_factory=dict)
    """(resource, policy) -> what was told last, so that it is told once."""

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
    looked_s: dict[str, int] = field(default_factory=dict)
    acted_s: dict[str, int | None] = field(default_factory=dict)
    values: dict[str, float | None] = field(default_factory=dict)
    not_scaled: dict[tuple[str, str], NotScaled | None] = field(default_factory=dict)
    events: list[Told] = field(default_factory=list)
    actions: list[Activity] = field(default_factory=list)
    """Pending activities: set their desired counts, once all is written down."""
