"""A target that reads a whole body before it answers: python sink.py PORT."""

from __future__ import annotations

import re
import socket
import sys

BUFFER = bytearray(1024 * 1024)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def main() -> None:
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
        while True:
            connection, _ = server.accept()
            with connection:
                swallow(connection)
                connection.sendall(ANSWER)


def swallow(connection: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        received = connection.recv(65_536)
        if not received:
            return
        head += received
    head, _, body = head.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    left = int(length[1]) - len(body) if length else 0
    while left > 0 and (count := connection.recv_into(BUFFER)):
        left -= count


if __name__ == "__main__":
    main()
