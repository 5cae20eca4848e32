"""Metrics are fetched when they are due, and a failure is missing data, told once."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from autoscaler.app.autoscaler import Autoscaler
from autoscaler.decide.exposition import SERIES_MAX
from autoscaler.decide.promql import PromQuery
from autoscaler.drivers.fetching import BODY_MAX
from autoscaler.model import Metric, Scrape
from controlplane.sources import Sources
from foundation.clock import SystemClock, VirtualClock
from foundation.journal import MemoryJournal
from scheduler.model import PortLease, Task
from tests.support.scaling import Tasks
from tests.support.tasks import task

SCRAPE = Scrape("web", "/metrics", "web", 8080, 1.0)


@dataclass
class Answering:
    """What is answered by path: a text, or a status."""

    replies: dict[str, str | int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        reply = self.replies.get(request.path, 404)
        if isinstance(reply, int):
            return web.Response(status=reply, headers={"Location": "/elsewhere"})
        kind = "application/json" if reply.startswith("{") else "text/plain"
        return web.Response(text=reply, content_type=kind)


@dataclass
class Running:
    """The tasks of a scheduler."""

    found: Sequence[Task] = ()

    def tasks(self) -> Sequence[Task]:
        return self.found


class World:
    """Sources over a server of ours, and what they said."""

    def __init__(self, port: int, answering: Answering) -> None:
        self.answering = answering
        self.port = port
        self.told: list[tuple[str, str]] = []
        clock = VirtualClock()
        self.scaler = Autoscaler(
            clock=clock,
            journal=MemoryJournal(),
            capacities=Tasks(clock),
            records={},
        )
        served = replace(
            task("t1"), address="127.0.0.1", leases=(PortLease("a", port, "web", 8080),)
        )
        self.running = Running([served])
        self.sources = Sources(
            SystemClock(),
            self.running,  # type: ignore[arg-type] # tasks are all that is asked
            self.scaler,
            lambda subject, message: self.told.append((subject, message)),
        )

    def query(self, name: str = "Jobs") -> PromQuery:
        return PromQuery(name, f"http://127.0.0.1:{self.port}/", "sum(jobs)", 1.0)

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not met():  # noqa: ASYNC110 - several things may meet it
                await asyncio.sleep(0.02)

    def names(self) -> set[str]:
        return {metric.name for metric in self.scaler.series()}


@asynccontextmanager
async def world() -> AsyncGenerator[World]:
    answering = Answering()
    app = web.Application()
    app.router.add_route("GET", "/{path:.*}", answering.answer)
    server = TestServer(app)
    await server.start_server()
    made = World(server.port or 0, answering)
    running = asyncio.ensure_future(made.sources.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await server.close()


VECTOR = '{"status": "success", "data": {"resultType": "vector", "result": [%s]}}'


async def test_a_query_is_a_metric_with_its_labels() -> None:
    async with world() as at:
        at.answering.replies["/api/v1/query"] = (
            VECTOR % '{"metric": {"zone": "a"}, "value": [1, "3"]}'
        )
        at.sources.configure([at.query()])
        await at.until(lambda: bool(at.names()))

        [metric] = at.scaler.series()
        assert Metric("Prometheus", "Jobs", (("zone", "a"),)) == metric
        assert at.answering.asked[0] == "/api/v1/query?query=sum(jobs)"
        assert at.told == []


async def test_a_query_that_fails_is_told_once_and_that_it_works_again() -> None:
    async with world() as at:
        at.sources.configure([at.query()])
        await at.until(lambda: len(at.answering.asked) >= 2)
        assert [("prometheus query Jobs", "missing: it answers 404")] == at.told
        assert {"prometheus query Jobs": "it answers 404"} == at.sources.failures()

        at.answering.replies["/api/v1/query"] = VECTOR % ""
        await at.until(lambda: len(at.told) == 2)

        assert at.told[1] == ("prometheus query Jobs", "works again")
        assert at.names() == set()


async def test_what_tasks_tell_is_the_service_s() -> None:
    async with world() as at:
        at.answering.replies["/metrics"] = "# TYPE depth gauge\ndepth 4\n"
        at.sources.configure([SCRAPE])
        await at.until(lambda: bool(at.names()))

        [metric] = at.scaler.series()
        assert Metric("Prometheus", "depth", (("ServiceName", "web"),)) == metric


async def test_a_counter_needs_two_readings() -> None:
    async with world() as at:
        at.answering.replies["/metrics"] = "# TYPE jobs_total counter\njobs_total 4\n"
        at.sources.configure([SCRAPE])
        await at.until(lambda: len(at.answering.asked) == 1)
        assert at.names() == set()

        await at.until(lambda: at.names() == {"jobs_total"})


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("depth {", "task t1: "),
        (500, "task t1: it answers 500"),
        ("x" * (BODY_MAX + 1), f"task t1: it answers more than {BODY_MAX} bytes"),
        (
            "".join(f"m{number} 1\n" for number in range(SERIES_MAX + 1)),
            "task t1 tells 201 series: 200 are taken",
        ),
    ],
)
async def test_what_cannot_be_taken_is_told(reply: str | int, why: str) -> None:
    async with world() as at:
        at.answering.replies["/metrics"] = reply
        at.sources.configure([SCRAPE])
        await at.until(lambda: bool(at.told))

        [(subject, message)] = at.told
        assert subject == "metrics of web"
        assert message.startswith(f"missing: {why}")
        assert len(at.names()) <= SERIES_MAX


async def test_a_task_sends_nobody_elsewhere() -> None:
    """What it could reach only through us stays out of its reach."""
    async with world() as at:
        at.answering.replies["/metrics"] = 302
        at.answering.replies["/elsewhere"] = "depth 4\n"
        at.sources.configure([SCRAPE])
        await at.until(lambda: bool(at.told))

        why = "missing: task t1: it answers 302"
        assert at.told == [("metrics of web", why)]
        assert set(at.answering.asked) == {"/metrics"}


async def test_what_fails_unexpectedly_is_missing_and_the_others_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(body: bytes) -> list[object]:
        raise OverflowError("too much")

    monkeypatch.setattr("controlplane.sources.values_of", failing)
    async with world() as at:
        at.answering.replies["/api/v1/query"] = VECTOR % ""
        at.answering.replies["/metrics"] = "depth 4\n"
        at.sources.configure([at.query(), SCRAPE])
        await at.until(lambda: len(at.answering.asked) >= 4)

        assert at.names() == {"depth"}
        why = "missing: it cannot be read: OverflowError('too much')"
        assert at.told == [("prometheus query Jobs", why)]


async def test_only_the_port_that_is_named_of_a_running_task_is_asked() -> None:
    async with world() as at:
        at.sources.configure([replace(SCRAPE, container_port=9)])
        at.running.found = [*at.running.found, replace(task("x"), service="api")]
        await asyncio.sleep(1.2)

        assert at.answering.asked == []


async def test_what_is_no_longer_configured_is_not_asked() -> None:
    async with world() as at:
        at.sources.configure([at.query()])
        await at.until(lambda: bool(at.answering.asked))
        at.sources.configure([])
        await asyncio.sleep(0.2)
        asked = len(at.answering.asked)
        await asyncio.sleep(1.5)

        assert asked == len(at.answering.asked)
