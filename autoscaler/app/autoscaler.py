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
from collections.abc import (
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import replace
from typing import Final

from autoscaler.actions import Notice
from autoscaler.app import activities, by_hand, explanation
from autoscaler.app import look as looking
from autoscaler.app.alarms import UNCHECKED, watched
from autoscaler.app.explanation import ScalingView
from autoscaler.app.remembering import (
    SUSPENSION,
    batch_of,
    remember,
    remembered,
)
from autoscaler.app.sight import Memory, Outcome, Sight
from autoscaler.decide.alarm import evaluation_range
from autoscaler.decide.fast_tracking import seconds_needed
from autoscaler.decide.statistics import Distribution
from autoscaler.model import (
    Activity,
    ActivityStatus,
    Alarm,
    AlarmHistoryItem,
    AlarmRecord,
    AlarmState,
    AlarmView,
    CompositeAlarm,
    Metric,
)
from autoscaler.policies import (
    ScalableTarget,
    SuspendedState,
    SuspensionRecord,
)
from autoscaler.ports import Capacities, Ran
from autoscaler.state.series import Series
from autoscaler.state.series_table import SeriesStatistics, SeriesTable
from foundation.clock import Clock
from foundation.journal import CommitFailed, Journal, Put

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
        self._alarms: Mapping[str, tuple[Alarm, str]] = {}
        self._composites: tuple[CompositeAlarm, ...] = ()
        self._series = series or SeriesTable()
        self._memory = remembered(records, clock.unix_s())
        self._events: deque[Event] = deque(maxlen=EVENTS_MAX)
        self._callbacks: list[Callable[[], None]] = []
        self._configured = False
        self._commit_failing = False
        self._deciding = asyncio.Lock()
        """Held from what is remembered to what is committed: one decision at a time."""

    def configure(
        self,
        targets: Sequence[ScalableTarget],
        alarms: Sequence[Alarm] = (),
        composites: Sequence[CompositeAlarm] = (),
    ) -> None:
        """Scale `targets`, watch `alarms` and nothing else from the next look on.

        An alarm keeps its state when its definition changes, as in CloudWatch;
        what belonged to targets no longer named is forgotten.
        """
        self._targets = tuple(targets)
        self._alarms = watched(targets, alarms)
        self._composites = tuple(composites)
        self._configured = True
        watching = (alarm for alarm, _ in self._alarms.values())
        spans_s = _spans_s(targets, watching)
        self._series.watch(spans_s, -int(-self._steady_s() // 1))

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
        async with self._deciding:
            outcome = looking.look(self._sight(), self._memory)
            if not await self._commit(outcome):
                return
        for activity in outcome.actions:
            await self._set(activity)

    def alarms(self) -> Mapping[str, AlarmView]:
        """Return every configured alarm by name, as last decided."""
        return {view.name: view for view in self._views()}

    def alarm_history(self, name: str) -> Sequence[AlarmHistoryItem]:
        """Return what became of an alarm, oldest first; of all when `name` is empty."""
        history = self._memory.history
        if name:
            return tuple(history.get(name, {}).values())
        items = (item for of_one in history.values() for item in of_one.values())
        return tuple(sorted(items, key=lambda item: item.unix_s))

    async def set_alarm_state(self, name: str, wish: by_hand.Wish) -> None:
        """Put an alarm into a state until it is evaluated next; its actions run.

        Raises KeyError when there is no such alarm, CommitFailed.
        """
        await self._decide(lambda: by_hand.set_state(*self._known(), name, wish))

    async def enable_alarm_actions(self, name: str, *, enabled: bool) -> None:
        """Have an alarm's actions run, or not. Raises KeyError, CommitFailed."""
        await self._decide(lambda: by_hand.enable(*self._known(), name, enabled))

    def actions_enabled(self) -> Mapping[str, bool]:
        """Return of each alarm whether its actions run now."""
        alarms = self._memory.alarms.items()
        return {name: record.actions_enabled for name, record in alarms}

    def notices(self) -> Sequence[Notice]:
        """Return the actions that have to run, oldest first."""
        return tuple(self._memory.notices.values())

    async def action_ended(self, notice: Notice, ran: Ran) -> None:
        """Write down how an action ended. Raises CommitFailed."""
        now_s = self._steady_s()
        await self._decide(lambda: by_hand.ended(now_s, self._memory, notice, ran))

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

    def _sight(self) -> Sight:
        return Sight(
            self._steady_s(),
            self._targets,
            self._capacities.observe(),
            self._series.view(),
            self._alarms,
            self._composites,
            self._clock.unix_s(),
        )

    def _views(self) -> Iterator[AlarmView]:
        memory = self._memory
        unseen = AlarmRecord(AlarmState.INSUFFICIENT_DATA, UNCHECKED, self._steady_s())
        for name, (alarm, resource) in self._alarms.items():
            yield AlarmView(
                alarm,
                memory.alarms.get(name, unseen),
                resource,
                memory.values.get(name),
                memory.datapoints.get(name, ()),
            )
        for composite in self._composites:
            yield AlarmView(composite, memory.alarms.get(composite.name, unseen))

    def _known(self) -> tuple[Sight, Memory]:
        return self._sight(), self._memory

    async def _decide(self, decide: Callable[[], Outcome]) -> None:
        """Commit what a person asked for, or what became of it. Raises CommitFailed."""
        async with self._deciding:
            if not await self._commit(decide()):
                raise CommitFailed("it could not be written down")

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
        batch = batch_of(outcome)
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
        self._tell_what_broke(outcome)
        remember(outcome, self._memory)
        for told in outcome.events:
            self._tell(told.resource, told.message)
        return True

    def _tell_what_broke(self, outcome: Outcome) -> None:
        """Tell a mistake of ours when it begins; while it lasts it is no news."""
        for subject, error in outcome.broken.items():
            if error is not None and subject not in self._memory.broken:
                log.error("%s stays as it is: nothing decided", subject, exc_info=error)
                self._tell("", f"{subject} stays as it is: deciding failed: {error!r}")

    def _tell(self, resource: str, message: str) -> None:
        self._events.append((self._clock.unix_s(), resource, message))
        for callback in self._callbacks:
            callback()


def _spans_s(
    targets: Sequence[ScalableTarget], alarms: Iterable[Alarm]
) -> dict[Metric, int]:
    """Return how far back alarms and policies look on each metric, in seconds."""
    spans_s: dict[Metric, int] = {}
    for alarm in alarms:
        span_s = evaluation_range(alarm.evaluation_periods) * alarm.period_s
        for metric in alarm.inputs:
            spans_s[metric] = max(spans_s.get(metric, 0), span_s)
    for target in targets:
        for policy in target.fast:
            span_s = seconds_needed(policy)
            spans_s[policy.metric] = max(spans_s.get(policy.metric, 0), span_s)
    return spans_s
