"""The demo's shape does what its docstring promises, on fast and slow machines.

The simulation knows what matters: tasks that serve one request at a time, turns
between them, one CPU sample a second, alarms over a sliding window, cooldowns,
and the delay from a decision to a task that takes its turn.
"""

from dataclasses import dataclass, field

import pytest

from autoscaler.model import Comparison
from autoscaler.policies import StepScalingPolicy
from controlplane.cluster_file import load
from controlplane.demo import scenario
from controlplane.demo.host import packaged_file
from controlplane.demo.task import Settings
from controlplane.load.shape import even, parse_shape
from tests.support.scaling import steps_of

TASK_CORES = 256 / 1024


@dataclass
class SimulatedService:
    """Tasks in turn; `free_at_s` of each is when it has served its queue."""

    start_s: float
    cpu_s: float
    free_at_s: list[float] = field(default_factory=lambda: [0.0])
    turn: int = 0
    pending: list[float] = field(default_factory=list)
    used_s: dict[int, float] = field(default_factory=dict)
    utilization: list[float] = field(default_factory=list)
    last_action_s: float = -1e9
    repeated_at_s: float = -1e9
    counts: list[int] = field(default_factory=list)
    waits: list[tuple[float, float]] = field(default_factory=list)

    def serve(self, at_s: float) -> None:
        self.turn = (self.turn + 1) % len(self.free_at_s)
        begin_s = max(at_s, self.free_at_s[self.turn])
        self.free_at_s[self.turn] = begin_s + 0.020
        self.used_s[int(begin_s)] = self.used_s.get(int(begin_s), 0) + self.cpu_s
        self.waits.append((at_s, begin_s + 0.020 - at_s))

    def second(self, now: int) -> None:
        """What happens at the end of each second: tasks start, alarms look."""
        for ready_s in [r for r in self.pending if r <= now]:
            self.pending.remove(ready_s)
            self.free_at_s.append(float(now))
        running = len(self.free_at_s)
        self.utilization.append(
            100 * self.used_s.get(now - 1, 0) / (TASK_CORES * running)
        )
        self.counts.append(running)
        self.scale(now + 1)  # a sample is seen a second late

    def average(self, periods_ago: int) -> float:
        end = len(self.utilization) - periods_ago * scenario.PERIOD_S
        window = self.utilization[max(0, end - scenario.PERIOD_S) : end]
        return sum(window) / len(window) if window else 50.0

    def scale(self, now: float) -> None:
        desired = len(self.free_at_s) + len(self.pending)
        high = self.average(0) > scenario.OUT_THRESHOLD
        low = all(
            self.average(n) < scenario.IN_THRESHOLD for n in range(scenario.IN_PERIODS)
        )
        if not (high or low) or now - self.repeated_at_s < scenario.PERIOD_S:
            return
        self.repeated_at_s = now  # an alarm acts each period, in a cooldown in vain
        since_s = now - self.last_action_s
        if high and since_s >= scenario.OUT_COOLDOWN_S and desired < scenario.TASKS_MAX:
            self.pending.append(now + self.start_s)
            self.last_action_s = now
        elif low and since_s >= scenario.IN_COOLDOWN_S and desired > 1:
            self.free_at_s.pop()
            self.last_action_s = now


def play(start_s: float, cpu_s: float) -> tuple[SimulatedService, SimulatedService]:
    web, api = (SimulatedService(start_s, cpu_s) for _ in range(2))
    shape = parse_shape(scenario.SHAPE)
    now = 0
    for number, at_s in enumerate(even(shape)):
        while now + 1 <= at_s:
            now += 1
            for service in (web, api):
                service.second(now)
        target = scenario.TARGETS[number % len(scenario.TARGETS)]
        (api if target.startswith("/api/") else web).serve(at_s)
    return web, api


def p95_ms(service: SimulatedService, first_s: float, last_s: float) -> float:
    waits = sorted(w for at_s, w in service.waits if first_s <= at_s < last_s)
    return 1000 * waits[int(0.95 * len(waits))]


machines = pytest.mark.parametrize(
    ("start_s", "cpu_s"),
    [(0.5, 0.005), (2.0, 0.005), (2.0, 0.0053), (4.0, 0.0052), (6.0, 0.0053)],
)


@machines
def test_tasks_go_from_one_to_three_or_four_and_back(
    start_s: float, cpu_s: float
) -> None:
    web, api = play(start_s, cpu_s)

    assert max(web.counts) in {3, 4}
    assert 1 == web.counts[0] == web.counts[-1]
    assert {1} == set(api.counts)


@machines
def test_nobody_waits_as_long_as_the_timeout(start_s: float, cpu_s: float) -> None:
    web, api = play(start_s, cpu_s)
    assert 4.0 > max(wait for _, wait in web.waits + api.waits)


@machines
def test_p95_falls_by_half_and_more_once_three_tasks_serve(
    start_s: float, cpu_s: float
) -> None:
    web, _ = play(start_s, cpu_s)
    third_s = web.counts.index(3) + 1
    worst = max(p95_ms(web, t, t + 1) for t in range(third_s - 12, third_s + 1))
    assert worst > 200
    assert p95_ms(web, scenario.QUIET_FROM_S - 8, scenario.QUIET_FROM_S - 3) < 60


def test_the_peak_stays_under_three_quarters_of_a_core() -> None:
    settings = Settings({})
    shape = parse_shape(scenario.SHAPE)
    peak = max(shape.rate_at(t / 10) for t in range(int(shape.duration_s * 10)))
    assert peak * settings.cpu_ms / 1000 < 0.75


def test_the_load_is_low_for_good_from_the_second_that_the_demo_waits_for() -> None:
    shape = parse_shape(scenario.SHAPE)
    start = shape.rate_at(0)
    later = range(scenario.QUIET_FROM_S, int(shape.duration_s))
    assert {start} == {shape.rate_at(float(at_s)) for at_s in later}
    assert shape.rate_at(scenario.QUIET_FROM_S - 0.5) > start


def seen(policy: StepScalingPolicy) -> tuple[object, ...]:
    alarm = policy.alarm
    by = [step.scaling_adjustment for step in policy.steps]
    periods = alarm.evaluation_periods, alarm.datapoints_to_alarm
    return alarm.comparison, alarm.threshold, alarm.period_s, periods, by


def test_the_cluster_file_has_these_alarms() -> None:
    file = packaged_file()
    loaded = load(str(file), file.read_text(), {})

    assert ["api", "web"] == sorted(s.name for s in loaded.services)
    assert 2 == len(loaded.scalable_targets)
    for target in loaded.scalable_targets:
        out, home = steps_of(target)
        assert (1, scenario.TASKS_MAX) == (target.min_capacity, target.max_capacity)
        many = scenario.OUT_PERIODS, scenario.OUT_PERIODS
        high = Comparison.GREATER, scenario.OUT_THRESHOLD, scenario.PERIOD_S
        assert (*high, many, [1]) == seen(out)
        many = scenario.IN_PERIODS, scenario.IN_PERIODS
        low = Comparison.LESS, scenario.IN_THRESHOLD, scenario.PERIOD_S
        assert (*low, many, [-1]) == seen(home)
        assert scenario.OUT_COOLDOWN_S == out.cooldown_s
        assert scenario.IN_COOLDOWN_S == home.cooldown_s


def test_there_is_time_to_come_up_and_to_come_home() -> None:
    assert parse_shape(scenario.SHAPE).duration_s <= scenario.SECONDS_MAX - 30
