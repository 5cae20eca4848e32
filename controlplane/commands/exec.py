"""`alb exec TASK [CONTAINER] -- COMMAND…`: run a command in a task that runs.

With a terminal where input and output are one. The service must have
`enableExecuteCommand`, or the task `alb run --enable-execute-command`, when the task
was started. Exit status: the command's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from controlplane.client import (
    Control,
    Refused,
    UnixAddress,
    Unreachable,
    path_of,
)
from controlplane.commands.place import control_of
from controlplane.commands.terminal import complain

if TYPE_CHECKING:
    import aiohttp

COMMAND_AFTER: Final = "words"
"""What stands behind ``--`` is the command."""
READ_BYTES: Final = 64 << 10
MESSAGE_MAX: Final = 1 << 20
STDERR: Final = 2
FAILED: Final = 1
USAGE: Final = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="TASK", help="a task's id, or how it begins")
    parser.add_argument(
        "container",
        nargs="?",
        default="",
        metavar="CONTAINER",
        help="if it has several",
    )
    parser.set_defaults(words=[])


def main(args: argparse.Namespace) -> int:
    if not args.words:
        complain("alb: write the command behind --, such as: alb exec TASK -- sh")
        return USAGE
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    query: dict[str, str | int | list[str]] = {
        "command": args.words,
        "tty": int(terminal),
    }
    if args.container:
        query["container"] = args.container
    path = path_of("v1", "tasks", args.task, "exec", **query)
    with _raw() if terminal else contextlib.nullcontext():
        return asyncio.run(_run(control_of(args), path, terminal=terminal))


@contextlib.contextmanager
def _raw() -> Iterator[None]:
    """Hand on every key as it is; what the terminal was it is again afterwards."""
    before = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


async def _run(control: Control, path: str, *, terminal: bool) -> int:
    import aiohttp  # noqa: PLC0415 - no other command needs it

    base, connector = str(control.address), None
    if isinstance(control.address, UnixAddress):
        base, connector = "http://localhost", aiohttp.UnixConnector(base)
    headers = {"Authorization": f"Bearer {control.token}"} if control.token else {}
    async with aiohttp.ClientSession(base, connector=connector) as session:
        try:
            async with session.ws_connect(
                path, headers=headers, max_msg_size=MESSAGE_MAX
            ) as conversation:
                return await _converse(conversation, terminal=terminal)
        except aiohttp.WSServerHandshakeError as refused:
            raise Refused(refused.status, str(refused.status), refused.message) from (
                refused
            )
        except aiohttp.ClientError as error:
            raise Unreachable(str(control.address), str(error)) from error


async def _converse(
    conversation: aiohttp.ClientWebSocketResponse, *, terminal: bool
) -> int:
    """Hand input on and show output, until the command has ended; return its status."""
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    threading.Thread(
        target=_read_input,
        args=(lambda chunk: loop.call_soon_threadsafe(chunks.put_nowait, chunk),),
        daemon=True,  # it waits for a key that nobody may press any more
    ).start()
    async with asyncio.TaskGroup() as group:
        helpers = [group.create_task(_send_input(conversation, chunks))]
        if terminal:
            helpers.append(group.create_task(_follow_size(conversation)))
        status = await _show(conversation)
        for helper in helpers:
            helper.cancel()
    return status


def _read_input(hand_on: Callable[[bytes], object]) -> None:
    """Hand on what comes, and at its end nothing."""
    with contextlib.suppress(OSError, RuntimeError):  # the loop has ended before us
        while chunk := os.read(sys.stdin.fileno(), READ_BYTES):
            hand_on(chunk)
        hand_on(b"")


async def _send_input(
    conversation: aiohttp.ClientWebSocketResponse, chunks: asyncio.Queue[bytes]
) -> None:
    while chunk := await chunks.get():
        await conversation.send_bytes(chunk)
    await conversation.send_str(json.dumps({"endOfInput": True}))


async def _follow_size(conversation: aiohttp.ClientWebSocketResponse) -> None:
    """Tell the terminal's size, now and whenever it changes."""
    changed = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, changed.set)
    while True:
        await conversation.send_str(
            json.dumps({"resize": [*shutil.get_terminal_size()]})
        )
        await changed.wait()
        changed.clear()


async def _show(conversation: aiohttp.ClientWebSocketResponse) -> int:
    async for message in conversation:
        if isinstance(message.data, bytes):
            stream = sys.stderr if message.data[0] == STDERR else sys.stdout
            stream.buffer.write(message.data[1:])
            stream.flush()
            continue
        last = json.loads(message.data)
        if "exitCode" in last:
            return int(last["exitCode"])
        complain(f"alb: {last.get('error')}")
        return FAILED
    complain("alb: control has gone; how the command ended is not known")
    return FAILED
