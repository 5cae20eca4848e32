"""The task that the demo runs: an HTTP server that one request at a time fills.

Standard library only, and little of it: this file runs as it is in an image that
has nothing but Python, and a task that starts late is a scale-out that comes late.

    PORT, HOST           where to listen (8080, 0.0.0.0)
    DEMO_MS, DEMO_CPU_MS how long a request takes, and its CPU (20, 5); a query
                         may say otherwise: /?ms=50&cpu=10
    DEMO_SERVICE, DEMO_TASK   told in every answer
    ALB_WITNESS          host:port that is told, by UDP, each X-Request-Id received

So a task saturates at 50 requests/s and a quarter of a core, on any machine and on
both runtimes. /healthz is answered at once, however long the queue. SIGTERM: what
is queued is answered, then the process ends with status 0, as PID 1 too. Absent:
chunked requests (501), TLS, threads.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import socket
import sys
import time
from collections import deque

HEAD_BYTES_MAX = 16 * 1024
BODY_BYTES_MAX = 1024 * 1024
IDLE_S = 75.0
"""Longer than a load balancer's 60 s, so that it is the one to close."""
LINGER_S = 0.05
"""After SIGTERM, for what the kernel has accepted and we have not."""
TIMES_MS_MAX = 60_000.0
OVERHEAD_SHARE_MAX = 0.5
"""At most this share of a request's CPU may have been used by reading it."""

REQUEST_LINE = re.compile(rb"([A-Z]+) (/[!-~]*) HTTP/1\.([01])")
HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
QUERY_TIME = re.compile(rb"[?&](ms|cpu)=(\d{1,5}(?:\.\d{1,3})?)(?=&|$)")

REASONS = {
    200: b"OK",
    400: b"Bad Request",
    413: b"Content Too Large",
    431: b"Request Header Fields Too Large",
    501: b"Not Implemented",
}


class Refused(Exception):
    """The request cannot be read; the connection is closed after `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Request:
    """What the answer needs of a request."""

    __slots__ = ("arrived_s", "body_length", "close", "id", "is_head", "target")

    def __init__(self, head: bytes) -> None:
        line, *fields = head.split(b"\r\n")
        found = REQUEST_LINE.fullmatch(line)
        if found is None:
            raise Refused(400)
        self.arrived_s = time.monotonic()
        self.is_head = found[1] == b"HEAD"
        self.target = found[2]
        self.id = b""
        self.body_length = 0
        self.close = found[3] == b"0"
        for field in fields:
            self._read_field(field)

    def _read_field(self, field: bytes) -> None:
        found = HEADER.fullmatch(field)
        if found is None:
            raise Refused(400)
        name, value = found[1].lower(), found[2]
        if name == b"x-request-id":
            self.id = value
        elif name == b"connection":
            self.close = self.close or b"close" in value.lower()
        elif name == b"content-length":
            if not value.isdigit():
                raise Refused(400)
            self.body_length = int(value[:10])
        elif name == b"transfer-encoding":
            raise Refused(501)
        if self.body_length > BODY_BYTES_MAX:
            raise Refused(413)


class Client:
    """One connection. `busy`: a request of it waits or is being served;
    `ending`: its last answer was given."""

    __slots__ = (
        "busy",
        "closed",
        "ending",
        "received",
        "seen_s",
        "skip",
        "sock",
        "unsent",
    )

    def __init__(self, sock: socket.socket, now_s: float) -> None:
        self.sock = sock
        self.received = b""
        self.unsent = b""
        self.skip = 0
        self.busy = False
        self.closed = False
        self.ending = False
        self.seen_s = now_s


class Settings:
    """What the environment says."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.host = environ.get("HOST", "0.0.0.0")  # noqa: S104 - a container's port
        self.port = int(environ.get("PORT", "8080"))
        self.ms = float(environ.get("DEMO_MS", "20"))
        self.cpu_ms = float(environ.get("DEMO_CPU_MS", "5"))
        self.service = environ.get("DEMO_SERVICE", "demo")
        self.task = environ.get("DEMO_TASK") or f"{socket.gethostname()}-{os.getpid()}"
        host, _, port = environ.get("ALB_WITNESS", "").rpartition(":")
        self.witness = (host, int(port)) if host else None


class Task:
    """The server: a selector, the queue of requests, and one slot to serve in."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.selector = selectors.DefaultSelector()
        self.queue: deque[tuple[Client, Request]] = deque()
        self.clients: set[Client] = set()
        self.serving: tuple[Client, Request] | None = None
        self.slot_ends_s = 0.0
        self.cpu_mark_s = time.process_time()
        self.stop_s: float | None = None
        self.swept_s = time.monotonic()
        self.witness: socket.socket | None = None
        if settings.witness is not None:
            self.witness = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.witness.setblocking(False)  # noqa: FBT003
        self.listener = socket.create_server(
            (settings.host, settings.port), backlog=1024
        )
        self.listener.setblocking(False)  # noqa: FBT003
        self.selector.register(self.listener, selectors.EVENT_READ, None)
        self.catch_sigterm()

    def catch_sigterm(self) -> None:
        """PID 1 has no default action for SIGTERM; a byte wakes the selector."""
        self.woken, waker = socket.socketpair()
        self.woken.setblocking(False)  # noqa: FBT003
        waker.setblocking(False)  # noqa: FBT003
        self.waker = waker
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        self.selector.register(self.woken, selectors.EVENT_READ, None)

    def run(self) -> None:
        """Serve until SIGTERM, then until nothing is left to answer."""
        while not self.finished():
            for key, events in self.selector.select(self.patience_s()):
                self.ready(key, events)
            self.work()
            self.sweep()
        for client in tuple(self.clients):
            self.close(client)
        self.listener.close()

    def finished(self) -> bool:
        """Whether SIGTERM came, nobody waits, and all that was said was sent."""
        if self.stop_s is None or time.monotonic() < self.stop_s + LINGER_S:
            return False
        return not any(client.busy or client.unsent for client in self.clients)

    def patience_s(self) -> float:
        if self.serving is not None:
            return max(0.0, self.slot_ends_s - time.monotonic())
        return 1.0 if self.stop_s is None else LINGER_S / 4

    def ready(self, key: selectors.SelectorKey, events: int) -> None:
        if key.fileobj is self.listener:
            self.accept()
        elif key.fileobj is self.woken:
            self.woken.recv(64)
            self.stop_s = self.stop_s or time.monotonic()
        else:
            client: Client = key.data
            if events & selectors.EVENT_WRITE:
                self.flush(client)
            if events & selectors.EVENT_READ and not client.closed:
                self.read(client)

    def accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:  # none left, or gone again
                return
            sock.setblocking(False)  # noqa: FBT003
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = Client(sock, time.monotonic())
            self.clients.add(client)
            self.selector.register(sock, selectors.EVENT_READ, client)

    def read(self, client: Client) -> None:
        try:
            data = client.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close(client)
            return
        client.seen_s = time.monotonic()
        if client.ending:  # whatever follows is not a request any more
            return
        client.received += data
        if client.busy and len(client.received) > HEAD_BYTES_MAX + BODY_BYTES_MAX:
            self.close(client)  # a pipeline longer than we promise to remember
        else:
            self.take_requests(client)

    def take_requests(self, client: Client) -> None:
        """Take what was received, one request at a time and in order."""
        while not (client.busy or client.closed or client.ending):
            dropped = client.received[: client.skip]
            client.skip -= len(dropped)
            client.received = client.received[len(dropped) :]
            head, end, rest = client.received.partition(b"\r\n\r\n")
            if client.skip or not end:
                if len(client.received) > HEAD_BYTES_MAX:
                    self.answer(client, None, 431)
                return
            client.received = rest
            try:
                request = Request(head)
            except Refused as refused:
                self.answer(client, None, refused.status)
                return
            client.skip = request.body_length
            self.take(client, request)

    def take(self, client: Client, request: Request) -> None:
        client.busy = True
        if request.id and self.witness is not None and self.settings.witness:
            # A lost report hides a repetition and never invents one.
            with contextlib.suppress(OSError):
                self.witness.sendto(request.id, self.settings.witness)
        if request.target.partition(b"?")[0] == b"/healthz":
            self.answer(client, request, 200)
        else:
            self.queue.append((client, request))

    def work(self) -> None:
        """Answer the request whose time is over, and begin the next."""
        if self.serving is not None:
            if time.monotonic() < self.slot_ends_s:
                return
            client, request = self.serving
            self.serving = None
            self.answer(client, request, 200)
            self.take_requests(client)
        while self.queue and self.serving is None:
            client, request = self.queue.popleft()
            if not client.closed:
                self.begin(client, request)

    def begin(self, client: Client, request: Request) -> None:
        """Use the request's CPU now, and let its slot end when its time is over.

        A slot begins when the request came, or where the last one ended if that
        is later: a timer that fires late does not make the task slower.
        """
        ms, cpu_ms = self.settings.ms, self.settings.cpu_ms
        for name, value in QUERY_TIME.findall(request.target):
            if name == b"ms":
                ms = min(float(value), TIMES_MS_MAX)
            else:
                cpu_ms = min(float(value), TIMES_MS_MAX)
        now_s = time.monotonic()
        start_s = max(self.slot_ends_s, request.arrived_s, now_s - ms / 1000)
        self.serving = (client, request)
        self.slot_ends_s = start_s + ms / 1000
        self.burn(cpu_ms / 1000)

    def burn(self, cpu_s: float) -> None:
        """Use `cpu_s` of CPU, less what reading and writing have used already."""
        overhead_s = time.process_time() - self.cpu_mark_s
        credit_s = min(overhead_s, cpu_s * OVERHEAD_SHARE_MAX)
        until_s = time.process_time() + cpu_s - credit_s
        while time.process_time() < until_s:
            pass
        self.cpu_mark_s = time.process_time()

    def answer(self, client: Client, request: Request | None, status: int) -> None:
        """Send the answer; without a request it could not be read."""
        client.busy = False
        if client.closed:
            return
        body = b""
        if status == 200:  # noqa: PLR2004 - OK
            assert request is not None
            body = self.body(request)
        close = request is None or request.close or self.stop_s is not None
        lines = [
            b"HTTP/1.1 %d %s" % (status, REASONS[status]),
            b"Content-Type: application/json",
            b"Content-Length: %d" % len(body),
        ]
        if request is not None and request.id:
            lines.append(b"X-Request-Id: " + request.id)
        if close:
            lines.append(b"Connection: close")
        if request is not None and request.is_head:
            body = b""
        client.unsent += b"\r\n".join(lines) + b"\r\n\r\n" + body
        self.flush(client)
        if close:
            client.ending = True
            client.received = b""
            self.half_close(client)

    def body(self, request: Request) -> bytes:
        # `json` would cost a third of the start; printable ASCII needs this only.
        values = {
            "task": self.settings.task,
            "service": self.settings.service,
            "path": request.target.decode("ascii"),
        }
        fields = (f'"{name}": "{quoted(value)}"' for name, value in values.items())
        return ("{" + ", ".join(fields) + "}\n").encode()

    def flush(self, client: Client) -> None:
        try:
            sent = client.sock.send(client.unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close(client)
            return
        client.unsent = client.unsent[sent:]
        events = selectors.EVENT_READ
        if client.unsent:
            events |= selectors.EVENT_WRITE
        self.selector.modify(client.sock, events, client)
        if not client.unsent and client.ending:
            self.half_close(client)

    def half_close(self, client: Client) -> None:
        """Say the end, and let the client close: a close here could be a reset
        that overtakes the answer. The sweep, or the exit, ends the rest."""
        if client.unsent or client.closed:
            return
        try:
            client.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close(client)

    def close(self, client: Client) -> None:
        if client.closed:
            return
        client.closed = True
        client.busy = False
        client.unsent = b""
        self.clients.discard(client)
        self.selector.unregister(client.sock)
        client.sock.close()

    def sweep(self) -> None:
        """Once a second, close what was idle for too long."""
        now_s = time.monotonic()
        if now_s - self.swept_s < 1:
            return
        self.swept_s = now_s
        for client in tuple(self.clients):
            if not client.busy and now_s - client.seen_s > IDLE_S:
                self.close(client)


def quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def main() -> int:
    """Serve until SIGTERM. Returns the exit status."""
    task = Task(Settings(dict(os.environ)))
    host, port = task.listener.getsockname()[:2]
    sys.stdout.write(f"listening on {host}:{port}\n")
    sys.stdout.flush()
    task.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
