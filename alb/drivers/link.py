"""Messages over a byte stream, and sockets over a Unix one. Floor 3.

A frame is four bytes of length (big-endian) and that many bytes of JSON. The
stream may be a socket pair, a Unix socket, or TCP with TLS between machines.
Listening sockets go from the keeper to its children over a second pair, since
they cannot pass through a stream reader.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final, TypeVar, get_args

from cattrs.preconf.json import make_converter

from alb.model import Action, Condition, Transform
from alb.ports import (
    Acknowledged,
    Content,
    Counted,
    Counters,
    Drained,
    Message,
    Report,
    Section,
    Telemetry,
)

FRAME_MAX: Final = 64 * 1024 * 1024
BACKLOG_MAX: Final = 256 * 1024 * 1024
"""Unsent bytes after which the other side is taken for dead."""
SOCKETS_MAX: Final = 64
LINK_NAME: Final = "link"
"""The name of a socket that is to be the receiver's next link."""
_LENGTH_SIZE: Final = 4
T = TypeVar("T")
_NAME_MAX: Final = 4096

_converter = make_converter(omit_if_default=True, detailed_validation=False)


def _tag(union: Any) -> None:
    """Have the members of `union` say which they are, by the name of their class.

    What reads and writes a class is made when the first of it comes: that takes
    milliseconds, and most processes meet few of them.
    """
    members = {member.__name__: member for member in get_args(union)}

    @cache
    def reading(name: str) -> Callable[[dict[str, Any], Any], Any]:
        return _converter.get_structure_hook(members[name])

    @cache
    def writing(name: str) -> Callable[[Any], dict[str, Any]]:
        return _converter.get_unstructure_hook(members[name])

    def read(told: dict[str, Any], _: Any) -> Any:
        return reading(told["is"])(told, members[told["is"]])

    def write(value: Any) -> dict[str, Any]:
        name = type(value).__name__
        told = writing(name)(value)
        told["is"] = name
        return told

    _converter.register_structure_hook(union, read)
    _converter.register_unstructure_hook(union, write)


def _read_counters(told: Mapping[str, Any], _: object) -> Counters:
    buckets = [tuple(bucket) for bucket in told.get("latency", ())]
    return Counters(told.get("totals", {}), tuple(buckets))


# Most of what is said, and JSON as it stands: nothing in it needs to be converted.
_converter.register_unstructure_hook(
    Counters, lambda counted: {"totals": counted.totals, "latency": counted.latency}
)
_converter.register_structure_hook(Counters, _read_counters)
_Passed = Report | Acknowledged | Drained
_Told = Counted | Telemetry
for _union in (Condition, Action, Transform, Content, _Told, _Passed, Message):
    _tag(_union)


def encode(message: Message) -> bytes:
    """Return `message` as one frame."""
    body = _converter.dumps(message, unstructure_as=Message).encode()
    assert len(body) <= FRAME_MAX, "a message larger than any frame"
    return len(body).to_bytes(_LENGTH_SIZE, "big") + body


def decode(body: bytes) -> Message:
    """Return the message in a frame's body. Raises ConnectionError for no message."""
    return _read(body, Message)  # type: ignore[arg-type]  # a union is no type to mypy


def section_of(content: Content) -> Section:
    """Return `content` with the digest by which the node knows it."""
    text = json.dumps(
        _converter.unstructure(content, unstructure_as=Content), sort_keys=True
    )
    return Section(hashlib.sha256(text.encode()).hexdigest()[:32], text)


def content_of(section: Section) -> Content:
    """Return what is in a section. Raises ConnectionError if that is no content."""
    return _read(section.text, Content)  # type: ignore[arg-type]  # a union is no type to mypy


def report_of(told: Counted | Telemetry) -> Report:
    return Report(_converter.dumps(told, unstructure_as=Counted | Telemetry))


def told_in(report: Report) -> Counted | Telemetry:
    """Return what is in a report. Raises ConnectionError if that is none."""
    return _read(report.text, Counted | Telemetry)  # type: ignore[arg-type]  # a union is no type to mypy


def _read(text: str | bytes, what: type[T]) -> T:
    try:
        return _converter.loads(text, what)
    except Exception as problem:  # cattrs raises groups of anything
        raise ConnectionError(f"not understood: {problem}") from problem


class Link:
    """One side of a message stream. Sending never waits."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, sock: socket.socket) -> Link:
        """Return a link over a connected socket."""
        return cls(*await asyncio.open_connection(sock=sock))

    @classmethod
    async def to(cls, path: str) -> Link:
        """Return a link to a Unix socket. Raises OSError when nobody listens."""
        return cls(*await asyncio.open_unix_connection(path))

    def send(self, message: Message) -> None:
        self.send_frame(encode(message))

    def send_frame(self, frame: bytes) -> None:
        """Queue a frame that `encode` made: one encoding serves many links."""
        transport = self._writer.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() > BACKLOG_MAX:
            transport.abort()
            return
        self._writer.write(frame)

    async def receive(self) -> Message:
        """Return the next message. Raises ConnectionError when there is no more."""
        try:
            length = int.from_bytes(await self._reader.readexactly(_LENGTH_SIZE), "big")
            if length > FRAME_MAX:
                raise ConnectionError(f"a frame of {length} bytes")
            return decode(await self._reader.readexactly(length))
        except asyncio.IncompleteReadError as ended:
            raise ConnectionError("the other side ended") from ended

    def close(self) -> None:
        self._writer.close()

    async def flush(self) -> None:
        """Wait until what was sent has left. Raises ConnectionError."""
        await self._writer.drain()


def send_sockets(
    over: socket.socket, names: Iterable[str], sockets: Iterable[socket.socket]
) -> None:
    """Send listening sockets with their names, one message each.

    Blocks while the other side's buffer is full: a few dozen small messages fit.
    """
    for name, sock in zip(names, sockets, strict=True):
        socket.send_fds(over, [name.encode()], [sock.fileno()])


def receive_socket(over: socket.socket) -> tuple[str, socket.socket] | None:
    """Return one received name and socket, or None when the sender has ended."""
    name, descriptors, _, _ = socket.recv_fds(over, _NAME_MAX, 1)
    if not name:
        return None
    return name.decode(), socket.socket(fileno=descriptors[0])
