"""One stream of bytes, read by servers that are strict and by some that are careless.

A balancer is safe when all of them read the same requests in what it sends.
`READINGS` are the servers; a `Witness` is one of them, listening.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import h11

_ASCII: Final = bytes(min(octet, 0x7E) for octet in range(256))
_BLANK: Final = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True)
class Seen:
    """A request as one server reads it."""

    method: bytes
    target: bytes
    body: bytes


class Unreadable(Exception):
    """A strict server would answer 400 and hang up."""


Reading = Callable[[bytes], list[Seen]]
"""The whole requests in the bytes of one connection so far. Raises Unreadable."""


def strictly(data: bytes) -> list[Seen]:
    """As h11 does; what is beyond ASCII stands in targets too (they are sent raw)."""
    data = data.translate(_ASCII)
    found: list[Seen] = []
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=100_000)
    connection.receive_data(data)
    while True:
        try:
            request = connection.next_event()
            if not isinstance(request, h11.Request):
                return found
            body = b""
            while isinstance(event := connection.next_event(), h11.Data):
                body += event.data
        except h11.RemoteProtocolError as error:
            raise Unreadable(str(error)) from error
        if not isinstance(event, h11.EndOfMessage):
            return found
        found.append(Seen(request.method, request.target, body))
        rest = connection.trailing_data[0]
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=100_000)
        connection.receive_data(rest)


@dataclass(frozen=True)
class Careless:
    """A server that takes lines for lines however they end, and has habits."""

    length_wins: bool = False
    """Over Transfer-Encoding."""
    last_length: bool = False
    """Of several; else the first."""
    squints: bool = False
    """`Transfer_Encoding` and `Transfer-Encoding\\x0b` are Transfer-Encoding."""
    bodiless: tuple[bytes, ...] = ()
    """Methods whose bodies it leaves in its buffer: the next request."""

    def __call__(self, data: bytes) -> list[Seen]:
        found: list[Seen] = []
        while True:
            data = data.lstrip(b"\r\n")
            blank = _BLANK.search(data)
            if blank is None:
                return found
            lines = re.split(rb"\r?\n", data[: blank.start()])
            method, _, rest = lines[0].partition(b" ")
            target = rest.strip().partition(b" ")[0]
            body = self._body(method, lines[1:], data[blank.end() :])
            if body is None:
                return found
            found.append(Seen(method, target, body[0]))
            data = body[1]

    def _body(
        self, method: bytes, lines: list[bytes], rest: bytes
    ) -> tuple[bytes, bytes] | None:
        """(body, what follows), or None: not whole."""
        lengths = self._values(lines, b"content-length")
        coded = any(
            b"chunked" in value.lower()
            for value in self._values(lines, b"transfer-encoding")
        )
        if method in self.bodiless:
            return b"", rest
        if coded and not (lengths and self.length_wins):
            return _dechunked(rest)
        if not lengths:
            return b"", rest
        digits = re.search(rb"\d+", lengths[-1 if self.last_length else 0])
        length = int(digits.group()) if digits else 0
        return None if len(rest) < length else (rest[:length], rest[length:])

    def _values(self, lines: list[bytes], name: bytes) -> list[bytes]:
        pairs = [line.partition(b":") for line in lines]
        return [value for key, _, value in pairs if self._name(key) == name]

    def _name(self, name: bytes) -> bytes:
        name = name.strip(b" \t").lower()
        if self.squints:
            name = re.sub(rb"[^a-z0-9-]", b"", name.replace(b"_", b"-")).strip(b"-")
        return name


def _dechunked(data: bytes) -> tuple[bytes, bytes] | None:
    body = b""
    while True:
        line, ended, rest = data.partition(b"\n")
        if not ended:
            return None
        size = re.match(rb"\s*(?:0x)?([0-9a-fA-F]+)", line)
        length = int(size.group(1), 16) if size else 0
        if not length:
            break
        if len(rest) < length + 1:
            return None
        body += rest[:length]
        data = re.sub(rb"\A\r?\n", b"", rest[length:])
    while True:
        line, ended, rest = rest.partition(b"\n")
        if not ended:
            return None
        if not line.strip():
            return body, rest


READINGS: Final[dict[str, Reading]] = {
    "strict": strictly,
    "chunks before length": Careless(squints=True),
    "length before chunks": Careless(length_wins=True),
    "last length": Careless(length_wins=True, last_length=True, squints=True),
    "no body in GET": Careless(bodiless=(b"GET", b"HEAD")),
}


class Witness:
    """A target that reads in one of these ways and answers all it reads.

    `seen` are the requests in order and `streams` the same by connection, health
    checks left out; `received` is what came on every connection. An answer says the target that was asked for.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.seen: list[Seen] = []
        self.streams: list[list[Seen]] = []
        self.received: list[bytes] = []
        self.unreadable: list[bytes] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> Witness:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def drop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writers.add(writer)
        data, stream = b"", list[Seen]()
        checked = 0
        try:
            while more := await reader.read(65536):
                data += more
                whole = self._reading(data)
                for one in whole[checked + len(stream) :]:
                    if one.target == b"/healthz":
                        checked += 1
                    else:
                        if not stream:
                            self.streams.append(stream)
                        stream.append(one)
                        self.seen.append(one)
                    self._answer(one, writer)
        except Unreadable as why:
            self.unreadable.append(b"%b: %b" % (str(why).encode(), data))
        except ConnectionError:
            pass
        finally:
            self.received.append(data)
            self._writers.discard(writer)
            writer.close()

    @staticmethod
    def _answer(one: Seen, writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 200 OK\r\nX-Asked: %b\r\nContent-Length: %d\r\n\r\n"
        body = b"" if one.method == b"HEAD" else one.target
        writer.write(head % (one.target, len(one.target)) + body)
