"""Make one health check: connect, ask, read the head of the answer. Floor 3.

    GET PATH HTTP/1.1, User-Agent: ELB-HealthChecker/2.0, Connection: close

A new connection each time, closed afterwards. Only the status counts, but the
head must be whole: what the request path would not pass on is no health. The
result is a value; what it means for the target is decided elsewhere.

Time is counted in slices in which our own loop was punctual, so a prober that
was stopped or starved does not blame the target for it.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import os
import re
import ssl
from collections.abc import Callable
from typing import Final, cast

from alb.decide.health import Answered, Failed, NotMade, ProbeOutcome, TimedOut
from alb.drivers.tls_contexts import target_context
from alb.model import HealthCheck

HEAD_MAX_BYTES: Final = 32 * 1024
"""As for every response head: ALB's limit."""

_SLICES: Final = 8
_BUSY_FACTOR: Final = 4
"""Unpunctual for this many times the timeout: the check tells nothing."""

_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\r\n]*)?\r?\n")
_INTERIM: Final = range(100, 200)
_SWITCHING: Final = 101
_PORTS: Final = {"HTTP": 80, "HTTPS": 443}

_OUR_FAULT: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)


async def probe(host: str, port: int, check: HealthCheck) -> ProbeOutcome:
    """Check ``host:port`` once. Never raises; ends soon after the timeout."""
    loop = asyncio.get_running_loop()
    exchange = _Exchange(_request(host, port, check), loop.create_future())
    limit = asyncio.timeout(None)
    patience = _Patience(loop, check.timeout_s, lambda: limit.reschedule(loop.time()))
    try:
        async with limit:
            if check.protocol == "HTTPS":
                await loop.create_connection(
                    lambda: exchange, host, port, ssl=_tls(), server_hostname=""
                )
            else:
                await loop.create_connection(lambda: exchange, host, port)
            return await exchange.outcome
    except TimeoutError:
        if patience.was_busy:
            return NotMade("the prober itself had no time")
        return TimedOut()
    except OSError as problem:
        return _failure(problem)
    except UnicodeError:
        return Failed("the host name is invalid")
    finally:
        patience.stop()
        exchange.end()


@functools.cache
def _tls() -> ssl.SSLContext:
    return target_context()


def _failure(problem: OSError) -> ProbeOutcome:
    if isinstance(problem, ssl.SSLError):
        words = (problem.reason or "connection closed").replace("_", " ").lower()
        return Failed(f"the TLS handshake failed: {words}")
    if problem.errno in _OUR_FAULT:
        return NotMade(os.strerror(problem.errno))
    return Failed(_words(problem))


def _request(host: str, port: int, check: HealthCheck) -> bytes:
    name = f"[{host}]" if ":" in host else host
    if port != _PORTS[check.protocol]:
        name += f":{port}"
    return (
        f"GET {check.path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n"
        "User-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: gzip, compressed\r\n\r\n"
    ).encode()


def _words(problem: OSError) -> str:
    """Return the system's words: the library's own name the address once more."""
    if problem.errno is None or problem.errno < 0:
        return problem.strerror or "the name does not resolve"
    return os.strerror(problem.errno).lower()


class _Exchange(asyncio.Protocol):
    """One request and the head of its answer."""

    def __init__(self, request: bytes, outcome: asyncio.Future[ProbeOutcome]) -> None:
        self.outcome = outcome
        self._request = request
        self._received = bytearray()
        self._room = HEAD_MAX_BYTES
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop has its own
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self.outcome.done():
            return
        self._received += data
        outcome = self._read()
        if outcome is not None:
            self.outcome.set_result(outcome)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.outcome.done():
            how = "connection reset" if exc else "connection closed"
            self.outcome.set_result(Failed(f"{how} before a whole response head"))

    def end(self) -> None:
        """Close politely when there is an outcome, else at once."""
        transport = self._transport
        if transport is None:
            return
        if self.outcome.done() and not transport.get_write_buffer_size():
            transport.close()
        else:
            transport.abort()

    def _read(self) -> ProbeOutcome | None:
        """Return the outcome as soon as there is one; interim answers are none."""
        while b"\n" in self._received:
            line = _STATUS_LINE.match(self._received)
            if line is None:
                return Failed("the response is not HTTP/1.1")
            end = _HEAD_END.search(self._received)
            if end is None or end.end() > self._room:
                break
            status = int(line[1])
            if status not in _INTERIM or status == _SWITCHING:
                return Answered(status)
            self._room -= end.end()
            del self._received[: end.end()]
        if len(self._received) > self._room:
            return Failed("the response head is too large")
        return None


class _Patience:
    """Calls `expire` when `timeout_s` has passed in slices that came on time."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        timeout_s: float,
        expire: Callable[[], None],
    ) -> None:
        self.was_busy = False
        self._loop = loop
        self._expire = expire
        self._slice_s = timeout_s / _SLICES
        self._left = _SLICES
        self._give_up_s = loop.time() + timeout_s * _BUSY_FACTOR
        self._arm()

    def stop(self) -> None:
        self._timer.cancel()

    def _arm(self) -> None:
        self._expected_s = self._loop.time() + self._slice_s
        self._timer = self._loop.call_at(self._expected_s, self._slice_is_over)

    def _slice_is_over(self) -> None:
        now_s = self._loop.time()
        if now_s < self._expected_s + self._slice_s:
            self._left -= 1
        elif now_s >= self._give_up_s:
            self.was_busy = True
            self._left = 0
        if self._left:
            self._arm()
        else:
            self._expire()
