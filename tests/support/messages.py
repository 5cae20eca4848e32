"""Requests and answers as bytes, for tests that look at the wire."""

from __future__ import annotations

import asyncio

from tests.support.node import Handler, read_body

CLOSE = b"Host: a.example\r\nConnection: close\r\n\r\n"
"""The end of a head whose connection is to end too."""


def get(path: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"GET %b HTTP/1.1" % path, *lines, CLOSE])


def head_of(answer: bytes) -> list[bytes]:
    return answer.partition(b"\r\n\r\n")[0].split(b"\r\n")


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def replying(answer: bytes, *, then: bool = True) -> Handler:
    """A target that says `answer` to whatever it is asked."""

    async def handle(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        await read_body(head, reader)
        writer.write(answer)
        await writer.drain()
        return then

    return handle
