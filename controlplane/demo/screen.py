"""Where the demo is shown: a terminal is redrawn, anything else gets lines."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Protocol, TextIO

from controlplane.demo.view import COLOURED, HOME, PLAIN, Frame, Ink, line, render

_ENTER = "\x1b[?1049h\x1b[?25l"  # the other screen, no cursor
_LEAVE = "\x1b[?25h\x1b[?1049l"


class Screen(Protocol):
    """What shows frames. `resizes`: it may be drawn again at any moment."""

    resizes: bool

    def show(self, frame: Frame) -> None: ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


def screen_for(stream: TextIO, environ: Mapping[str, str]) -> Screen:
    """The screen that suits `stream`; NO_COLOR and a dumb terminal are obeyed."""
    if not stream.isatty() or environ.get("TERM", "dumb") == "dumb":
        return Lines(stream)
    return Terminal(stream, PLAIN if environ.get("NO_COLOR") else COLOURED)


class Lines:
    """One plain line a frame."""

    resizes = False

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, frame: Frame) -> None:
        self._stream.write(line(frame) + "\n")
        self._stream.flush()

    def close(self) -> None:
        pass


class Terminal:
    """The terminal's other screen, redrawn in place; its size is asked each time."""

    resizes = True

    def __init__(self, stream: TextIO, ink: Ink) -> None:
        self._stream = stream
        self._ink = ink
        self._entered = False

    def show(self, frame: Frame) -> None:
        if not self._entered:
            self._stream.write(_ENTER)
            self._entered = True
        width, height = shutil.get_terminal_size((80, 24))
        self._stream.write(HOME + render(frame, width, height, self._ink))
        self._stream.flush()

    def close(self) -> None:
        if self._entered:
            self._stream.write(_LEAVE)
            self._stream.flush()
            self._entered = False
