"""Opens the connections to targets that exchanges ask for. Floor 4.

    exchange, target --> connect --> TLS where the group has it --> exchange

The handshake has a deadline of its own, as connecting has.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, Protocol, cast

from alb.drivers.sockets import is_out_of_files, is_out_of_sockets
from alb.drivers.tls import TlsTransport, tls_over
from alb.drivers.tls_contexts import target_context
from alb.drivers.upstream import UpstreamConnection
from alb.errors import Failure
from alb.state.targets import TargetState

CONNECT_S: Final = 10.0
"""AWS's connection timeout to targets."""
HANDSHAKE_S: Final = 10.0
"""AWS's TLS handshake timeout to targets."""
CONNECT_AGAIN_S: Final = (0.1, 0.2, 0.3, 0.4)
"""Pauses before targets are tried again when all have refused. An engine that
starts writes its port rules anew: for a quarter of a second its tasks refuse."""


class NotSecured(Exception):
    """A target's TLS handshake failed, or did not end in time."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


class Waiting(Protocol):
    """An exchange that waits for a connection."""

    @property
    def is_last_attempt(self) -> bool: ...

    def switch_target(self) -> TargetState | None: ...

    def on_connected(self, upstream: UpstreamConnection) -> None: ...

    def on_not_connected(self, failure: Failure) -> None: ...


class Connector:
    """Opens connections; makes what TLS needs when it is first needed."""

    def __init__(
        self,
        close_pools: Callable[[], bool],
        doubt: Callable[[TargetState], None],
        handshake_s: float = HANDSHAKE_S,
    ) -> None:
        """`close_pools` closes what waits for requests; False: nothing did. `doubt`
        is told of every target that could not be connected to."""
        self._close_pools = close_pools
        self._doubt = doubt
        self._handshake_s = handshake_s
        self._context: ssl.SSLContext | None = None

    async def connect(self, exchange: Waiting, target: TargetState) -> None:
        """Tell `exchange` of an open connection, or why there is none."""
        try:
            upstream = await self._open(exchange, target)
        except NotSecured as problem:
            exchange.on_not_connected(problem.failure)
        except TimeoutError:
            exchange.on_not_connected(Failure.CONNECT_TIMEOUT)
        except OSError as problem:
            lacking = is_out_of_sockets(problem)
            exchange.on_not_connected(
                Failure.NO_SOCKET if lacking else Failure.CONNECT_REFUSED
            )
        else:
            if upstream.transport.is_closing():  # accepted, and hung up
                exchange.on_not_connected(Failure.CONNECT_REFUSED)
            else:
                exchange.on_connected(upstream)

    async def _open(self, exchange: Waiting, target: TargetState) -> UpstreamConnection:
        """Open a connection, patiently if it is the last attempt.

        Raises TimeoutError, OSError, NotSecured.
        """
        deadline_s = asyncio.get_running_loop().time() + CONNECT_S
        for pause_s in CONNECT_AGAIN_S:
            try:
                return await self._opened(target, deadline_s)
            except TimeoutError:
                raise
            except OSError as problem:
                if is_out_of_files(problem) and self._close_pools():
                    await asyncio.sleep(0)  # their files are free behind this turn
                    continue
                if not exchange.is_last_attempt:
                    raise
            async with asyncio.timeout_at(deadline_s):
                await asyncio.sleep(pause_s)
            target = exchange.switch_target() or target
        return await self._opened(target, deadline_s)

    async def _opened(
        self, target: TargetState, deadline_s: float
    ) -> UpstreamConnection:
        """Open a connection; whoever hangs up at once is in doubt as well."""
        try:
            upstream = await self._secured(target, deadline_s)
        except (OSError, NotSecured) as problem:  # TimeoutError is an OSError
            if not (isinstance(problem, OSError) and is_out_of_sockets(problem)):
                self._doubt(target)
            raise
        if upstream.transport.is_closing():
            self._doubt(target)
        return upstream

    async def _secured(
        self, target: TargetState, deadline_s: float
    ) -> UpstreamConnection:
        upstream = UpstreamConnection(target)
        loop = asyncio.get_running_loop()
        if not target.secure:
            async with asyncio.timeout_at(deadline_s):
                await loop.create_connection(lambda: upstream, target.host, target.port)
            return upstream
        handshake = _Handshake(loop.create_future())
        tls = tls_over(self._tls(), upstream, handshake, server_side=False)
        shown = cast(asyncio.Protocol, tls)
        async with asyncio.timeout_at(deadline_s):
            await loop.create_connection(lambda: shown, target.host, target.port)
        try:
            async with asyncio.timeout(self._handshake_s):
                await handshake.ended
        except TimeoutError:
            raise NotSecured(Failure.TLS_TIMEOUT) from None
        finally:
            if upstream.transport is None:
                tls.abort()
        return upstream

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = target_context()
        return self._context


class _Handshake:
    """One handshake with a target; `ended` has no result."""

    def __init__(self, ended: asyncio.Future[None]) -> None:
        self.ended = ended

    def begun(self, tls: TlsTransport) -> None:
        pass

    def completed(self, tls: TlsTransport) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def failed(self, tls: TlsTransport, reason: str) -> bytes:
        if not self.ended.done():
            self.ended.set_exception(NotSecured(Failure.TLS_FAILED))
        return b""
