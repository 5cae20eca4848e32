"""Clients that ask once and stay: idle_clients.py PORT COUNT plain|tls.

Says "ready" when all of them have their answer, and, when its input ends, how many
connections have ended meanwhile.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import ssl
import sys

TIMEOUT_S = 10.0


def main() -> None:
    port, count, how = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    context = None
    if how == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    clients = [client(port, number, context) for number in range(count)]
    print("ready", flush=True)
    sys.stdin.read()
    print("ended", sum(has_ended(one) for one in clients), flush=True)


def client(port: int, number: int, context: ssl.SSLContext | None) -> socket.socket:
    """Return a connection that has had one answer."""
    connection = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
    if context is not None:
        connection = context.wrap_socket(connection)
    head = f"GET /{number:08x} HTTP/1.1\r\nHost: www.example.com\r\n\r\n"
    connection.sendall(head.encode())
    answer = b""
    while not answer.endswith(b"....\n"):
        received = connection.recv(65_536)
        if not received:
            raise SystemExit(f"client {number}: {answer!r}")
        answer += received
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"client {number}: {answer!r}")
    return connection


def has_ended(connection: socket.socket) -> bool:
    connection.settimeout(0)
    # TLS 1.3: session tickets may still lie there, before nothing.
    with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
        return not connection.recv(65_536)
    return False


if __name__ == "__main__":
    main()
