"""The usual recipe for a proxy in Python: an aiohttp application and ClientSession.

One process on uvloop, with the features of the other peers: twenty rules,
X-Forwarded-For, a unique id, counters.

    python aiohttp_application.py LISTEN ORIGIN_A ORIGIN_B
"""

from __future__ import annotations

import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator

import uvloop
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web
from multidict import CIMultiDict

HOSTS = frozenset(f"h{number}.example.com" for number in range(10))
PATHS = tuple(f"/p{number}/" for number in range(10))
HOP_BY_HOP = ("Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "TE")

SESSION = web.AppKey("session", ClientSession)
ORIGINS = web.AppKey("origins", tuple[str, str])
STATISTICS = web.AppKey("statistics", Counter[str])


def origin_of(request: web.Request) -> str:
    a, b = request.app[ORIGINS]
    if request.host in HOSTS:
        return a
    return b if request.path.startswith(PATHS) else a


async def forward(request: web.Request) -> web.Response:
    headers = CIMultiDict(request.headers)
    for name in HOP_BY_HOP:
        headers.popall(name, None)
    before = headers.get("X-Forwarded-For")
    remote = request.remote or ""
    headers["X-Forwarded-For"] = f"{before}, {remote}" if before else remote
    headers["X-Request-ID"] = uuid.uuid4().hex

    body = await request.read() if request.can_read_body else None
    url = f"{origin_of(request)}{request.raw_path}"
    session = request.app[SESSION]
    async with session.request(
        request.method, url, headers=headers, data=body, allow_redirects=False
    ) as answer:
        content = await answer.read()
        passed_on = CIMultiDict(answer.headers)
        for name in (*HOP_BY_HOP, "Content-Length", "Content-Encoding"):
            passed_on.popall(name, None)
        request.app[STATISTICS][f"{request.method} {answer.status}"] += 1
        return web.Response(status=answer.status, body=content, headers=passed_on)


async def statistics(request: web.Request) -> web.Response:
    return web.json_response(request.app[STATISTICS])


async def session_of(app: web.Application) -> AsyncIterator[None]:
    connector = TCPConnector(limit=0)
    async with ClientSession(connector=connector, cookie_jar=DummyCookieJar()) as it:
        app[SESSION] = it
        yield


def main() -> None:
    listen, origin_a, origin_b = sys.argv[1:]
    app = web.Application(client_max_size=2**40)
    app[ORIGINS] = (f"http://127.0.0.1:{origin_a}", f"http://127.0.0.1:{origin_b}")
    app[STATISTICS] = Counter()
    app.cleanup_ctx.append(session_of)
    app.router.add_get("/statistics", statistics)
    app.router.add_route("*", "/{tail:.*}", forward)
    loop = uvloop.new_event_loop()
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(listen),
        access_log=None,
        print=None,
        loop=loop,
    )


if __name__ == "__main__":
    main()
