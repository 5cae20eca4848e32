"""Clients and targets of which every byte says whose it is, and the workers between.

A body is its request's token again and again; so is what a tunnel carries. Whoever
receives one octet that is another's can tell, whatever was cut, late or early.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from alb.app.session_keys import keyring
from alb.model import Target, TargetGroup, TargetId, Version
from alb.state.limit import Turnstile
from alb.state.shared_counts import COLUMNS, SIZE, SharedCounts, cells_of, clear
from alb.state.table import Table
from alb.state.targets import TargetState
from tests.support.sticky import KEYS
from tests.support.wires import Wire, World

TOKEN: Final = re.compile(rb"(?i)\r\nx-token: (\S+)")
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: (\d+)")
_CHUNKED: Final = re.compile(rb"(?i)\r\ntransfer-encoding: chunked")
_UPGRADE: Final = re.compile(rb"(?i)\r\nupgrade: ")
_NO_BODY: Final = (204, 304)
_SWITCHING: Final = 101
_FINAL: Final = 200
UP: Final = b"up."
DOWN: Final = b"down."
"""What a tunnel's octets begin with, by their direction."""


def tagged(token: bytes, size: int, begin: int = 0) -> bytes:
    """Return octets `begin` to `begin + size` of what only `token` may send."""
    unit = token + b"~"
    end = begin + size
    return (unit * (end // len(unit) + 1))[begin:end]


def is_tagged(body: bytes, token: bytes) -> bool:
    return body == tagged(token, len(body))


class Told(NamedTuple):
    """One message as it arrived. `status` is 0 of a request."""

    status: int
    token: bytes | None
    body: bytes
    whole: bool
    upgrades: bool = False
    """The request asked for a tunnel."""
    closes: bool = False
    """The answer says that the connection ends behind it."""


def answers(data: bytes, methods: Sequence[bytes]) -> Iterator[Told]:
    """Read what a client got. The final answers stand in the order of `methods`."""
    asked = iter(methods)
    while b"\r\n\r\n" in data:
        head, _, data = data.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 "), head[:80]
        status = int(head[9:12])
        if status < _FINAL and status != _SWITCHING:
            continue
        method = next(asked, None)
        assert method is not None, f"nobody asked for {head!r}"
        body, whole, rest = b"", True, data
        if status == _SWITCHING:
            body, whole, rest = data, False, b""
        elif method != b"HEAD" and status not in _NO_BODY:
            body, whole, rest = _body(head, data)
        closes = b"\r\nConnection: close" in head
        yield Told(status, _token(head), body, whole, closes=closes)
        data = rest


def requests(data: bytes, tunnel: bytes | None = None) -> Iterator[Told]:
    """Read what a target got on one connection; `tunnel` is the token of the request
    that became one."""
    while b"\r\n\r\n" in data:
        head, _, data = data.partition(b"\r\n\r\n")
        head = b"\r\n" + head
        body, whole, rest = b"", True, data
        upgrades = _UPGRADE.search(head) is not None
        if upgrades and _token(head) == tunnel:
            body, rest = data, b""
        elif _LENGTH.search(head) or _CHUNKED.search(head):
            body, whole, rest = _body(head, data)
        yield Told(0, _token(head), body, whole, upgrades)
        data = rest


def _token(head: bytes) -> bytes | None:
    found = TOKEN.search(head)
    return None if found is None else found[1]


def _body(head: bytes, data: bytes) -> tuple[bytes, bool, bytes]:
    """Return the body, whether that is all of it, and what follows."""
    if _CHUNKED.search(head):
        return _unchunked(data)
    length = _LENGTH.search(head)
    if length is None:
        return data, False, b""  # the end of the connection is its end
    size = int(length[1])
    return data[:size], len(data) >= size, data[size:]


def _unchunked(data: bytes) -> tuple[bytes, bool, bytes]:
    body = b""
    while b"\r\n" in data:
        line, _, data = data.partition(b"\r\n")
        size = int(line, 16)
        if not size:
            return body, data[:2] == b"\r\n", data[2:]
        body += data[:size]
        data = data[size + 2 :]
    return body, False, b""


# --- clients ----------------------------------------------------------------------

BIG: Final = 100_000
"""More than any buffer on the way holds."""


class Peer:
    """A client: what it has to send, and the requests in it."""

    def __init__(self, name: int, wire: Wire) -> None:
        self.name = name
        self.wire = wire
        self.outbox = b""
        self.tokens: list[bytes] = []
        self.methods: list[bytes] = []
        self.kinds: list[str] = []
        self.cookies: dict[bytes, bytes] = {}
        self.upgrades = False
        """It has asked for a tunnel."""
        self.said = 0
        """Octets that it sent through its tunnel."""
        self.broken = False
        """It misbehaved, or was misled: it can expect no answers."""
        self._got: tuple[int, list[Told]] = (0, [])
        """What `got` found, in so many octets."""

    def ask(self, kind: str) -> None:
        token = b"c%d-%d" % (self.name, len(self.tokens))
        method, framing, body = REQUESTS[kind]
        self.tokens.append(token)
        self.methods.append(method)
        self.kinds.append(kind)
        path = b"fixed" if kind == "fixed" else token
        lines = framing + b"".join(
            b"Cookie: %b=%b\r\n" % one for one in self.cookies.items()
        )
        self.outbox += b"%b /%b HTTP/1.1\r\nHost: a\r\nX-Token: %b\r\n%b\r\n" % (
            *(method, path, token, lines),
        )
        if isinstance(body, bytes):
            self.outbox += body
        elif b"chunked" in framing:
            half = tagged(token, body)
            rest = tagged(token, body, body)
            self.outbox += b"%x\r\n%b\r\n%X;a=b\r\n%b\r\n0\r\n\r\n" % (
                *(body, half, body, rest),
            )
        else:
            self.outbox += tagged(token, body)
        self.upgrades |= kind == "upgrade"
        self.broken |= kind in ENDING

    def got(self) -> list[Told]:
        """Return the answers so far, having found them in order and unmixed."""
        size, found = self._got
        data = self.wire.sent + self.wire.unsent
        if size == len(data):
            return found
        found = [*answers(data, self.methods)]
        self._got = (len(data), found)
        for token, told in zip(self.tokens, found, strict=False):
            if told.token is None:
                continue  # an answer of our own
            assert told.token == token, "another's answer"
            begin = DOWN if told.status == _SWITCHING else b""
            assert is_tagged(told.body, begin + token), "another's octets"
        return found

    @property
    def has_all(self) -> bool:
        """Whether every request was answered, or one before its body was read: what
        is so answered ends the connection."""
        got = self.got()
        early = got and got[-1].closes and REQUESTS[self.kinds[len(got) - 1]][2]
        return len(got) == len(self.tokens) or bool(early)

    @property
    def tunnel(self) -> bytes | None:
        """The token of the request that became a tunnel."""
        got = self.got()
        return self.tokens[-1] if got and got[-1].status == _SWITCHING else None

    def keep_cookies(self) -> None:
        for name, value in re.findall(
            rb"\r\nSet-Cookie: ([^=]+)=([^;]*)", self.wire.sent
        ):
            self.cookies[name] = value


_CHUNKS: Final = b"Transfer-Encoding: chunked\r\n"
REQUESTS: Final[dict[str, tuple[bytes, bytes, bytes | int]]] = {
    "get": (b"GET", b"", 0),
    "head": (b"HEAD", b"", 0),
    "fixed": (b"GET", b"", 0),
    "small": (b"PUT", b"Content-Length: 5\r\n", 5),
    "big": (b"POST", b"Content-Length: %d\r\n" % BIG, BIG),
    "expecting": (b"PUT", b"Expect: 100-continue\r\nContent-Length: 9\r\n", 9),
    "chunked": (b"PUT", _CHUNKS, 3),
    "big chunks": (b"POST", _CHUNKS, BIG),
    "upgrade": (b"GET", b"Connection: upgrade\r\nUpgrade: x\r\n", 0),
    "last": (b"GET", b"Connection: close\r\n", 0),
    "chunks that are none": (b"POST", _CHUNKS, b"xyz\r\n"),
    "get with a body": (b"GET", b"Content-Length: 3\r\n", 3),
    "nonsense": (b"\0", b"", 0),
}
"""Method, lines, and a body: that, or so many octets."""
ENDING: Final = frozenset(
    {"last", "chunks that are none", "get with a body", "nonsense", "upgrade"}
)
"""The connection ends behind these."""


# --- targets ----------------------------------------------------------------------


def _answer(lines: bytes, token: bytes, size: int, start: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %b\r\nX-Token: %b\r\n%b\r\n" % (start, token, lines)
    return head + tagged(token, size)


EVIL: Final = _answer(b"Content-Length: 4\r\n", b"evil", 4)
"""What nobody asked for, behind an answer."""
_CLOSING: Final = b"Connection: close\r\n"
_ANSWERS: Final[dict[str, tuple[bytes, bytes, bytes, int]]] = {
    "counted": (b"", b"200 OK", b"", 5),
    "interim": (b"HTTP/1.1 100 Go\r\n\r\n" * 16, b"200 OK", b"", 5),
    "big": (b"", b"200 OK", b"", BIG),
    "closing": (b"", b"200 OK", _CLOSING, 1),
    "busy": (b"", b"503 Busy", b"", 7),
    "failed": (b"", b"500 Failed", b"", 7),
    "storm": (b"HTTP/1.1 103 Early\r\n\r\n" * 17, b"200 OK", b"", 5),
}
"""What comes before, status, lines, and so many octets that are counted."""


def answer_of(kind: str, token: bytes) -> bytes:
    """Return what a target says to a request."""
    if kind in _ANSWERS:
        before, start, lines, size = _ANSWERS[kind]
        lines += b"Content-Length: %d\r\n" % size
        return before + _answer(lines, token, size, start)
    if "chunk" in kind:
        size = BIG if kind == "chunked" else 3
        chunk = b"%x\r\n%b\r\n" % (size, tagged(token, size))
        return _answer(_CHUNKS, token, 0) + chunk + _CHUNKED_ENDS[kind](token, size)
    return {
        "empty": _answer(b"", token, 0, b"204 No"),
        "excess": _answer(b"Content-Length: 5\r\n", token, 5) + EVIL,
        "half": _answer(b"Content-Length: 99\r\n", token, 9),
        "until the end": _answer(b"", token, 50),
        "nonsense": b"nonsense\r\n\r\n",
    }[kind]


_CHUNKED_ENDS: Final[dict[str, Callable[[bytes, int], bytes]]] = {
    "chunked": lambda token, at: b"2;a\r\n%b\r\n0\r\n\r\n" % tagged(token, 2, at),
    "half chunked": lambda token, at: b"9\r\n" + tagged(token, 1, at),
    "bad chunks": lambda *_: b"xx\r\n",
}
SWITCHED: Final = (
    b"HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: x\r\nX-Token: %b\r\n\r\n"
)
ANSWERS: Final = (
    *("counted", "counted", "empty", "big", "chunked", "interim", "closing", "excess"),
    *("busy", "failed"),
)
BROKEN: Final = (
    *("storm", "half", "half chunked", "bad chunks", "until the end", "nonsense"),
)
"""What its client can expect no whole answer from, or none behind it."""


# --- workers ----------------------------------------------------------------------


class Bell:
    """The turnstile of workers that take turns in one thread."""

    def __init__(self) -> None:
        self._inside = False
        self.rung = False

    def enter(self) -> None:
        assert not self._inside
        self._inside = True

    def leave(self) -> None:
        self._inside = False

    def ring(self) -> None:
        self.rung = True


class Worker(World):
    """One worker of a node, that shows the others what it has in flight."""

    def __init__(
        self, counts: SharedCounts, turnstile: Turnstile, group: TargetGroup, count: int
    ) -> None:
        self._shared = (counts, turnstile)
        self.ever: dict[TargetState, None] = {}
        """Every registration there was."""
        super().__init__(count, group=group)
        self.sessions.sealing = keyring(KEYS)

    def new_table(self) -> Table:
        return Table(0, *self._shared)

    def publish(self, *targets: Target) -> None:
        super().publish(*targets)
        self.ever.update(dict.fromkeys(self.targets))

    def withdraw(self) -> None:
        """Swap in a snapshot without the group; its rules lead nowhere."""
        self._version += 1
        listeners = [
            (state.listener, state.rules) for state in self.table.listeners.values()
        ]
        swapped = self.table.swap(Version(1, self._version), [], listeners, self.now_s)
        self.discard(swapped)

    @property
    def targets(self) -> list[TargetState]:
        group = self.table.groups.get("web")
        return [] if group is None else [*group.targets.values()]

    @property
    def ended(self) -> bool:
        """Whether nothing keeps a worker that drains."""
        return self.door.draining and not self.door.is_busy


class Crew:
    """The workers of one node, in memory that they share."""

    def __init__(self, group: TargetGroup, targets: int = 2) -> None:
        self.cells = cells_of(memoryview(bytearray(SIZE)))
        self.bell = Bell()
        self.workers: dict[int, Worker] = {}
        """By column; those that drain are still here."""
        self._group = group
        self._targets = targets
        self.registered: tuple[Target, ...] | None = None
        for _ in range(2):
            self.start()

    def start(self) -> Worker:
        column = next(n for n in range(9) if n not in self.workers)
        counts = SharedCounts(self.cells, column)
        worker = Worker(counts, self.bell, self._group, self._targets)
        if self.registered is not None:
            worker.publish(*self.registered)
        self.workers[column] = worker
        return worker

    def end(self, worker: Worker) -> None:
        """It has ended: the keeper clears its column, and rings."""
        (column,) = [at for at, one in self.workers.items() if one is worker]
        del self.workers[column]
        for wire in worker.upstreams:
            wire.lose()
        worker.close()
        clear(self.cells, column)
        self.bell.ring()

    def hear(self) -> None:
        """Workers hear that somebody rang."""
        while self.bell.rung:
            self.bell.rung = False
            for worker in self.workers.values():
                worker.table.serve_waiting()

    def publish(self, at: int, *targets: Target) -> None:
        """One worker takes a snapshot; the others are told in their time."""
        self.registered = targets
        self.at(at).publish(*targets)

    def at(self, at: int) -> Worker:
        """Return a worker that accepts connections."""
        accepting = [one for one in self.workers.values() if not one.door.draining]
        return accepting[at % len(accepting)]

    def in_flight(self, *names: str) -> list[int]:
        """Return what the shared memory says of these, over all workers."""
        looking = SharedCounts(self.cells, COLUMNS - 1)
        tallies = [looking.open(TargetId(name)) for name in names]
        looking.refresh()
        return [0 if tally is None else tally.elsewhere() for tally in tallies]
