"""Short calls to one Docker Engine, on threads of that engine's own. Floor 3.

The `docker` package blocks, so its calls run on a small pool; a deadline bounds
how long we wait, the socket's timeout how long a thread is held. A frozen engine
uses up its own threads and nobody else's. What takes long (events, pulls, the
wait of a stop) is `docker_streams`' affair and holds no thread.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import math
import socket
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import urlsplit

import docker.errors
import requests
import urllib3.exceptions
from docker import APIClient
from docker.tls import TLSConfig

from scheduler.drivers.docker_transport import Transport, causes, tls_problem
from scheduler.errors import ContainerError, HostNotReached, OutcomeUnknown
from scheduler.instance import EndpointTls

T = TypeVar("T")

THREADS: Final = 8
ASK_TIMEOUT_S: Final = 5.0
TELL_TIMEOUT_S: Final = 20.0
"""A create on a slow disk; what took longer is looked at again, not lost."""
OLDEST_API: Final = "1.41"  # Engine 20.10

NOT_SENT: Final = (
    ConnectionRefusedError,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
)
"""What is raised before the first byte of a request can have left."""


class EngineRefused(ContainerError):
    """The engine answered, and not with success. `status` is HTTP's."""

    def __init__(self, host: str, operation: str, detail: str, status: int) -> None:
        super().__init__(host, operation, detail)
        self.status = status

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.host, self.operation, self.detail, self.status)


class EngineCalls:
    """The engine at `endpoint`, which a person knows as `host`."""

    def __init__(self, host: str, endpoint: str, transport: Transport) -> None:
        self.host = host
        self.endpoint = endpoint
        self._transport = transport
        self._version = ""
        self._clients: dict[float, APIClient] = {}
        self._threads = concurrent.futures.ThreadPoolExecutor(
            THREADS, thread_name_prefix=f"alb-{host}"
        )

    async def ask(self, operation: str, question: Callable[[APIClient], T]) -> T:
        """Return the answer to a question that changes nothing.

        Raises HostNotReached when none came in time, EngineRefused.
        """
        try:
            return await self._run(operation, question, ASK_TIMEOUT_S)
        except OutcomeUnknown as silent:
            raise HostNotReached(self.host, operation, silent.detail) from silent

    async def tell(self, operation: str, change: Callable[[APIClient], T]) -> T:
        """Make a change. Raises HostNotReached, OutcomeUnknown, EngineRefused."""
        return await self._run(operation, change, TELL_TIMEOUT_S)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for client in self._clients.values():
            client.close()

    async def _run(
        self, operation: str, function: Callable[[APIClient], T], timeout_s: float
    ) -> T:
        await self._transport.ready(self.host, operation)
        future = self._threads.submit(self._call, operation, function, timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.wrap_future(future)
        except TimeoutError as late:
            detail = f"no answer within {timeout_s:g} s"
            kind = HostNotReached if future.cancel() else OutcomeUnknown
            raise kind(self.host, operation, detail) from late
        except requests.RequestException as failed:
            raise self._translate(operation, failed) from failed

    def _call(
        self, operation: str, function: Callable[[APIClient], T], timeout_s: float
    ) -> T:
        self._knock(operation)
        return function(self._connected(timeout_s))

    def _knock(self, operation: str) -> None:
        """Raise HostNotReached where nobody listens: nothing was sent, for certain.

        The package leaves a socket that could not connect to the collector, and
        the reason for us to guess; a Unix socket is quickly tried by ourselves.
        """
        parts = urlsplit(self._transport.url)
        if parts.scheme != "unix":
            return
        with socket.socket(socket.AF_UNIX) as knock:
            knock.settimeout(ASK_TIMEOUT_S)
            try:
                knock.connect(parts.path)
            except OSError as failed:
                detail = f"{self.endpoint}: {failed.strerror or failed}"
                raise HostNotReached(self.host, operation, detail) from failed

    def _connected(self, timeout_s: float) -> APIClient:
        """Return a client that speaks the engine's own version, which is asked once.

        One for each timeout: the package has it per client, and a thread should
        be held no longer than somebody waits for it.
        """
        if not self._version:
            first = self._open(OLDEST_API, timeout_s)
            try:
                self._version = first.version(api_version=False)["ApiVersion"]
            finally:
                first.close()
        if timeout_s not in self._clients:
            client = self._open(self._version, timeout_s)
            if self._clients.setdefault(timeout_s, client) is not client:
                client.close()  # another thread was faster
        return self._clients[timeout_s]

    def _open(self, version: str, timeout_s: float) -> APIClient:
        tls = self._transport.tls
        client = APIClient(
            base_url=self._transport.url,
            version=version,
            tls=_configured(tls) if tls else False,
            timeout=math.ceil(timeout_s),
            max_pool_size=THREADS,
        )
        client.trust_env = False  # a proxy of the environment is not for engines
        return client

    def _translate(
        self, operation: str, failed: requests.RequestException
    ) -> ContainerError:
        if isinstance(failed, docker.errors.APIError):
            detail = str(failed.explanation or failed)
            status = int(failed.status_code or 0)
            return EngineRefused(self.host, operation, detail, status)
        if problem := tls_problem(failed):
            detail = f"{self.endpoint}: {problem}"
            return HostNotReached(self.host, operation, detail)
        not_sent = next((e for e in causes(failed) if isinstance(e, NOT_SENT)), None)
        if not_sent:
            detail = f"{self.endpoint}: {not_sent}"
            return HostNotReached(self.host, operation, detail)
        return OutcomeUnknown(self.host, operation, str(failed))


def _configured(tls: EndpointTls) -> TLSConfig:
    """Return TLS as the package takes it; the files were looked at before."""
    pair = (tls.cert, tls.key) if tls.cert else None
    return TLSConfig(client_cert=pair, ca_cert=tls.ca or None, verify=True)
