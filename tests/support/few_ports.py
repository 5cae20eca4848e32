"""A node where eight local ports are left: python -m tests.support.few_ports DIR

Runs as a process of its own, in a network of its own, and says what it saw.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Final

from tests.support.crowd import failures
from tests.support.node import Origin, answer_ok, run_node, until

PORTS: Final = 8


async def main(directory: Path) -> str:
    free = asyncio.Event()

    async def hold(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        await free.wait()
        return await answer_ok(head, reader, writer)

    async with run_node(directory, workers=1) as node:
        node.port = 8080
        target = await Origin(hold).start(9001)
        await node.serve({"web": [9001]})
        await node.healthy("web-9001")
        # clients bring their own ports
        asked = []
        for number in range(PORTS + 1):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", 8080, local_addr=("127.0.0.1", 20000 + number)
            )
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            asked.append((reader, writer))
        await until(lambda: bool(failures(node)), "one finds no port")
        held = len(target.heads)
        free.set()
        answers = [(await reader.readline())[9:12] for reader, _ in asked]
        refused = sorted(answers)[-1].decode()
        reader, writer = asked[0]
        await reader.readuntil(b"\r\n\r\n/")
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        again = (await reader.readline())[9:12].decode()
        totals = node.balancer.statistics().totals.targets.values()
        blamed = sum(each.totals["connectionErrors"] for each in totals)
        for _, writer in asked:
            writer.transport.abort()
        target.drop()
    return f"held {held}, refused {refused}, then {again}, blamed {blamed}"


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(main(Path(sys.argv[1]))) + "\n")
