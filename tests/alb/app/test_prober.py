"""The prober keeps every target's health up to date, and tells it soon."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from alb.app.prober import PUBLISH_EVERY_S, Doubts, Probe, run
from alb.decide.health import HEALTHY, Answered, Failed, ProbeOutcome
from alb.decide.health_log import Checked
from alb.decide.sections import Whole
from alb.drivers.probe import probe
from alb.model import (
    Forward,
    GroupTargets,
    HealthCheck,
    HealthReason,
    HealthState,
    Listener,
    Target,
    TargetGroup,
    TargetHealth,
    TargetId,
    WeightedGroup,
)
from foundation.clock import SystemClock

CHECK = HealthCheck(
    interval_s=0.1, timeout_s=0.2, healthy_threshold=2, unhealthy_threshold=2
)
Told = Mapping[TargetId, TargetHealth]
A = TargetId("a")


class Registered:
    """A snapshot source that tests write to: one group, in use by one listener."""

    def __init__(self, *targets: Target, check: HealthCheck = CHECK) -> None:
        self.targets = targets
        self.check = check
        self.in_use = True
        self._changed = asyncio.Event()

    def change(self, *targets: Target, **changes: bool) -> None:
        self.targets = targets
        self.in_use = changes.get("in_use", self.in_use)
        self._changed.set()

    def current(self) -> Whole:
        name = "web" if self.in_use else "other"
        listener = Listener(80, Forward((WeightedGroup(name),)))
        group = TargetGroup("web", self.check)
        return Whole(((listener, ()),), (GroupTargets(group, self.targets),))

    async def wait_changed(self) -> None:
        await self._changed.wait()
        self._changed.clear()


@dataclass
class Hearer:
    """Everything that was published, and a way to wait for it."""

    told: list[Told] = field(default_factory=list)
    event: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, overlay: Told) -> None:
        self.told.append(overlay)
        self.event.set()

    async def wait_for(self, wanted: Callable[[Told], bool]) -> Told:
        async with asyncio.timeout(10):
            while not self.told or not wanted(self.told[-1]):
                self.event.clear()
                await self.event.wait()
        return self.told[-1]

    async def wait_for_state(
        self, state: HealthState, of: TargetId = A
    ) -> TargetHealth:
        told = await self.wait_for(lambda o: of in o and o[of].state is state)
        return told[of]


class Scripted:
    """A probe whose outcome tests set; it counts and remembers whom it asked."""

    def __init__(self, outcome: ProbeOutcome) -> None:
        self.outcome = outcome
        self.asked: list[tuple[str, int]] = []
        self.event = asyncio.Event()

    async def __call__(self, host: str, port: int, check: HealthCheck) -> ProbeOutcome:
        self.asked.append((host, port))
        self.event.set()
        await asyncio.sleep(0)
        return self.outcome

    async def wait_for_more(self, count: int) -> None:
        wanted = len(self.asked) + count
        async with asyncio.timeout(10):
            while len(self.asked) < wanted:
                self.event.clear()
                await self.event.wait()


@contextlib.asynccontextmanager
async def prober(
    source: Registered,
    check_with: Probe = probe,
    known: Told | None = None,
    note: Callable[[Checked], None] = lambda checked: None,
    doubts: Doubts | None = None,
) -> AsyncIterator[Hearer]:
    hearer = Hearer()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(
            run(
                source,
                hearer.publish,
                check_with,
                clock=SystemClock(),
                draw=lambda: 0.0,
                known=known,
                note=note,
                doubts=doubts,
            )
        )
        try:
            yield hearer
        finally:
            running.cancel()


@contextlib.asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            if answer:
                await writer.drain()
            else:
                await reader.read()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


def target(port: int, name: TargetId = A) -> Target:
    return Target(name, "127.0.0.1", port)


OK = b"HTTP/1.1 200 OK\r\n\r\n"
GONE = TargetHealth(HealthState.UNHEALTHY, HealthReason.TIMEOUT, "Request timed out")


# fmt: off
SERVERS = [
    (b"HTTP/1.1 500 Oops\r\n\r\n", HealthReason.RESPONSE_CODE_MISMATCH, "a wrong status"),
    (b"",                          HealthReason.TIMEOUT,                "silence"),
    (b"garbage\r\n",               HealthReason.FAILED_HEALTH_CHECKS,   "garbage"),
    (b"HTTP/1.1 200 OK\r\n",       HealthReason.FAILED_HEALTH_CHECKS,   "half an answer"),
]
# fmt: on


@pytest.mark.parametrize(
    ("answer", "reason"), [row[:2] for row in SERVERS], ids=[row[2] for row in SERVERS]
)
async def test_a_failing_server_becomes_unhealthy(
    answer: bytes, reason: HealthReason
) -> None:
    async with server(answer) as port, prober(Registered(target(port))) as hearer:
        health = await hearer.wait_for_state(HealthState.UNHEALTHY)

    assert reason is health.reason


async def test_an_answering_server_is_healthy_after_its_first_check() -> None:
    slow = replace(CHECK, interval_s=3600.0)
    async with (
        server(OK) as port,
        prober(Registered(target(port), check=slow)) as hearer,
    ):
        await hearer.wait_for_state(HealthState.HEALTHY)


async def test_a_server_that_starts_late_is_noticed_long_before_an_interval() -> None:
    starting = Scripted(Failed("connection refused"))
    slow = replace(CHECK, interval_s=3600.0)
    async with prober(Registered(target(1), check=slow), starting) as hearer:
        await starting.wait_for_more(2)
        starting.outcome = Answered(200)
        await hearer.wait_for_state(HealthState.HEALTHY)


async def test_health_follows_the_target_down_and_up() -> None:
    scripted = Scripted(Answered(200))
    async with prober(Registered(target(1)), scripted) as hearer:
        await hearer.wait_for_state(HealthState.HEALTHY)
        scripted.outcome = Answered(503)
        await hearer.wait_for_state(HealthState.UNHEALTHY)
        scripted.outcome = Answered(200)
        await hearer.wait_for_state(HealthState.HEALTHY)


async def test_started_again_it_takes_nobodys_health_away() -> None:
    scripted = Scripted(Answered(200))
    b = TargetId("b")
    slow = replace(CHECK, interval_s=3600.0)
    registered = Registered(target(1), target(2, b), check=slow)
    async with prober(registered, scripted, known={A: HEALTHY, b: GONE}) as hearer:
        told = await hearer.wait_for(lambda overlay: len(overlay) == 2)

    assert hearer.told[0] == told == {A: HEALTHY, b: GONE}


async def test_a_draining_target_is_told_so_and_asked_no_more() -> None:
    scripted = Scripted(Answered(200))
    source = Registered(target(1), target(2, TargetId("b")))
    async with prober(source, scripted) as hearer:
        await hearer.wait_for_state(HealthState.HEALTHY)
        source.change(replace(target(1), draining=True), target(2, TargetId("b")))
        health = await hearer.wait_for_state(HealthState.DRAINING)
        scripted.asked.clear()
        await scripted.wait_for_more(3)

    assert health.reason is HealthReason.DEREGISTRATION_IN_PROGRESS
    assert ("127.0.0.1", 1) not in scripted.asked


async def test_a_target_that_returns_starts_anew() -> None:
    scripted = Scripted(Answered(200))
    source = Registered(target(1))
    async with prober(source, scripted) as hearer:
        await hearer.wait_for_state(HealthState.HEALTHY)
        source.change(replace(target(1), draining=True))
        await hearer.wait_for_state(HealthState.DRAINING)
        scripted.outcome = Failed("connection refused")
        source.change(target(1))
        await hearer.wait_for_state(HealthState.INITIAL)


async def test_a_removed_target_is_forgotten() -> None:
    source = Registered(target(1), target(2, TargetId("b")))
    async with prober(source, Scripted(Answered(200))) as hearer:
        await hearer.wait_for(lambda overlay: len(overlay) == 2)
        source.change(target(1))
        await hearer.wait_for(lambda overlay: set(overlay) == {A})


class Fickle(Registered):
    """Registers another target before anybody could look at the first."""

    def current(self) -> Whole:
        snapshot = super().current()
        if self.targets == (target(1),):
            self.change(target(2, TargetId("b")))
        return snapshot


async def test_a_target_removed_before_its_first_check_was_never_there() -> None:
    async with prober(Fickle(target(1)), Scripted(Answered(200))) as hearer:
        await hearer.wait_for(lambda overlay: len(overlay) > 0)

    assert not any(A in told for told in hearer.told)


async def test_a_group_nobody_forwards_to_is_not_checked() -> None:
    scripted = Scripted(Answered(200))
    source = Registered(target(1))
    source.in_use = False
    async with prober(source, scripted) as hearer:
        health = await hearer.wait_for_state(HealthState.UNUSED)
        assert (HealthReason.NOT_IN_USE, []) == (health.reason, scripted.asked)

        source.change(target(1), in_use=True)
        await hearer.wait_for_state(HealthState.HEALTHY)


async def test_a_changed_check_takes_over_without_resetting_health() -> None:
    scripted = Scripted(Answered(200))
    source = Registered(target(1), check=replace(CHECK, interval_s=3600.0))
    async with prober(source, scripted) as hearer:
        await hearer.wait_for_state(HealthState.HEALTHY)
        scripted.outcome = Answered(404)
        source.check = CHECK
        source.change(target(1))
        await hearer.wait_for_state(HealthState.UNHEALTHY)

    assert HealthState.INITIAL not in {told[A].state for told in hearer.told[1:]}


async def test_a_thousand_targets_are_told_in_a_few_messages() -> None:
    names = [TargetId(f"t{n}") for n in range(1000)]
    source = Registered(
        *(target(1, name) for name in names),
        check=replace(CHECK, interval_s=3600.0),
    )
    async with prober(source, Scripted(Answered(200))) as hearer:
        await hearer.wait_for(lambda o: len(o) == 1000 and set(o.values()) == {HEALTHY})

    assert len(hearer.told) <= 40


async def test_news_in_a_row_are_told_together() -> None:
    loop = asyncio.get_running_loop()
    source = Registered()
    async with prober(source, Scripted(Answered(200))) as hearer:
        start_s = loop.time()
        for name in range(100):
            source.change(target(1, TargetId(str(name))))
            await asyncio.sleep(0.002)
        await hearer.wait_for(lambda overlay: overlay.get(TargetId("99")) == HEALTHY)
        took_s = loop.time() - start_s

    assert len(hearer.told) <= took_s / PUBLISH_EVERY_S + 2


async def test_a_probe_that_breaks_ends_the_prober() -> None:
    async def broken(host: str, port: int, check: HealthCheck) -> ProbeOutcome:
        raise LookupError(host)

    with pytest.raises(ExceptionGroup) as raised:
        async with prober(Registered(target(1)), broken):
            await asyncio.sleep(10)
    assert raised.group_contains(LookupError)


async def test_every_check_is_noted_once() -> None:
    scripted = Scripted(Answered(200))
    noted: list[Checked] = []
    source = Registered(Target(A, "127.0.0.1", 80))
    async with prober(source, scripted, note=noted.append) as hearer:
        await hearer.wait_for_state(HealthState.HEALTHY)
        await scripted.wait_for_more(3)

    assert len(noted) in (len(scripted.asked), len(scripted.asked) - 1)
    assert {(one.probed.group, one.outcome) for one in noted} == {
        ("web", Answered(200))
    }
    assert all(one.took_s >= 0 for one in noted)


# --- doubts ---------------------------------------------------------------------------

SLOW = replace(CHECK, interval_s=3600.0)


async def test_a_target_in_doubt_is_checked_at_once_and_then_again() -> None:
    scripted, doubts = Scripted(Answered(200)), Doubts()
    source = Registered(target(1), check=SLOW)
    noted: list[Checked] = []
    async with prober(source, scripted, note=noted.append, doubts=doubts) as hearer:
        await hearer.wait_for_state(HealthState.HEALTHY)
        scripted.outcome = Failed("connection refused")
        doubts.add([A])
        health = await hearer.wait_for_state(HealthState.UNHEALTHY)

    assert health.reason is HealthReason.FAILED_HEALTH_CHECKS
    assert [Answered(200), *[Failed("connection refused")] * 2] == [
        one.outcome for one in noted
    ]


async def test_a_doubt_that_a_check_dispels_changes_nothing() -> None:
    scripted, doubts = Scripted(Answered(200)), Doubts()
    b = TargetId("b")
    source = Registered(target(1), target(2, b), check=SLOW)
    async with prober(source, scripted, doubts=doubts) as hearer:
        await hearer.wait_for(lambda overlay: overlay == {A: HEALTHY, b: HEALTHY})
        told = len(hearer.told)
        doubts.add([A, TargetId("nobody's")])
        await scripted.wait_for_more(1)

    assert [("127.0.0.1", 1)] == scripted.asked[2:]
    assert told == len(hearer.told)


async def test_a_target_that_is_out_in_haste_comes_back_without_a_doubt() -> None:
    scripted, doubts = Scripted(Answered(200)), Doubts()
    async with prober(
        Registered(target(1), check=SLOW), scripted, doubts=doubts
    ) as hearer:
        await hearer.wait_for_state(HealthState.HEALTHY)
        scripted.outcome = Failed("connection refused")
        doubts.add([A])
        await hearer.wait_for_state(HealthState.UNHEALTHY)
        scripted.outcome = Answered(200)
        await hearer.wait_for_state(HealthState.HEALTHY)


async def test_who_is_doubted_is_forgotten_with_its_registration() -> None:
    scripted, doubts = Scripted(Answered(200)), Doubts()
    source = Registered(target(1), check=SLOW)
    async with prober(source, scripted, doubts=doubts) as hearer:
        await hearer.wait_for_state(HealthState.HEALTHY)
        source.change()
        await hearer.wait_for(lambda overlay: not overlay)
        doubts.add([A])
        source.change(target(1))
        await hearer.wait_for_state(HealthState.HEALTHY)

    assert 2 == len(scripted.asked)
