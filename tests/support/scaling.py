"""An autoscaler over tasks in memory, in virtual time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from autoscaler.app.autoscaler import Autoscaler
from autoscaler.app.remembering import RECORDS
from autoscaler.decide.utilization import cpu_metric
from autoscaler.model import (
    Alarm,
    AlarmState,
    Capacity,
    Comparison,
    CompositeAlarm,
    Statistic,
)
from autoscaler.policies import (
    AdjustmentType,
    ScalableTarget,
    StepAdjustment,
    StepScalingPolicy,
)
from foundation.clock import VirtualClock
from foundation.journal import MemoryJournal

CPU = cpu_metric("demo", "web")
START_S = 4.0
"""How long a task takes until it is healthy."""


def out(cooldown_s: float = 15.0, adjustment: int = 1) -> StepScalingPolicy:
    alarm = Alarm("web-out", CPU, Statistic.AVERAGE, 10, 1, 1, Comparison.GREATER, 75.0)
    steps = (StepAdjustment(adjustment, 0.0, None),)
    kind = AdjustmentType.CHANGE_IN_CAPACITY
    return StepScalingPolicy("out", alarm, kind, steps, cooldown_s)


def back(cooldown_s: float = 15.0) -> StepScalingPolicy:
    alarm = Alarm("web-in", CPU, Statistic.AVERAGE, 10, 3, 3, Comparison.LESS, 30.0)
    steps = (StepAdjustment(-1, None, 0.0),)
    kind = AdjustmentType.CHANGE_IN_CAPACITY
    return StepScalingPolicy("in", alarm, kind, steps, cooldown_s)


def steps_of(target: ScalableTarget) -> list[StepScalingPolicy]:
    """Return the policies of a target that has no others."""
    found = [one for one in target.policies if isinstance(one, StepScalingPolicy)]
    assert len(found) == len(target.policies)
    return found


TARGET = ScalableTarget("web", 1, 6, (out(), back()))


@dataclass
class Tasks:
    """Services in memory: new tasks are healthy after START_S."""

    clock: VirtualClock
    counts: dict[str, int] = field(default_factory=lambda: {"web": 1})
    version: int = 1
    deploying: bool = False
    refusing: Callable[[], None] | None = None
    log: list[tuple[float, int]] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    changed_s: float = -1e9

    def observe(self) -> Mapping[str, Capacity]:
        reached = self.clock.now_s() - self.changed_s >= START_S
        return {
            name: Capacity(count, count, count, self.deploying, reached, self.version)
            for name, count in self.counts.items()
        }

    async def set_desired(
        self,
        resource: str,
        desired: int,
        if_version: int,
        activity_id: str,
        reason: str,
    ) -> bool:
        assert reason
        if self.refusing is not None:
            self.refusing()
        if activity_id in self.done:
            return True
        if if_version != self.version:
            return False
        self.done.add(activity_id)
        self.put(resource, desired)
        return True

    def put(self, resource: str, desired: int) -> None:
        self.counts[resource] = desired
        self.version += 1
        self.changed_s = self.clock.now_s()
        self.log.append((self.changed_s, desired))


class NoCapacities:
    """Services that there are none of."""

    def observe(self) -> Mapping[str, Capacity]:
        return {}

    async def set_desired(
        self,
        resource: str,
        desired: int,
        if_version: int,
        activity_id: str,
        reason: str,
    ) -> bool:
        raise AssertionError(resource)


class World:
    """A clock, a journal, tasks, and one autoscaler at a time over them."""

    def __init__(self, target: ScalableTarget = TARGET) -> None:
        self.clock = VirtualClock()
        self.journal = MemoryJournal()
        self.tasks = Tasks(self.clock)
        self.target = target
        self.alarms: tuple[Alarm, ...] = ()
        self.composites: tuple[CompositeAlarm, ...] = ()
        self.autoscaler = self.start()

    def start(self) -> Autoscaler:
        self.autoscaler = Autoscaler(
            clock=self.clock,
            journal=self.journal,
            capacities=self.tasks,
            records={kind: dict(self.journal.of(kind)) for kind in RECORDS},
        )
        self.configure()
        return self.autoscaler

    def configure(self) -> None:
        self.autoscaler.configure([self.target], self.alarms, self.composites)

    async def pass_s(self, seconds: int, cpu: Callable[[float], float | None]) -> None:
        """Let seconds pass; `cpu` is the utilization at a time, None for no sample."""
        for _ in range(seconds):
            value = cpu(self.clock.now_s())
            if value is not None:
                self.autoscaler.record(CPU, self.clock.unix_s(), value)
            self.clock.advance(1.0)
            await self.autoscaler.look()

    def alarm(self, name: str) -> AlarmState:
        return self.autoscaler.alarms()[name].state

    def told(self) -> str:
        return "\n".join(message for _, _, message in self.autoscaler.events())


def busy(_: float) -> float:
    return 90.0


def idle(_: float) -> float:
    return 10.0


def silent(_: float) -> None:
    return None
