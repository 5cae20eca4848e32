"""A target that takes its time: what slow clients and slow targets are measured with.

python -m bench.stubborn PORT      until its input ends

GET /…/large     64 MiB, as fast as they are read
GET /…/silent    no answer at all
POST             an answer behind the whole body
Upgrade          an echo
anything else    ``ok``
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Sequence
from typing import Final

from bench.node import step_back

MIB: Final = 1 << 20
LARGE_MIB: Final = 64
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: (\d+)")
_OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_SWITCHED: Final = (
    b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await answer(reader, writer):
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # whoever asked has left
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answer one request; return whether another may follow."""
    head = await reader.readuntil(b"\r\n\r\n")
    path = head.split(b" ", 2)[1]
    if length := _LENGTH.search(head):
        left = int(length[1])
        while left and (some := await reader.read(min(left, MIB))):
            left -= len(some)
    if b"\r\nUpgrade: " in head:
        writer.write(_SWITCHED)
        while some := await reader.read(MIB):
            writer.write(some)
            await writer.drain()
        return False
    if path.endswith(b"/silent"):
        await reader.read(1)  # until it is given up
        return False
    if path.endswith(b"/large"):
        size = LARGE_MIB * MIB
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(LARGE_MIB):
            writer.write(bytes(MIB))
            await writer.drain()
        return True
    writer.write(_OK)
    return True


async def run(port: int) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    await asyncio.start_server(serve, "127.0.0.1", port, backlog=1024)
    print("here", flush=True)
    await ended.wait()


def main(arguments: Sequence[str]) -> int:
    if "aside" in arguments:
        step_back()
    asyncio.run(run(int(arguments[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
