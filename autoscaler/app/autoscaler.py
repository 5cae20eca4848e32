"""The autoscaler: a look every second, written down before it acts. Floor 4.

The shell around `look.look`: it keeps the clock, the series and the memory,
commits what a look decided in one batch and only then sets desired counts. A
decision that was not committed was not taken; the next look takes it again. A
desired count whose setting was cut off stays Pending and is set again, also
after a restart: the port does it once per activity.

Times inside are steady: unix time as it was at the start, plus seconds that
never go back. So a cooldown neither ends early nor lasts longer because the
machine's clock was set.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from autoscaler.app import activities, explanation
from autoscaler.app import look as looking
from autoscaler.app.alarms import UNCHECKED
from autoscaler.app.explanation import ScalingView
from autoscaler.app.sight import Memory, Outcome, Sight
from autoscaler.decide.alarm import evaluation_range
from autoscaler.decide.fast_tracking import seconds_needed
from autoscaler.decide.statistics import Distribution
from autoscaler.model import (
    Activity,
    ActivityStatus,
    AlarmRecord,
    AlarmState,
    AlarmView,
    Cooldown,
    Metric,
)
from autoscaler.policies import (
    BoundsRecord,
    ScalableTarget,
    ScheduleRecord,
    SuspendedState,
    SuspensionRecord,
)
from autoscaler.ports import Capacities
from autoscaler.state.series import Series, SeriesStatistics, SeriesTable
from foundation.clock import Clock
from foundation.journal import Change, CommitFailed, Delete, Journal, Put

ALARM: Final = "alarm"
COOLDOWN: Final = "cooldown"
ACTIVITY: Final = "activity"
BOUNDS: Final = "scaling_bounds"
SCHEDULE: Final = "scheduled_action"
SUSPENSION: Final = "scaling_suspension"

RECORDS: Final[Mapping[str, type]] = {
    ALARM: AlarmRecord,
    COOLDOWN: Cooldown,
    ACTIVITY: Activity,
    BOUNDS: BoundsRecord,
    SCHEDULE: ScheduleRecord,
    SUSPENSION: SuspensionRecord,
}
"""The kinds of records in the journal and what each value is."""

EVENTS_MAX: Final = 1000
SET_DEADLINE_S: Final = 5.0
"""How long one setting of a desired count may take before the look goes on."""

log = logging.getLogger(__name__)

Event = tuple[float, str, str]
"""(unix seconds, resource, message)"""


class Autoscaler:
    """Keeps each service's desired count where its alarms and policies want it."""

    def __init__(
        self,
        *,
        clock: Clock,
        journal: Journal,
        capacities: Capacities,
        records: Mapping[str, Mapping[str, object]],
        series: SeriesTable | None = None,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._capacities = capacities
        self._steady_offset_s = clock.unix_s() - clock.now_s()
        self._targets: tuple[ScalableTarget, ...] = ()
        self._series = series or SeriesTable()
        self._memory = _remembered(records, clock.unix_s())
        self._events: deque[Event] = deque(maxlen=EVENTS_MAX)
        self._callbacks: list[Callable[[], None]] = []
        self._configured = False
        self._commit_failing = False

    def configure(self, targets: Sequence[ScalableTarget]) -> None:
        """Scale `targets` and nothing else from the next look on.

        An alarm keeps its state when its definition changes, as in CloudWatch;
        what belonged to targets no longer named is forgotten.
        """
        self._targets = tuple(targets)
        self._configured = True
        self._series.watch(_spans_s(targets), -int(-self._steady_s() // 1))

    def record(
        self, metric: Metric, at_unix_s: float, value: float, unit: str = ""
    ) -> bool:
        """Take one sample measured at `at_unix_s`; several per second are welcome.

        False: it is too old, or there are too many metrics already.
        """
        return self._series.record(metric, self._second_of(at_unix_s), value, unit)

    def add(
        self,
        metric: Metric,
        at_unix_s: float,
        distribution: Distribution,
        unit: str = "",
    ) -> bool:
        """Take a set of samples, as `record` does one."""
        second = self._second_of(at_unix_s)
        return self._series.add(metric, second, distribution, unit)

    def _second_of(self, at_unix_s: float) -> int:
        """Return a time of the machine's clock in the time that is kept inside."""
        return int(self._steady_s() - (self._clock.unix_s() - at_unix_s))

    async def run(self) -> None:
        """Take one look at each whole second, until cancelled."""
        while True:
            await asyncio.sleep(1.0 - self._steady_s() % 1.0)
            await self.look()

    async def look(self) -> None:
        """Decide, commit, then set. Does nothing before the first `configure`."""
        self._series.forget(int(self._steady_s()))
        if not self._configured:
            return
        outcome = looking.look(self._sight(), self._memory)
        if not await self._commit(outcome):
            return
        for activity in outcome.actions:
            await self._set(activity)

    def alarms(self) -> Mapping[str, AlarmView]:
        """Return every configured alarm by name, as last decided."""
        return {view.name: view for view in self._views()}

    def activities(self) -> Sequence[Activity]:
        """Return the scaling activities kept, oldest first."""
        return tuple(one for one in self._memory.activities.values() if one.scales)

    def all_activities(self) -> Sequence[Activity]:
        """Return them with those that did not scale."""
        return tuple(self._memory.activities.values())

    def explain(self, resource: str) -> ScalingView | None:
        """Return why the count is what it is; None when it does not scale yet."""
        return explanation.explain(self._sight(), self._memory, resource)

    async def suspend(self, resource: str, wanted: SuspendedState) -> bool:
        """Suspend what `wanted` says and nothing else, until the file changes it.

        False when there is no such target. Policies whose alarm is still in ALARM
        act at the next look after they are resumed. Raises CommitFailed.
        """
        for target in self._targets:
            if target.resource == resource:
                record = SuspensionRecord(wanted, target.suspended)
                await self._journal.commit([Put(SUSPENSION, resource, record)])
                self._memory.suspensions[resource] = record
                for alarm in target.alarms:
                    self._memory.acted_s.pop(alarm.name, None)
                    self._memory.looked_s.pop(alarm.name, None)
                return True
        return False

    def _sight(self) -> Sight:
        return Sight(
            self._steady_s(),
            self._targets,
            self._capacities.observe(),
            self._series.view(),
            self._clock.unix_s(),
        )

    def events(self) -> Sequence[Event]:
        """Return what was decided and why, oldest first."""
        return tuple(self._events)

    def statistics(self) -> SeriesStatistics:
        return self._series.statistics()

    def series(self) -> Mapping[Metric, Series]:
        """Return what was measured, by metric: for reading only."""
        return self._series.view()

    def now_s(self) -> float:
        """Return the time by which samples are kept, in unix seconds."""
        return self._steady_s()

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` whenever a look decided something worth telling."""
        self._callbacks.append(callback)

    def _steady_s(self) -> float:
        return self._clock.now_s() + self._steady_offset_s

    def _views(self) -> Iterator[AlarmView]:
        for target in self._targets:
            for alarm in target.alarms:
                record = self._memory.alarms.get(alarm.name)
                yield AlarmView(
                    alarm.name,
                    target.resource,
                    alarm.metric,
                    record.state if record else AlarmState.INSUFFICIENT_DATA,
                    record.reason if record else UNCHECKED,
                    record.since_unix_s if record else self._steady_s(),
                    alarm.comparison,
                    alarm.threshold,
                    self._memory.values.get(alarm.name),
                )

    async def _set(self, activity: Activity) -> None:
        """Set a desired count; unfinished in time it stays Pending for another look."""
        try:
            async with asyncio.timeout(SET_DEADLINE_S):
                done = await self._capacities.set_desired(
                    activity.resource,
                    activity.to_capacity,
                    activity.if_version,
                    activity.activity_id,
                    f"{activity.cause} ({activity.details})",
                )
        except (TimeoutError, CommitFailed) as error:
            log.warning("desired count of %s not set: %r", activity.resource, error)
            return
        if done:
            begun = replace(activity, status=ActivityStatus.IN_PROGRESS)
            await self._commit(Outcome(activities={begun.activity_id: begun}))
        else:
            over = activities.failed(self._steady_s(), activity, self._memory)
            await self._commit(over)

    async def _commit(self, outcome: Outcome) -> bool:
        """Write `outcome` down, then remember and tell it; False changes nothing."""
        batch = _batch(outcome)
        try:
            if batch:
                await self._journal.commit(batch)
        except CommitFailed as error:
            if not self._commit_failing:
                log.exception("no decision is taken while commits fail")
                self._tell("", f"no decision is taken while commits fail: {error}")
            self._commit_failing = True
            return False
        self._commit_failing = self._commit_failing and not batch
        _remember(outcome, self._memory)
        for told in outcome.events:
            self._tell(told.resource, told.message)
        return True

    def _tell(self, resource: str, message: str) -> None:
        self._events.append((self._clock.unix_s(), resource, message))
        for callback in self._callbacks:
            callback()


def _spans_s(targets: Sequence[ScalableTarget]) -> dict[Metric, int]:
    """Return how far back alarms and policies look on each metric, in seconds."""
    spans_s: dict[Metric, int] = {}
    for target in targets:
        for alarm in target.alarms:
            span_s = evaluation_range(alarm.evaluation_periods) * alarm.period_s
            spans_s[alarm.metric] = max(spans_s.get(alarm.metric, 0), span_s)
        for policy in target.fast:
            span_s = seconds_needed(policy)
            spans_s[policy.metric] = max(spans_s.get(policy.metric, 0), span_s)
    return spans_s


def _remembered(
    records: Mapping[str, Mapping[str, object]], now_unix_s: float
) -> Memory:
    """Return the memory that `records` of an earlier life hold.

    A completion later than now means that the clock was set back: it counts as
    now, so that the cooldown passes once more and not longer.
    """
    memory = Memory()
    for name, alarm in records.get(ALARM, {}).items():
        assert isinstance(alarm, AlarmRecord)
        memory.alarms[name] = alarm
    for resource, cooldown in records.get(COOLDOWN, {}).items():
        assert isinstance(cooldown, Cooldown)
        completed_s = cooldown.completed_unix_s
        if completed_s is not None:
            completed_s = min(completed_s, now_unix_s)
        memory.cooldowns[resource] = replace(cooldown, completed_unix_s=completed_s)
    activities = []
    for activity in records.get(ACTIVITY, {}).values():
        assert isinstance(activity, Activity)
        activities.append(activity)
    activities.sort(key=lambda activity: activity.start_unix_s)
    memory.activities = {activity.activity_id: activity for activity in activities}
    for resource, bounds in records.get(BOUNDS, {}).items():
        assert isinstance(bounds, BoundsRecord)
        memory.bounds[resource] = bounds
    for key, schedule in records.get(SCHEDULE, {}).items():
        assert isinstance(schedule, ScheduleRecord)
        memory.schedules[key] = schedule
    for resource, suspension in records.get(SUSPENSION, {}).items():
        assert isinstance(suspension, SuspensionRecord)
        memory.suspensions[resource] = suspension
    return memory


def _batch(outcome: Outcome) -> list[Change]:
    kinds: tuple[tuple[str, Mapping[str, object]], ...] = (
        (ALARM, outcome.alarms),
        (COOLDOWN, outcome.cooldowns),
        (ACTIVITY, outcome.activities),
        (BOUNDS, outcome.bounds),
        (SCHEDULE, outcome.schedules),
        (SUSPENSION, outcome.suspensions),
    )
    return [
        Delete(kind, key) if value is None else Put(kind, key, value)
        for kind, records in kinds
        for key, value in records.items()
    ]


def _remember(outcome: Outcome, memory: Memory) -> None:
    _merge(outcome.alarms, memory.alarms)
    _merge(outcome.cooldowns, memory.cooldowns)
    _merge(outcome.activities, memory.activities)
    _merge(outcome.acted_s, memory.acted_s)
    _merge(outcome.not_scaled, memory.not_scaled)
    _merge(outcome.panics_s, memory.panics_s)
    _merge(outcome.bounds, memory.bounds)
    _merge(outcome.schedules, memory.schedules)
    _merge(outcome.suspensions, memory.suspensions)
    memory.datapoints.update(outcome.datapoints)
    memory.dealt_s.update(outcome.dealt_s)
    for key in memory.dealt_s.keys() - memory.schedules.keys():
        del memory.dealt_s[key]
    memory.looked_s.update(outcome.looked_s)
    memory.values.update(outcome.values)
    for name, record in outcome.alarms.items():
        if record is None:
            memory.looked_s.pop(name, None)
            memory.acted_s.pop(name, None)
            memory.values.pop(name, None)
            memory.datapoints.pop(name, None)


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def _merge(
    changes: Mapping[_Key, _Value | None], into: MutableMapping[_Key, _Value]
) -> None:
    for key, value in changes.items():
        if value is None:
            into.pop(key, None)
        else:
            into[key] = value
