"""Alarms that call: a real receiver, a real program, and what becomes of both."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from autoscaler.actions import Action, AlarmActions, Command, Webhook
from autoscaler.app.autoscaler import Autoscaler
from autoscaler.app.by_hand import Wish
from autoscaler.app.messenger import Messenger
from autoscaler.drivers.courier import Courier
from autoscaler.model import AlarmState, CompositeAlarm
from foundation.clock import SystemClock
from foundation.journal import MemoryJournal
from tests.live.test_configs import ROOT, answer, running
from tests.support.scaling import NoCapacities

DEADLINE_S = 30.0


@dataclass
class Receiver:
    """Answers POSTs with what `statuses` has, then 200; keeps what came."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    came: list[tuple[dict[str, str], str]] = field(default_factory=list)
    slow_s: float = 0.0
    held: bool = False
    """Whether nothing is answered until `release`."""
    released: asyncio.Event = field(default_factory=asyncio.Event)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, request: web.Request) -> web.Response:
        self.came.append((dict(request.headers), await request.text()))
        self.more.set()
        await asyncio.sleep(self.slow_s)
        if self.held:
            await self.released.wait()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    async def states(self, count: int) -> list[str]:
        """Wait until so many came, and return the states they told."""
        async with asyncio.timeout(DEADLINE_S):
            while len(self.came) < count:
                self.more.clear()
                await self.more.wait()
        return [json.loads(text)["NewStateValue"] for _, text in self.came]


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    app = web.Application()
    app.router.add_post("/{tail:.*}", found.receive)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        found.url = f"http://{host}:{port}/alarms"
        yield found
    finally:
        await runner.cleanup()


class Bell:
    """One composite alarm that people set, with its actions, over a real courier."""

    def __init__(
        self, *actions: Action, directory: Path = Path("/"), deadline_s: float = 1.0
    ) -> None:
        self.journal = MemoryJournal()
        self.actions = actions
        self.courier = Courier(deadline_s, command_deadline_s=2.0)
        self.courier.directory = directory
        self.changed = asyncio.Event()
        self.autoscaler = self.start()

    def start(self) -> Autoscaler:
        """Begin anew with what the journal holds."""
        records = {kind: dict(found) for kind, found in self.journal.records.items()}
        self.autoscaler = Autoscaler(
            clock=SystemClock(),
            journal=self.journal,
            capacities=NoCapacities(),
            records=records,
        )
        actions = AlarmActions(ok=self.actions, alarm=self.actions)
        alarm = CompositeAlarm("bell", "FALSE", actions=actions)
        self.autoscaler.configure((), (), (alarm,))
        self.autoscaler.on_change(self.changed.set)
        return self.autoscaler

    @asynccontextmanager
    async def messenger(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            messenger = Messenger(self.autoscaler, self.courier, (0.05, 0.05))
            running = group.create_task(messenger.run())
            yield
            running.cancel()

    async def ring(self, state: AlarmState = AlarmState.ALARM) -> None:
        wish = Wish(state, "a drill")
        await self.autoscaler.set_alarm_state("bell", wish)

    async def told(self, part: str) -> str:
        """Wait until an event holds `part`, and return it."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for _, _, message in self.autoscaler.events():
                    if part in message:
                        return message
                self.changed.clear()
                await self.changed.wait()


async def test_a_webhook_receives_the_message_of_the_alarm() -> None:
    async with receiver() as pager:
        bell = Bell(Webhook(pager.url))
        async with bell.messenger():
            await bell.ring()
            await bell.told("Successfully executed action")

    ((headers, text),) = pager.came
    message = json.loads(text)
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["x-amz-sns-message-type"] == "Notification"
    assert message["AlarmName"] == "bell"
    assert message["NewStateValue"] == "ALARM"
    assert message["NewStateReason"] == "a drill"
    assert message["OldStateValue"] == "INSUFFICIENT_DATA"
    assert message["AlarmRule"] == "FALSE"
    assert not bell.autoscaler.notices()
    kinds = [item.kind.value for item in bell.autoscaler.alarm_history("bell")]
    assert kinds == ["ConfigurationUpdate", "StateUpdate", "Action"]


async def test_what_may_succeed_is_tried_again_under_the_same_id() -> None:
    async with receiver() as pager:
        pager.statuses = [503, 429]
        bell = Bell(Webhook(pager.url))
        async with bell.messenger():
            await bell.ring()
            told = await bell.told("Successfully executed action")

    assert told.endswith(": status 200")
    assert len(pager.came) == 3
    assert len({headers["x-amz-sns-message-id"] for headers, _ in pager.came}) == 1


# fmt: off
FAILURES = [
    ([404],           1, "status 404",              "what is refused is not tried again"),
    ([302],           1, "status 302",              "nor does it follow somewhere else"),
    ([500, 502, 503], 3, "status 503",              "what fails is tried three times here"),
    ("gone",          0, "Cannot connect to host",  "nobody there"),
    ("slow",          3, "no answer within 1 s",    "nobody who answers in time"),
]
# fmt: on


@pytest.mark.parametrize(
    ("how", "attempts", "error"),
    [row[:3] for row in FAILURES],
    ids=[row[3] for row in FAILURES],
)
async def test_a_webhook_that_fails_is_told_and_given_up(
    how: str | list[int], attempts: int, error: str
) -> None:
    async with receiver() as pager:
        url = pager.url
        if how == "gone":
            url = "http://127.0.0.1:1/"
        elif how == "slow":
            pager.slow_s = 5.0
        else:
            pager.statuses = list(map(int, how))
        bell = Bell(Webhook(url))
        async with bell.messenger():
            await bell.ring()
            told = await bell.told("Failed to execute action")

        assert error in told
        assert attempts == len(pager.came)
        assert not bell.autoscaler.notices()
    data = json.loads(bell.autoscaler.alarm_history("bell")[-1].data)
    assert data["actionState"] == "Failed"
    assert error in data["error"]


async def test_one_that_hangs_holds_up_nobody_else_and_order_is_kept() -> None:
    async with receiver() as slow, receiver() as quick:
        slow.held = True
        bell = Bell(Webhook(slow.url), Webhook(quick.url), deadline_s=DEADLINE_S)
        async with bell.messenger():
            await bell.ring()
            await bell.ring(AlarmState.OK)
            await bell.ring()
            assert await quick.states(3) == ["ALARM", "OK", "ALARM"]
            assert len(slow.came) == 1
            slow.released.set()
            assert await slow.states(3) == ["ALARM", "OK", "ALARM"]


async def test_what_was_not_known_to_have_ended_is_run_after_a_restart() -> None:
    async with receiver() as pager:
        pager.held = True
        bell = Bell(Webhook(pager.url))
        async with bell.messenger():
            await bell.ring()
            await pager.states(1)
        bell.start()
        pager.released.set()
        async with bell.messenger():
            await bell.told("Successfully executed action")

    first, second = (headers["x-amz-sns-message-id"] for headers, _ in pager.came)
    assert first == second


async def test_a_command_sees_the_alarm_and_what_it_writes_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALB_SECRET", "hush")
    program = tmp_path / "lamp"
    program.write_text(
        "#!/bin/sh\n"
        'echo "$1 $ALB_ALARM_NAME $ALB_ALARM_STATE $ALB_ALARM_REASON"\n'
        'echo "secret=$ALB_SECRET in $(pwd)" >&2\n'
        "cat > message.json\n"
    )
    program.chmod(0o755)
    bell = Bell(Command(("./lamp", "$HOME *")), directory=tmp_path)
    async with bell.messenger():
        await bell.ring()
        told = await bell.told("Successfully executed action")

    assert "$HOME * bell ALARM a drill" in told, "no shell has read the argument"
    assert f"secret= in {tmp_path}" in told
    message = json.loads((tmp_path / "message.json").read_text())
    assert message["AlarmName"] == "bell"


# fmt: off
COMMANDS = [
    (("sh", "-c", "echo broken; exit 3"), "exit status 3; broken",   "its status is told"),
    (("/nowhere/lamp",),                  "No such file",            "it is not there"),
    (("sleep", "60"),                     "did not end within 2 s",  "it is killed in time"),
    (("sh", "-c", "sleep 60 & exit 0"),   "did not end within 2 s",  "with what it left behind"),
    (("sh", "-c", "head -c 9000000 /dev/zero | tr '\\0' x; exit 1"),
     "exit status 1; xxx", "it writes more than anybody reads"),
]
# fmt: on


@pytest.mark.parametrize(
    ("argv", "error"),
    [row[:2] for row in COMMANDS],
    ids=[row[2] for row in COMMANDS],
)
async def test_a_command_that_fails_is_told(argv: tuple[str, ...], error: str) -> None:
    bell = Bell(Command(argv))
    async with bell.messenger():
        await bell.ring()
        told = await bell.told("Failed to execute action")

    assert error in told
    assert len(told) < 3000
    assert not bell.autoscaler.notices()


async def test_the_configuration_with_alarms_calls_and_obeys(tmp_path: Path) -> None:
    """`configs/alarms.yaml`: a webhook, a program, commands, and what they tell."""
    async with (
        receiver() as pager,
        running("alarms.yaml", tmp_path, PAGER=pager.url) as (_, port),
    ):
        await answer(port, "/", 200)
        events = await until_told(tmp_path, "web-idle is ALARM", "events")
        assert (
            "alarm web-idle in state ALARM: Successfully executed action sh" in events
        )
        set_ = ("alarm", "set", "web-busy", "ALARM", "--reason", "a drill")
        assert "until it is evaluated next" in await alb(tmp_path, *set_)
        assert "ALARM" in await pager.states(1)
        names = {json.loads(text)["AlarmName"] for _, text in pager.came}
        assert names <= {"web-busy", "web-trouble"}
        shown = await until_told(
            tmp_path, "Successfully executed action http", "alarm", "web-busy"
        )
        assert "a drill" in await alb(tmp_path, "events")
        assert "StateUpdate" in shown
        assert "disabled" in await alb(tmp_path, "alarm", "disable", "web-busy")
        listed = json.loads(await alb(tmp_path, "alarms", "--output", "json"))
        enabled = {
            one["AlarmName"]: one["ActionsEnabled"] for one in listed["MetricAlarms"]
        }
        assert enabled == {"web-busy": False, "web-idle": True}
        plan = await alb(tmp_path, "plan", "-f", str(ROOT / "configs/alarms.yaml"))
        assert "! alarms[web-busy].actionsEnabled: runs false, file says true" in plan


async def until_told(state_dir: Path, part: str, *words: str) -> str:
    async with asyncio.timeout(DEADLINE_S):
        while part not in (told := await alb(state_dir, *words)):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.2)
    return told


async def alb(state_dir: Path, *words: str) -> str:
    """Run a command and return what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "controlplane.cli", *words, "--state-dir", str(state_dir),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert 0 == process.returncode, output.decode()
    return output.decode()
