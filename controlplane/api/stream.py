"""Answers that go on: a reader that leaves, or stops reading, ends them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from aiohttp import web

from controlplane.events import Event, EventLog

LOOK_S: Final = 1.0
"""How often an idle stream looks whether its reader is still there."""
WRITE_TIMEOUT_S: Final = 10.0
"""How long a reader may keep one chunk waiting."""


def event_document(event: Event) -> dict[str, object]:
    happening = event.happening
    return {
        "id": event.id,
        "time": happening.unix_s,
        "source": happening.source,
        "subject": happening.subject,
        "message": happening.message,
    }


async def server_sent(log: EventLog, after: int) -> AsyncGenerator[bytes, None]:
    """Yield events in the wire form of the WHATWG HTML standard, 9.2."""
    async with aclosing(log.follow(after)) as events:
        async for event in events:
            data = json.dumps(event_document(event))
            yield f"id: {event.id}\ndata: {data}\n\n".encode()


async def send(
    request: web.Request, chunks: AsyncGenerator[bytes, None], content_type: str
) -> web.StreamResponse:
    """Send `chunks` until they end or the reader is gone."""
    response = web.StreamResponse(headers={"Content-Type": content_type})
    await response.prepare(request)
    try:
        async with asyncio.TaskGroup() as group, aclosing(chunks):
            watch = group.create_task(_raise_when_gone(request))
            async for chunk in chunks:
                async with asyncio.timeout(WRITE_TIMEOUT_S):
                    await response.write(chunk)
            watch.cancel()
    except* (ConnectionResetError, TimeoutError):
        if request.transport is not None:
            request.transport.abort()
    return response


async def _raise_when_gone(request: web.Request) -> None:
    """aiohttp has no event for it short of cancelling every kind of handler."""
    while (  # noqa: ASYNC110
        request.transport is not None and not request.transport.is_closing()
    ):
        await asyncio.sleep(LOOK_S)
    raise ConnectionResetError
