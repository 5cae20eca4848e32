"""Lifecycle hooks that are commands and webhooks. Floor 3.

    payload --stdin--> command  --stdout, exit status--> answer
    payload --POST-->  webhook  --body of a 2xx-->       answer

A command is started as it is written, without a shell, where the cluster file is, and
sees little of our environment; what it started is ended with it. Source of the quarter
of an hour that a call may take: the limit of an AWS Lambda function.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp

from foundation.surroundings import inherited
from scheduler.configuration import HookTarget, LifecycleHook
from scheduler.errors import HookFailed

CALL_S: Final = 900.0
ANSWER_MAX: Final = 64 << 10
CHUNK: Final = 8 << 10
SUCCESS: Final = range(HTTPStatus.OK, HTTPStatus.MULTIPLE_CHOICES)


class CalledHooks:
    """Implements `scheduler.ports.Hooks`."""

    def __init__(self, call_s: float = CALL_S) -> None:
        self.directory = Path()
        """Where commands begin: the cluster file's."""
        self._call_s = call_s

    async def call(self, hook: LifecycleHook, payload: str) -> str:
        try:
            async with asyncio.timeout(self._call_s):
                if hook.target is HookTarget.WEBHOOK:
                    return await _post(hook, payload)
                return await self._run(hook.command, payload)
        except TimeoutError:
            message = f"{hook.name}: no answer within {self._call_s:g} s"
            raise HookFailed(message) from None

    async def _run(self, command: tuple[str, ...], payload: str) -> str:
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=pipe,
                stdout=pipe,
                stderr=asyncio.subprocess.STDOUT,
                env=inherited(),
                cwd=self.directory,
                start_new_session=True,
            )
        except (OSError, ValueError) as failed:
            why = getattr(failed, "strerror", None) or str(failed)
            raise HookFailed(f"{command[0]}: {why}") from failed
        try:
            told = await _talk(process, payload)
            status = await process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        if status:
            last = told.strip().rpartition("\n")[2]
            raise HookFailed(f"{command[0]}: exit status {status}: {last}")
        return told


async def _talk(process: asyncio.subprocess.Process, payload: str) -> str:
    """Send the payload, and return the end of what the command says."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(ConnectionError):  # one that does not read it
        process.stdin.write(payload.encode() + b"\n")
        await process.stdin.drain()
    process.stdin.close()
    told = b""
    while chunk := await process.stdout.read(CHUNK):
        told = (told + chunk)[-ANSWER_MAX:]
    return told.decode(errors="replace")


async def _post(hook: LifecycleHook, payload: str) -> str:
    headers = {"Content-Type": "application/json"}
    forever = aiohttp.ClientTimeout()  # whoever calls us has a deadline
    try:
        async with (
            aiohttp.ClientSession(timeout=forever) as session,
            session.post(
                hook.url, data=payload, headers=headers, allow_redirects=False
            ) as answer,
        ):
            if answer.status not in SUCCESS:
                raise HookFailed(f"{hook.name}: status {answer.status}")
            told = b""
            while chunk := await answer.content.read(ANSWER_MAX + 1 - len(told)):
                told += chunk
    except (aiohttp.ClientError, OSError, ValueError) as failed:
        raise HookFailed(f"{hook.name}: {_why(failed)}") from failed
    if len(told) > ANSWER_MAX:
        raise HookFailed(f"{hook.name}: it answers more than {ANSWER_MAX} bytes")
    return told.decode(errors="replace")


def _why(failed: Exception) -> str:
    """Return what went wrong, without the URL."""
    if isinstance(failed, aiohttp.InvalidURL):
        return "the URL cannot be read"
    if isinstance(failed, aiohttp.ClientResponseError):
        return failed.message
    return str(failed) or type(failed).__name__
