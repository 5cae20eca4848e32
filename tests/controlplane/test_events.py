"""Events keep their order and their ids, and nobody who listens can cost memory."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from controlplane.events import (
    FOLLOWERS_MAX,
    Event,
    EventLog,
    Happening,
    TooManyFollowers,
)

DEADLINE_S = 5.0


def at(unix_s: float, message: str = "m") -> Happening:
    return Happening(unix_s, "service", "web", message)


def test_ids_grow_even_when_the_clock_does_not() -> None:
    log = EventLog()
    log.record([at(2.0, "b"), at(1.0, "a"), at(2.0, "c")])
    log.record([at(0.5, "late")])

    assert ["a", "b", "c", "late"] == [e.happening.message for e in log.since(0)]
    assert [1_000_000, 2_000_000, 2_000_001, 2_000_002] == [e.id for e in log.since(0)]


def test_a_reader_resumes_after_the_last_id_it_saw_even_after_a_restart() -> None:
    before, after = EventLog(), EventLog()
    history = [at(1.0, "a"), at(2.0, "b"), at(3.0, "c")]
    before.record(history[:2])
    seen = before.since(0)[-1].id
    after.record(history)

    assert ["c"] == [event.happening.message for event in after.since(seen)]


def test_the_log_is_bounded() -> None:
    log = EventLog(events_max=3)
    log.record(at(float(number), str(number)) for number in range(10))

    assert 3 == len(log)
    assert ["7", "8", "9"] == [event.happening.message for event in log.since(0)]


async def test_a_follower_gets_the_past_and_then_what_happens() -> None:
    log = EventLog()
    log.record([at(1.0, "past")])
    follower = log.follow(0)

    async with asyncio.timeout(DEADLINE_S):
        assert "past" == (await anext(follower)).happening.message
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(_next_message(follower))
            log.record([at(2.0, "now")])
        assert "now" == waiting.result()
        await follower.aclose()


async def _next_message(follower: AsyncIterator[Event]) -> str:
    return (await anext(follower)).happening.message


async def test_a_follower_that_lags_is_cut_and_not_waited_for() -> None:
    log = EventLog(lag_max=5)
    log.record([at(1.0, "first")])
    follower = log.follow(0)
    async with asyncio.timeout(DEADLINE_S):
        await anext(follower)
        log.record(at(2.0 + number) for number in range(6))

        assert [] == [event async for event in follower]


async def test_followers_are_bounded_and_leave_when_told() -> None:
    log = EventLog()
    log.record([at(1.0)])
    followers = [log.follow(0) for _ in range(FOLLOWERS_MAX)]
    async with asyncio.timeout(DEADLINE_S):
        for follower in followers:
            await anext(follower)
        with pytest.raises(TooManyFollowers):
            await anext(log.follow(0))
        log.end()
        for follower in followers:
            assert [] == [event async for event in follower]
        assert 1.0 == (await anext(log.follow(0))).happening.unix_s
