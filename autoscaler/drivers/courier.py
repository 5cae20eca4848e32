"""Run the actions of alarms: POST to webhooks, start commands. Floor 3.

Once each, within a deadline, and whatever comes of it is an answer: who asks decides
whether to try again. Commands see no shell and little of our environment; what they
write is read and passed on in part.
"""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Final

import aiohttp

from autoscaler.actions import Command, Notice, Webhook
from autoscaler.ports import Ran
from foundation.surroundings import inherited

DEADLINE_S: Final = 10.0
"""Of a webhook, from the connect to the head of the answer."""
COMMAND_DEADLINE_S: Final = 30.0
END_S: Final = 1.0
"""How long the output of a killed command may take to end."""
OUTPUT_MAX: Final = 2000
"""Bytes of a command's output that are told; the rest is read and dropped."""
ERROR_MAX: Final = 200
WORTH_ANOTHER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
SUCCESS: Final = range(200, 300)


class Courier:
    """Implements `ports.Courier`."""

    def __init__(
        self,
        deadline_s: float = DEADLINE_S,
        command_deadline_s: float = COMMAND_DEADLINE_S,
    ) -> None:
        self.directory = Path("/")
        """Where commands are run, and where their relative paths begin."""
        self._deadline_s = deadline_s
        self._command_deadline_s = command_deadline_s

    async def run(self, notice: Notice) -> Ran:
        match notice.action:
            case Webhook(url=url):
                return await self._post(url, notice)
            case Command(argv=argv):
                return await self._start(argv, notice)

    async def _post(self, url: str, notice: Notice) -> Ran:
        """POST the message as a topic with raw delivery does."""
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "x-amz-sns-message-type": "Notification",
            "x-amz-sns-message-id": str(uuid.uuid5(uuid.NAMESPACE_OID, notice.key)),
            "x-amz-sns-rawdelivery": "true",
        }
        timeout = aiohttp.ClientTimeout(total=self._deadline_s)
        body = notice.message.encode()
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(
                    url, data=body, headers=headers, allow_redirects=False
                ) as answer,
            ):
                status = answer.status
        except ValueError:  # aiohttp.InvalidURL, and what IDNA cannot encode
            return Ran("the URL cannot be read")
        except aiohttp.ClientResponseError as error:  # as text it has the URL
            return Ran(_short(error.message), again=True)
        except TimeoutError:
            return Ran(f"no answer within {self._deadline_s:g} s", again=True)
        except (aiohttp.ClientError, OSError) as error:
            return Ran(_short(str(error) or type(error).__name__), again=True)
        if status in SUCCESS:
            return Ran("", f"status {status}")
        return Ran(f"status {status}", again=status in WORTH_ANOTHER)

    async def _start(self, argv: tuple[str, ...], notice: Notice) -> Ran:
        environment = inherited() | {
            "ALB_ALARM_NAME": notice.alarm,
            "ALB_ALARM_STATE": notice.state,
            "ALB_ALARM_REASON": notice.reason,
            "ALB_ALARM_NOTICE": notice.key,
        }
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=environment,
                cwd=self.directory,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return Ran(_short(str(error)))
        try:
            async with asyncio.timeout(self._command_deadline_s):
                output = await _fed(process, notice.message.encode())
                status = await process.wait()
        except TimeoutError:
            return Ran(f"did not end within {self._command_deadline_s:g} s")
        finally:
            await _end(process)
        detail = output.decode("utf-8", "replace").strip()
        return Ran("" if status == 0 else f"exit status {status}", detail)


async def _fed(process: asyncio.subprocess.Process, message: bytes) -> bytes:
    """Write the message to its input, and return the beginning of its output."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(ConnectionError):
        process.stdin.write(message)
        await process.stdin.drain()
        process.stdin.close()
    output = b""
    while chunk := await process.stdout.read(OUTPUT_MAX):
        output = (output + chunk)[:OUTPUT_MAX]
    return output


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what still runs of it: itself, and what it left behind with its output."""
    assert process.stdout is not None
    if process.returncode is not None and process.stdout.at_eof():
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
    with suppress(TimeoutError):
        async with asyncio.timeout(END_S):
            while await process.stdout.read(OUTPUT_MAX):
                pass


def _short(text: str) -> str:
    return text if len(text) <= ERROR_MAX else f"{text[:ERROR_MAX]}…"
