"""A control that answers as it was told to, on a Unix socket or on loopback."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path


@dataclass
class Reply:
    """What is answered. A list is sent as chunks, and cut short with `cut`."""

    body: object = field(default_factory=dict)
    status: int = 200
    cut: bool = False


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: object


class FakeControl:
    """Replies by ``"METHOD /path"`` without query; 404 for others. Keeps what came."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {
            "GET /healthz": Reply("ok\n"),
            "GET /readyz": Reply("ok\n"),
        }
        self.asked: list[Asked] = []

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        path = asked.path.partition("?")[0]
        error = {"error": {"code": "NotFound", "message": "Not Found", "problems": []}}
        return self.replies.get(f"{asked.method} {path}", Reply(error, 404))

    @contextmanager
    def on(self, path: Path) -> Iterator[FakeControl]:
        with _Unix(str(path), _Exchange) as server, _serving(server, self):
            yield self

    @contextmanager
    def on_loopback(self) -> Iterator[int]:
        with _Tcp(("127.0.0.1", 0), _Exchange) as server, _serving(server, self):
            yield server.server_address[1]


class _Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = False
    control: FakeControl


class _Tcp(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = False
    control: FakeControl


@contextmanager
def _serving(server: _Unix | _Tcp, control: FakeControl) -> Iterator[None]:
    server.control = control
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


class _Exchange(BaseHTTPRequestHandler):
    """One request and its answer; then the connection closes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *args: object) -> None:
        del args

    def _answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = json.loads(content) if content else None
        headers = {name.lower(): value for name, value in self.headers.items()}
        assert isinstance(self.server, _Unix | _Tcp)
        asked = Asked(self.command, self.path, headers, body)
        reply = self.server.control.answer(asked)
        self.send_response(reply.status)
        if isinstance(reply.body, list):
            self._send_chunks(reply.body, cut=reply.cut)
        else:
            self._send_counted(reply.body, cut=reply.cut)
        self.close_connection = True

    def _send_chunks(self, chunks: list[str], *, cut: bool) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in chunks:
            data = chunk.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        if not cut:
            self.wfile.write(b"0\r\n\r\n")

    def _send_counted(self, body: object, *, cut: bool) -> None:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_header("Content-Length", str(len(content) + (10 if cut else 0)))
        self.end_headers()
        self.wfile.write(content)
