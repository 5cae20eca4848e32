"""How a Docker Engine is reached: its socket, TCP, TCP with TLS, or SSH. Floor 3.

    unix:///PATH   tcp://HOST:PORT   ssh://USER@HOST[:PORT][/PATH]

The two clients of an engine (`docker_calls`, `docker_streams`) connect to `url`,
once `ready` has returned; whatever is wrong on the way there is told in one
sentence, as HostNotReached: nothing was sent. By SSH that is a local socket which
the `ssh` program forwards to the engine's: its configuration, agent and known
hosts are the user's own, and the forward ends with this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import shutil
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from scheduler.errors import HostNotReached
from scheduler.instance import EndpointTls

SSH_DEADLINE_S: Final = 15.0
SSH_CONNECT_S: Final = 8
ALIVE_EVERY_S: Final = 5
ALIVE_COUNT: Final = 3
"""A host that is silent for the product of the two is lost, and connected anew."""
SOCKET: Final = "/var/run/docker.sock"
_READY: Final = "alb-forward-ready"
_NO_SOCKET: Final = "alb-no-socket"
_NOT_ALLOWED: Final = "alb-not-allowed"
_END_S: Final = 2.0
_TOLD_BYTES_MAX: Final = 4096


def _remote(socket: str) -> str:
    """Return what runs there: a look at the socket, and a wait.

    The session ends with its standard input, which is ours: no forward outlives us.
    """
    path = shlex.quote(socket)
    script = (
        f"test -S {path} || {{ echo {_NO_SOCKET}; exit 1; }}; "
        f"test -w {path} || {{ echo {_NOT_ALLOWED}; exit 1; }}; "
        f"echo {_READY}; exec cat"
    )
    return f"sh -c {shlex.quote(script)}"


class Transport(Protocol):
    """The way to one engine. `url` is what clients connect to, unix:// or tcp://."""

    url: str
    tls: EndpointTls | None
    context: ssl.SSLContext | None

    async def ready(self, host: str, operation: str) -> None:
        """Return when `url` may be connected to. Raises HostNotReached."""
        ...

    async def close(self) -> None: ...


def transport_to(endpoint: str, tls: EndpointTls | None = None) -> Transport:
    """Return the way to `endpoint`; nothing is opened before it is used."""
    if endpoint.startswith("ssh://"):
        return SshForward(endpoint)
    return Direct(endpoint, tls)


class Direct:
    """A socket of this machine, or TCP; with `tls` both sides show certificates."""

    def __init__(self, endpoint: str, tls: EndpointTls | None = None) -> None:
        self.url = endpoint
        self.tls = tls
        self.context: ssl.SSLContext | None = None

    async def ready(self, host: str, operation: str) -> None:
        if self.tls is not None and self.context is None:
            try:
                self.context = context_of(self.tls)
            except TlsFilesBad as bad:
                detail = f"{self.url}: {bad}"
                raise HostNotReached(host, operation, detail) from bad

    async def close(self) -> None:
        """Nothing is held open here."""


# --- TLS ------------------------------------------------------------------------------


class TlsFilesBad(Exception):
    """A file of ``tls`` cannot be used; the message says which and why."""


def context_of(tls: EndpointTls) -> ssl.SSLContext:
    """Return how to speak to an engine. Raises TlsFilesBad."""
    for name, path in (("ca", tls.ca), ("cert", tls.cert), ("key", tls.key)):
        if not path:
            continue
        try:
            Path(path).read_bytes()
        except OSError as failed:
            raise TlsFilesBad(f"tls.{name}: {path}: {failed.strerror}") from failed
    try:
        context = ssl.create_default_context(cafile=tls.ca or None)
    except ssl.SSLError as failed:
        raise TlsFilesBad(f"tls.ca: {tls.ca} holds no PEM certificate") from failed
    if tls.cert:
        try:
            context.load_cert_chain(tls.cert, tls.key, password="")
        except (ssl.SSLError, ValueError) as failed:
            why = "do not fit each other, are no PEM, or the key is encrypted"
            raise TlsFilesBad(f"tls.cert {tls.cert} and tls.key {tls.key} {why}") from (
                failed
            )
    return context


def tls_problem(failed: BaseException) -> str:
    """Return what is wrong with certificates, if it is that; else nothing."""
    for cause in causes(failed):
        if type(cause).__module__ != ssl.SSLError.__module__:
            continue  # aiohttp's own are errors of ssl's by name only
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            reason = (cause.reason or "").lower().replace("_", " ")
            if "alert" in reason or "certificate" in reason:
                return f"it refuses our certificate, tls.cert ({reason})"
            return f"it does not speak TLS as we do ({reason or cause})"
    return ""


def causes(failed: object) -> Iterator[BaseException]:
    """Yield an error and what it wraps: requests and urllib3 nest in `args`, too."""
    seen: set[int] = set()
    waiting = [failed]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = (getattr(one, "reason", None), one.__cause__, one.__context__)
        waiting += [*one.args, *inner]
        waiting += [
            getattr(one, name, None) for name in ("os_error", "certificate_error")
        ]


# --- SSH ------------------------------------------------------------------------------


class SshForward:
    """A local socket that `ssh` forwards to the engine's; opened again when lost."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._directory = Path(tempfile.mkdtemp(prefix="alb-"))
        self._socket = self._directory / "engine.sock"
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self.url = f"unix://{self._socket}"
        self.tls: EndpointTls | None = None
        self.context: ssl.SSLContext | None = None

    async def ready(self, host: str, operation: str) -> None:
        async with self._lock:
            if self.pid is not None:
                return
            problem = await self._open()
        if problem:
            detail = f"{self._endpoint}: {problem}"
            raise HostNotReached(host, operation, detail)

    @property
    def pid(self) -> int | None:
        """The process id of `ssh`; None: it was not started, or has ended."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    async def lost(self) -> None:
        """Return when `ssh` has ended; at once where there is none."""
        if self._process is not None:
            await self._process.wait()

    async def close(self) -> None:
        await self._end()
        shutil.rmtree(self._directory, ignore_errors=True)

    def command(self) -> list[str]:
        """Return the `ssh` command that forwards, says so, and waits."""
        parts = urlsplit(self._endpoint)
        user = ["-l", parts.username] if parts.username else []
        port = ["-p", str(parts.port)] if parts.port else []
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": SSH_CONNECT_S,
            "ControlMaster": "no",
            "ControlPath": "none",
            "ExitOnForwardFailure": "yes",
            "ServerAliveInterval": ALIVE_EVERY_S,
            "ServerAliveCountMax": ALIVE_COUNT,
            "StreamLocalBindUnlink": "yes",
        }
        told = [f"-o{name}={value}" for name, value in options.items()]
        socket = parts.path.rstrip("/") or SOCKET
        where = ["-L", f"{self._socket}:{socket}", parts.hostname or ""]
        return ["ssh", "-T", *told, *user, *port, *where, _remote(socket)]

    async def _open(self) -> str:
        """Start `ssh`; return what went wrong, or nothing."""
        await self._end()
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command(), stdin=pipe, stdout=pipe, stderr=pipe,
                start_new_session=True,
            )  # fmt: skip
        except FileNotFoundError:
            return "there is no ssh program here; install openssh-client"
        self._process = process
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            async with asyncio.timeout(SSH_DEADLINE_S):
                word = (await process.stdout.readline()).decode().strip()
                if word == _READY:
                    return ""
                told = await process.stderr.read(_TOLD_BYTES_MAX)
        except TimeoutError:
            await self._end()
            return f"ssh did not connect within {SSH_DEADLINE_S:g} s"
        except asyncio.CancelledError:
            process.kill()
            raise
        await self._end()
        return ssh_problem(word, told.decode("utf-8", "replace"))

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_END_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


_NO_ROUTE: Final = "there is no route to it"
_SSH_SAYS: Final = {
    "host key verification failed": "its host key is not known here, or has changed; "
    "connect once with ssh and compare the fingerprint",
    "permission denied": "it does not accept our key; add it to authorized_keys there,"
    " or to the agent here",
    "could not resolve hostname": "its name cannot be resolved",
    "connection refused": "nothing listens at its SSH port",
    "timed out": "it does not answer at its SSH port",
    "no route to host": _NO_ROUTE,
    "network is unreachable": _NO_ROUTE,
    "administratively prohibited": "its sshd has AllowStreamLocalForwarding off",
}
"""What ssh says, in lower case, and what that means."""


def ssh_problem(word: str, told: str) -> str:
    """Return in one sentence why there is no forward."""
    if word == _NO_SOCKET:
        return "no Docker Engine has its socket there"
    if word == _NOT_ALLOWED:
        return "its user may not use the engine; add it to the group docker there"
    lower = told.lower()
    for says, problem in _SSH_SAYS.items():
        if says in lower:
            return problem
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return f"ssh: {lines[-1]}" if lines else "ssh ended without a word"
