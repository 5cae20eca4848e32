"""A webhook of an alarm that cannot be asked is an answer, and tells no secret."""

from __future__ import annotations

import asyncio

import pytest

from autoscaler.actions import Notice, Webhook
from autoscaler.drivers.courier import Courier


def notice(url: str) -> Notice:
    return Notice("1", "hot", "ALARM", "it is", Webhook(url), "{}", 0.0)


@pytest.mark.parametrize("url", ["http://example..com/SECRET", "http://[::1/SECRET"])
async def test_a_url_that_nobody_can_ask_is_not_tried_again(url: str) -> None:
    ran = await Courier().run(notice(url))
    assert ("the URL cannot be read", False) == (ran.error, ran.again)


async def test_an_answer_that_is_no_http_does_not_tell_the_url() -> None:
    async def mad(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"no HTTP at all\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(mad, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        ran = await Courier().run(notice(f"http://127.0.0.1:{port}/SECRET"))
    assert ran.again
    assert ran.error
    assert "SECRET" not in ran.error
