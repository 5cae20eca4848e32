"""Ask an HTTP server for a text, in bounded time and size. Floor 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import aiohttp

TIMEOUT_S: Final = 5.0
BODY_MAX: Final = 4 * 1024 * 1024
SUCCESS: Final = range(200, 300)


class FetchFailed(Exception):
    """No whole answer, or not a good one; says why, for a person."""


class Fetching:
    """Connections that are kept between questions. Close it."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def fetch(
        self,
        url: str,
        query: Mapping[str, str] | None = None,
        *,
        elsewhere: bool = True,
    ) -> bytes:
        """Return the body of a 2xx, or of an error told as JSON. Raises FetchFailed.

        `elsewhere` is whether to follow where the answer says that it is.
        """
        if self._session is None:
            timeout = aiohttp.ClientTimeout(TIMEOUT_S)
            self._session = aiohttp.ClientSession(timeout=timeout)
        try:
            async with self._session.get(
                url, params=query, allow_redirects=elsewhere
            ) as answer:
                body = await answer.content.read(BODY_MAX + 1)
                while len(body) <= BODY_MAX and not answer.content.at_eof():
                    body += await answer.content.read(BODY_MAX + 1 - len(body))
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise FetchFailed(str(error) or "it did not answer in time") from error
        if len(body) > BODY_MAX:
            raise FetchFailed(f"it answers more than {BODY_MAX} bytes")
        if answer.status not in SUCCESS and answer.content_type != "application/json":
            raise FetchFailed(f"it answers {answer.status}")
        return body

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
