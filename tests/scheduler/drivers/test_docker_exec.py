"""Input of a command in a container: what it does not take, and where it ends."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from scheduler.drivers.docker_calls import EngineCalls
from scheduler.drivers.docker_exec import DockerExecution
from scheduler.errors import ContainerError


class Wire:
    """The connection to the engine; `gone`: nobody reads it any more."""

    def __init__(self, *, ends: bool = True, gone: bool = False) -> None:
        self._ends, self._gone = ends, gone
        self.written = b""
        self.ended = False

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return self._ends

    def write_eof(self) -> None:
        self.ended = True

    def write(self, chunk: bytes) -> None:
        self.written += chunk

    async def drain(self) -> None:
        if self._gone:
            raise ConnectionResetError("Connection lost")


def execution(wire: Wire) -> DockerExecution:
    calls = cast("EngineCalls", SimpleNamespace(host="a"))
    streams = (asyncio.StreamReader(), cast("asyncio.StreamWriter", wire))
    return DockerExecution(calls, "x1", streams, tty=False)


async def test_input_that_a_command_does_not_take_any_more_is_dropped() -> None:
    await execution(Wire(gone=True)).write(b"yes\n")


async def test_the_end_of_input_is_told() -> None:
    wire = Wire()
    command = execution(wire)
    await command.write(b"x")
    await command.end_input()
    assert (b"x", True) == (wire.written, wire.ended)


async def test_an_end_of_input_that_cannot_be_told_is_an_error() -> None:
    command = execution(Wire(ends=False))
    await command.end_input()
    await command.write(b"x")
    with pytest.raises(ContainerError, match="the end of its input cannot be told"):
        await command.end_input()
