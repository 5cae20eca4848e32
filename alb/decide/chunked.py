"""Take chunked bodies apart, strictly. Floor 1: state in, bytes in, bytes out.

    ChunkDecoder.feed(bytes) -> the body bytes in them
    .ended, .rest                 the last chunk was read; what follows it

Only CRLF ends a line, sizes are plain hexadecimal, extensions and trailers are
bounded and dropped. What is sent on is chunked anew (`chunk`), so that nothing
of the sender's framing reaches the other side. A push parser that swallows a
pipeline cannot say where the body ended; this one stops there.

Source: RFC 9112 7.1.
"""

from __future__ import annotations

import re
from typing import Final

SIZE_LINE_MAX: Final = 4 * 1024
TRAILERS_MAX: Final = 16 * 1024
LAST_CHUNK: Final = b"0\r\n\r\n"

_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t -~\x80-\xff]*)?\r\n")
_TRAILER: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*\r\n")


class ChunksMalformed(Exception):
    """These bytes are not a chunked body."""


def chunk(data: bytes) -> bytes:
    """Return `data`, not empty, as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class ChunkDecoder:
    """One chunked body, fed as it arrives."""

    __slots__ = ("_left", "_line", "_trailers", "ended", "rest")

    def __init__(self) -> None:
        self.ended = False
        self.rest = b""
        """What came after the body, once it ended."""
        self._line = b""
        self._left = 0
        """Bytes of the current chunk still to come, its CRLF not counted."""
        self._trailers = -1
        """Bytes of trailers read, or -1 before the last chunk."""

    def feed(self, data: bytes) -> bytes:
        """Return the body bytes in `data`. Raises ChunksMalformed."""
        body: list[bytes] = []
        data = self._line + data if self._line else data
        at = 0
        while not self.ended:
            if self._left > 0:
                piece = data[at : at + self._left]
                body.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if self._left:
                    break
                self._left = -2
            after = self._line_at(data, at)
            if after is None:
                break
            at = after
        self._line = b"" if self.ended else data[at:]
        self.rest = data[at:] if self.ended else b""
        return b"".join(body)

    def _line_at(self, data: bytes, at: int) -> int | None:
        """Read the line that begins at `at`; None while it is not whole."""
        if self._left == -2:  # noqa: PLR2004 - the CRLF that closes a chunk
            return self._chunk_end(data, at)
        if self._trailers >= 0:
            return self._trailer(data, at)
        found = _SIZE.match(data, at)
        if found is None:
            self._refuse_unless_partial(data, at, SIZE_LINE_MAX)
            return None
        if found.end() - at > SIZE_LINE_MAX:
            raise ChunksMalformed("a chunk line of more than 4 K")
        self._left = int(found.group(1), 16)
        if self._left == 0:
            self._trailers = 0
        return found.end()

    def _chunk_end(self, data: bytes, at: int) -> int | None:
        end = data[at : at + 2]
        if not b"\r\n".startswith(end):
            raise ChunksMalformed("a chunk that does not end where it said")
        if len(end) < 2:  # noqa: PLR2004 - CR and LF
            return None
        self._left = 0
        return at + 2

    def _trailer(self, data: bytes, at: int) -> int | None:
        if data.startswith(b"\r\n", at):
            self.ended = True
            return at + 2
        found = _TRAILER.match(data, at)
        if found is None:
            self._refuse_unless_partial(data, at, TRAILERS_MAX)
            return None
        self._trailers += found.end() - at
        if self._trailers > TRAILERS_MAX:
            raise ChunksMalformed("trailers of more than 16 K")
        return found.end()

    @staticmethod
    def _refuse_unless_partial(data: bytes, at: int, most: int) -> None:
        if b"\n" in data[at:] or len(data) - at > most:
            raise ChunksMalformed("a chunk line that is not one")
