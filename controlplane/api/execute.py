"""A command in a task over the API: a WebSocket that is its input and its outputs.

GET /v1/tasks/{task}/exec?command=WORD&command=WORD…[&container=NAME][&tty=1]

To control: bytes are input; ``{"resize": [COLUMNS, ROWS]}``, ``{"endOfInput": true}``.
From control: bytes are output, after one that says which, 1 or 2; at last
``{"exitCode": N}``, or ``{"error": TEXT}`` of what cannot be run, or ended unseen.
"""

from __future__ import annotations

import asyncio
import json
from typing import Final

from aiohttp import WSMsgType, web

from controlplane.api.ports import Tasks
from controlplane.errors import ControlError, InvalidParameter
from scheduler.errors import ContainerError
from scheduler.ports import Execution

HEARTBEAT_S: Final = 20.0
MESSAGE_MAX: Final = 1 << 20
SIZE_MAX: Final = 10_000
PATIENCE_S: Final = 2.0
"""How long a command may take to end to which something could not be told."""


async def execute(request: web.Request, tasks: Tasks) -> web.StreamResponse:
    """Run a command until it ends, or until whoever asked has gone."""
    query = request.query
    command = query.getall("command", [])
    if not command or not command[0]:
        raise InvalidParameter("command", "is missing")
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise InvalidParameter("Upgrade", "must be websocket")
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MESSAGE_MAX)
    await socket.prepare(request)
    try:
        execution = await tasks.execute(
            request.match_info["task"],
            query.get("container", ""),
            command,
            tty=query.get("tty", "0") not in {"0", "false"},
        )
    except ControlError as refused:
        await socket.send_str(json.dumps({"error": str(refused)}))
        await socket.close()
        return socket
    try:
        await _converse(execution, socket)
    finally:
        await execution.close()
    return socket


async def _converse(execution: Execution, socket: web.WebSocketResponse) -> None:
    """Return when the command has ended, or who asked for it has gone."""
    async with asyncio.TaskGroup() as group:
        telling = group.create_task(_tell(execution, socket))
        try:
            await _listen(execution, socket)
        except ContainerError as failed:
            await asyncio.wait([telling], timeout=PATIENCE_S)
            if not telling.done():
                await socket.send_str(json.dumps({"error": str(failed)}))
                await socket.close()
        telling.cancel()


async def _tell(execution: Execution, socket: web.WebSocketResponse) -> None:
    try:
        async for kind, chunk in execution.output():
            await socket.send_bytes(bytes((kind,)) + chunk)
    except ConnectionError:
        return  # who asked has gone, which `_listen` sees too
    try:
        last: dict[str, object] = {"exitCode": await execution.exit_code()}
    except (ContainerError, TimeoutError) as failed:
        last = {"error": str(failed) or "it does not say how it ended"}
    await socket.send_str(json.dumps(last))
    await socket.close()


async def _listen(execution: Execution, socket: web.WebSocketResponse) -> None:
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            await execution.write(message.data)
        elif message.type is WSMsgType.TEXT:
            await _obey(execution, message.data)


async def _obey(execution: Execution, text: str) -> None:
    """Do what is said; what means nothing is passed over."""
    try:
        told = json.loads(text)
    except ValueError:
        return
    match told:
        case {"endOfInput": True}:
            await execution.end_input()
        case {"resize": [int(columns), int(rows)]} if _is_size(columns, rows):
            await execution.resize(columns, rows)


def _is_size(*lengths: int) -> bool:
    return all(0 < length < SIZE_MAX for length in lengths)
