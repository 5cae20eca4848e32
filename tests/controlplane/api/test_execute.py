"""A command in a task over a WebSocket: input, both outputs, size, and its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from controlplane.api import execute
from scheduler.drivers.memory import MemoryExecution
from scheduler.errors import ContainerError

Client = TestClient[web.Request, web.Application]
Owner = Mapping[str, str]
Cluster = Any  # the in-memory cluster of conftest.py, which tests cannot import

EXEC = "/v1/tasks/abc/exec"


async def test_input_and_outputs_pass_and_the_status_comes_last(
    client: Client, cluster: Cluster, owner: Owner
) -> None:
    path = f"{EXEC}?command=cat&command=-&container=db&tty=1"
    async with client.ws_connect(path, headers=owner) as socket:
        assert b"\2cat -" == await socket.receive_bytes()
        await socket.send_bytes(b"hello")
        assert b"\1hello" == await socket.receive_bytes()
        await socket.send_str(json.dumps({"resize": [80, 24]}))
        assert b"\00180x24" == await socket.receive_bytes()
        for nothing in ("no JSON", '{"resize": [0, 24]}', '{"resize": "x"}', "[]"):
            await socket.send_str(nothing)
        await socket.send_str(json.dumps({"endOfInput": True}))
        assert {"exitCode": 3} == await socket.receive_json()
        assert aiohttp.WSMsgType.CLOSE == (await socket.receive()).type

    assert [("db", True)] == cluster.tasks.executed


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/v1/tasks/x/exec?command=sh", 'no task "x"'),
        (f"{EXEC}?command=sh&container=away", "it does not run"),
    ],
    ids=["no task", "not running"],
)
async def test_what_cannot_be_run_is_told_in_the_conversation(
    client: Client, owner: Owner, path: str, why: str
) -> None:
    async with client.ws_connect(path, headers=owner) as socket:
        assert {"error": why} == await socket.receive_json()


async def test_a_command_that_waits_for_an_end_nobody_can_tell_is_given_up(
    client: Client, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(execution: MemoryExecution) -> None:
        raise ContainerError("a", "exec x1", "its end cannot be told")

    monkeypatch.setattr(MemoryExecution, "end_input", refuse)
    monkeypatch.setattr(execute, "PATIENCE_S", 0.05)
    async with client.ws_connect(f"{EXEC}?command=cat", headers=owner) as socket:
        assert b"\2cat" == await socket.receive_bytes()
        await socket.send_str(json.dumps({"endOfInput": True}))
        told = {"error": "exec x1 on a: its end cannot be told"}
        assert told == await socket.receive_json(timeout=10)
        assert aiohttp.WSMsgType.CLOSE == (await socket.receive()).type


async def test_without_the_token_nothing_is_run(
    client: Client, cluster: Cluster
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.ws_connect(f"{EXEC}?command=sh")

    assert (401, []) == (refused.value.status, cluster.tasks.executed)


async def test_a_page_elsewhere_cannot_open_it(client: Client, owner: Owner) -> None:
    headers = {**owner, "Origin": "http://example.com"}
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.ws_connect(f"{EXEC}?command=sh", headers=headers)

    assert 403 == refused.value.status


@pytest.mark.parametrize("path", [EXEC, f"{EXEC}?command=", f"{EXEC}?command=sh"])
async def test_what_is_no_command_or_no_websocket_is_refused(
    client: Client, owner: Owner, path: str
) -> None:
    assert 400 == (await client.get(path, headers=owner)).status
