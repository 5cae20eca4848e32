"""Speak to control: HTTP/1.1 over its Unix socket, or over TCP with its token.

One request per connection, blocking, a deadline on everything but streams.
Written on sockets because importing `http.client` costs more time than `status`
takes. Absent: redirects, compression, keep-alive; control uses none of them.

    ClientError
      Unreachable    nobody answers there: connect refused, gone, or too slow
      Refused        control answered and said no: status, code, message, problems
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

TIMEOUT_S: Final = 30.0
HEAD_MAX: Final = 64 * 1024
OK: Final = range(200, 300)

Document = Mapping[str, object]


class ClientError(Exception):
    """Base of what can go wrong between here and control."""


class Unreachable(ClientError):
    """Nobody answers at the address, or not in time, or not in HTTP."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(address, reason)
        self.address = address
        self.reason = reason

    def __str__(self) -> str:
        return f"control does not answer at {self.address}: {self.reason}"


class Refused(ClientError):
    """Control said no. `problems` are whole lines for a person."""

    def __init__(
        self, status: int, code: str, message: str, problems: tuple[str, ...] = ()
    ) -> None:
        super().__init__(status, code, message, problems)
        self.status = status
        self.code = code
        self.message = message
        self.problems = problems

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class UnixAddress:
    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class TcpAddress:
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


Address = UnixAddress | TcpAddress


def address_of(text: str) -> Address:
    """Read ``http://HOST:PORT``, ``unix:PATH`` or a path. Raises ValueError."""
    if not text.startswith("http:"):
        return UnixAddress(Path(text.removeprefix("unix:")))
    from urllib.parse import urlsplit  # noqa: PLC0415 - `status` needs none

    parts = urlsplit(text)
    if not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError(f"{text} is not http://HOST:PORT")
    return TcpAddress(parts.hostname, parts.port or 80)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `unix_s` is when."""

    id: int
    unix_s: float
    source: str
    subject: str
    message: str


class Answer:
    """A response whose body is read as it comes. Close it, or use it `with`."""

    def __init__(self, connection: socket.socket, address: Address) -> None:
        self._connection = connection
        self._address = address
        self._file: IO[bytes] = connection.makefile("rb")
        self.status, self.headers = self._head()

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self._connection.close()

    def body(self) -> bytes:
        return b"".join(self.chunks())

    def lines(self) -> Iterator[str]:
        """Yield lines without their ends, as soon as they are whole."""
        rest = b""
        for chunk in self.chunks():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line.decode("utf-8", "replace").removesuffix("\r")
        if rest:
            yield rest.decode("utf-8", "replace")

    def chunks(self) -> Iterator[bytes]:
        """Yield the body in the pieces it is sent in. Raises Unreachable if cut."""
        if self.headers.get("transfer-encoding") == "chunked":
            yield from self._chunked()
            return
        length = self.headers.get("content-length")
        body = self._file.read(-1 if length is None else int(length))
        if length is not None and len(body) < int(length):
            raise self._cut()
        yield body

    def _chunked(self) -> Iterator[bytes]:
        while True:
            size = self._file.readline(HEAD_MAX)
            if not size.endswith(b"\n"):
                raise self._cut()
            length = int(size.partition(b";")[0], 16)
            chunk = self._file.read(length)
            if len(chunk) < length:
                raise self._cut()
            if not self._file.readline(HEAD_MAX).endswith(b"\n"):
                raise self._cut()
            if not length:
                return
            yield chunk

    def _head(self) -> tuple[int, Mapping[str, str]]:
        status_line = self._file.readline(HEAD_MAX)
        version, _, rest = status_line.partition(b" ")
        if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
            raise self._cut()
        headers = {}
        while (line := self._file.readline(HEAD_MAX).strip()) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return int(rest[:3]), headers

    def _cut(self) -> Unreachable:
        return Unreachable(str(self._address), "the answer ended early")


@dataclass(frozen=True, slots=True)
class Control:
    """The control of one cluster. Every method raises ClientError."""

    address: Address
    token: str = field(default="", repr=False)

    def get(self, path: str, timeout_s: float = TIMEOUT_S) -> Document:
        with self._ask("GET", path, None, timeout_s) as answer:
            return _document(answer)

    def post(self, path: str, body: Document, timeout_s: float = TIMEOUT_S) -> Document:
        with self._ask("POST", path, body, timeout_s) as answer:
            return _document(answer)

    def status(self, path: str, timeout_s: float = TIMEOUT_S) -> tuple[int, str]:
        """Return the status and the text of an answer that may be an error."""
        with self._ask("GET", path, None, timeout_s) as answer:
            return answer.status, answer.body().decode("utf-8", "replace").strip()

    def lines(self, path: str) -> Iterator[str]:
        """Yield the lines of an answer that goes on, until it ends."""
        with self._ask("GET", path, None, None) as answer:
            if answer.status not in OK:
                raise _refused(answer)
            yield from self._guarded(answer.lines())

    def events(self, since: int = 0, timeout_s: float = TIMEOUT_S) -> Iterator[Event]:
        """Return the events after id `since` that are known now."""
        listed = self.get(f"/v1/events?since={since}", timeout_s).get("events")
        assert isinstance(listed, list)
        return map(_event, listed)

    def follow_events(self, since: int = 0) -> Iterator[Event]:
        """Yield events after id `since` as they happen, until control goes."""
        for line in self.lines(f"/v1/events?since={since}&follow=1"):
            if line.startswith("data:"):
                yield _event(json.loads(line.removeprefix("data:")))

    def _guarded(self, lines: Iterator[str]) -> Iterator[str]:
        try:
            yield from lines
        except OSError as error:
            raise Unreachable(str(self.address), str(error)) from error

    def _ask(
        self, method: str, path: str, body: Document | None, timeout_s: float | None
    ) -> Answer:
        try:
            connection = self._connect()
        except OSError as error:
            reason = error.strerror or str(error)
            raise Unreachable(str(self.address), reason) from error
        try:
            connection.settimeout(timeout_s)
            connection.sendall(self._request(method, path, body))
            return Answer(connection, self.address)
        except OSError as error:
            connection.close()
            reason = error.strerror or str(error)
            raise Unreachable(str(self.address), reason) from error
        except ClientError:
            connection.close()
            raise

    def _connect(self) -> socket.socket:
        match self.address:
            case TcpAddress(host, port):
                return socket.create_connection((host, port), TIMEOUT_S)
            case UnixAddress(path):
                connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                connection.settimeout(TIMEOUT_S)
                try:
                    connection.connect(str(path))
                except OSError:
                    connection.close()
                    raise
                return connection

    def _request(self, method: str, path: str, body: Document | None) -> bytes:
        host = "localhost"
        if isinstance(self.address, TcpAddress):
            host = str(self.address).removeprefix("http://")
        accept = "text/event-stream" if "follow=1" in path else "*/*"
        head = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Accept: {accept}"]
        head.append("Connection: close")
        payload = b"" if body is None else json.dumps(body).encode()
        if body is not None:
            head += [
                "Content-Type: application/json",
                f"Content-Length: {len(payload)}",
            ]
        if self.token:
            head.append(f"Authorization: Bearer {self.token}")
        return "\r\n".join([*head, "", ""]).encode() + payload


def path_of(*segments: str, **query: str | int | list[str]) -> str:
    """Return a request path from raw segments and query values."""
    from urllib.parse import quote, urlencode  # noqa: PLC0415 - `status` needs none

    path = "/" + "/".join(quote(segment, safe="") for segment in segments)
    return f"{path}?{urlencode(query, doseq=True)}" if query else path


def _document(answer: Answer) -> Document:
    if answer.status not in OK:
        raise _refused(answer)
    document = json.loads(answer.body())
    assert isinstance(document, dict)
    return document


def _refused(answer: Answer) -> Refused:
    text = answer.body().decode("utf-8", "replace")
    try:
        error = json.loads(text)["error"]
        problems = tuple(str(problem["text"]) for problem in error.get("problems", ()))
        return Refused(answer.status, error["code"], error["message"], problems)
    except (ValueError, KeyError, TypeError):
        message = text.strip() or f"status {answer.status}"
        return Refused(answer.status, str(answer.status), message)


def _event(document: Mapping[str, object]) -> Event:
    number, unix_s = document["id"], document["time"]
    assert isinstance(number, int)
    assert isinstance(unix_s, int | float)
    return Event(
        number,
        float(unix_s),
        str(document["source"]),
        str(document["subject"]),
        str(document["message"]),
    )
