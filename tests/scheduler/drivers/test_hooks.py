"""Commands and webhooks are asked, and end, whatever they do."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from scheduler.configuration import HookStage, HookTarget, LifecycleHook
from scheduler.drivers.hooks import ANSWER_MAX, CalledHooks
from scheduler.errors import HookFailed

STAGES = (HookStage.POST_SCALE_UP,)
PAYLOAD = json.dumps({"lifecycleStage": "POST_SCALE_UP"})


def shell(script: str) -> LifecycleHook:
    return LifecycleHook(HookTarget.COMMAND, STAGES, ("sh", "-c", script))


def webhook(url: str) -> LifecycleHook:
    return LifecycleHook(HookTarget.WEBHOOK, STAGES, url=url)


async def test_a_command_reads_what_it_is_told_where_the_file_is(
    tmp_path: Path,
) -> None:
    hooks = CalledHooks()
    hooks.directory = tmp_path
    (tmp_path / "here").touch()
    assert f"here\n{PAYLOAD}\n" == await hooks.call(shell("ls; cat"), PAYLOAD)
    assert "" == await hooks.call(shell("exit 0"), "x" * (1 << 20)), "nor has to"


FAILURES = [
    (shell("echo bad tests; exit 3"), "sh: exit status 3: bad tests"),
    (shell("kill -9 $$"), "sh: exit status -9: "),
    (
        LifecycleHook(HookTarget.COMMAND, STAGES, ("/no/such/program",)),
        "/no/such/program: No such file or directory",
    ),
]


@pytest.mark.parametrize(("hook", "told"), FAILURES)
async def test_a_command_that_fails_says_how(hook: LifecycleHook, told: str) -> None:
    with pytest.raises(HookFailed) as failed:
        await CalledHooks().call(hook, PAYLOAD)
    assert told == str(failed.value)


async def test_a_command_that_does_not_end_is_ended_with_what_it_started(
    tmp_path: Path,
) -> None:
    hooks = CalledHooks(call_s=0.5)
    hooks.directory = tmp_path
    script = "sleep 60 & echo $! >child; wait"
    began = time.monotonic()
    with pytest.raises(HookFailed, match=r"sh: no answer within 0\.5 s"):
        await hooks.call(shell(script), PAYLOAD)
    assert time.monotonic() - began < 10
    child = int((tmp_path / "child").read_text())
    async with asyncio.timeout(10):
        while _runs(child):  # noqa: ASYNC110 - not our child
            await asyncio.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(") ")[2][0] != "Z" and os.path.exists(f"/proc/{pid}")


async def test_what_a_command_says_is_bounded() -> None:
    script = "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo end"
    told = await CalledHooks().call(shell(script), PAYLOAD)
    assert told.endswith("\nend\n")
    assert len(told) <= ANSWER_MAX


async def test_a_webhook_is_posted_to_and_answers_with_its_body() -> None:
    heard = []

    async def answer(request: web.Request) -> web.Response:
        heard.append((request.headers["Content-Type"], await request.json()))
        return web.Response(text='{"hookStatus": "SUCCEEDED"}')

    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["status"]))

    app = web.Application()
    app.router.add_post("/", answer)
    app.router.add_post("/{status}", refuse)
    async with TestServer(app) as server:
        url = str(server.make_url("/"))
        hooks = CalledHooks()
        assert '{"hookStatus": "SUCCEEDED"}' == await hooks.call(webhook(url), PAYLOAD)
        assert [("application/json", json.loads(PAYLOAD))] == heard
        for status in ("500", "404", "302"):
            with pytest.raises(HookFailed, match=f"status {status}"):
                await hooks.call(webhook(url + status), PAYLOAD)
    with pytest.raises(HookFailed, match=f"{url}: "):
        await hooks.call(webhook(url), PAYLOAD)


async def test_an_answer_in_pieces_is_read_to_its_end_and_no_further_than_bounded() -> (
    None
):
    async def pieces(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for piece in (b'{"hookStatus": ', b'"SUCCEEDED"}'):
            await answer.write(piece)
            await asyncio.sleep(0.05)
        return answer

    async def much(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * (ANSWER_MAX + 1))

    app = web.Application()
    app.router.add_post("/", pieces)
    app.router.add_post("/much", much)
    async with TestServer(app) as server:
        url = str(server.make_url("/"))
        told = await CalledHooks().call(webhook(url), PAYLOAD)
        assert '{"hookStatus": "SUCCEEDED"}' == told
        with pytest.raises(HookFailed, match=f"more than {ANSWER_MAX} bytes"):
            await CalledHooks().call(webhook(f"{url}much"), PAYLOAD)


@pytest.mark.parametrize(
    "url", ["http://example..com/SECRET", "http://[::1/SECRET", "http://x:y/SECRET"]
)
async def test_a_url_that_nobody_can_ask_fails_the_hook(url: str) -> None:
    with pytest.raises(HookFailed) as failed:
        await CalledHooks().call(webhook(url), PAYLOAD)
    assert "SECRET" not in str(failed.value)


async def test_what_follows_a_webhooks_host_is_not_told() -> None:
    async def mad(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"no HTTP at all\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(mad, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(HookFailed) as failed:
            await CalledHooks().call(
                webhook(f"http://127.0.0.1:{port}/SECRET"), PAYLOAD
            )
    assert str(failed.value).startswith(f"http://127.0.0.1:{port}/…: ")
    assert "SECRET" not in str(failed.value)


async def test_a_command_sees_no_secret_of_our_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    told = await CalledHooks().call(shell("env"), PAYLOAD)
    assert "secret" not in told
    assert "PATH=" in told


async def test_a_webhook_that_does_not_answer_is_given_up() -> None:
    async def never(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    app = web.Application()
    app.router.add_post("/", never)
    async with TestServer(app) as server:
        with pytest.raises(HookFailed, match="no answer within"):
            await CalledHooks(call_s=0.2).call(
                webhook(str(server.make_url("/"))), PAYLOAD
            )
