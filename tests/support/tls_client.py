"""A TLS client of which a test decides every move."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

from tests.support.certificates import careless

WITHIN_S = 10.0


class TlsClient:
    """Bytes go out when it is told to; `read` is what came, decrypted."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        context: ssl.SSLContext | None = None,
        server_name: str | None = None,
        resumed: ssl.SSLSession | None = None,
    ) -> None:
        self.reader = reader
        self.writer = writer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = (context or careless()).wrap_bio(
            self._incoming,
            self._outgoing,
            server_hostname=server_name,
            session=resumed,
        )

    @classmethod
    async def to(
        cls,
        port: int,
        context: ssl.SSLContext | None = None,
        server_name: str | None = None,
    ) -> TlsClient:
        """Return a client that is connected and has shaken hands. Raises SSLError."""
        client = cls(
            *await asyncio.open_connection("127.0.0.1", port), context, server_name
        )
        try:
            async with asyncio.timeout(WITHIN_S):
                await client.shake()
        except BaseException:
            client.writer.transport.abort()
            raise
        return client

    async def shake(self) -> None:
        while True:
            try:
                self.session.do_handshake()
            except ssl.SSLWantReadError:
                self.flush()
                await self._fetch()
            except ssl.SSLError:
                self.flush()
                raise
            else:
                self.flush()
                return

    def begin_handshake(self) -> bytes:
        """Return the ClientHello."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.session.do_handshake()
        return self._outgoing.read()

    def flush(self) -> None:
        if self._outgoing.pending:
            self.writer.write(self._outgoing.read())

    def send(self, data: bytes) -> None:
        self.session.write(data)
        self.flush()

    def say_the_end(self) -> None:
        """Send close_notify and FIN, and go on reading."""
        with contextlib.suppress(ssl.SSLError):
            self.session.unwrap()
        self.flush()
        self.writer.write_eof()

    async def read(self, most: int = 65536) -> bytes:
        """Return what comes next; empty: the other side said that it is done.

        Raises ConnectionError where it ended and did not say so.
        """
        while True:
            try:
                return self.session.read(most)
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLWantReadError:
                await self._fetch()

    async def read_until(self, end: bytes) -> bytes:
        data = b""
        async with asyncio.timeout(WITHIN_S):
            while end not in data:
                more = await self.read()
                assert more, f"ended before {end!r}: {data!r}"
                data += more
        return data

    async def read_all(self) -> bytes:
        """Return everything until the other side's proper end."""
        data = bytearray()
        async with asyncio.timeout(WITHIN_S):
            while more := await self.read():
                data += more
        return bytes(data)

    async def _fetch(self) -> None:
        data = await self.reader.read(65536)
        if not data:
            raise ConnectionError("ended without close_notify")
        self._incoming.write(data)

    @property
    def serial(self) -> int:
        """Of the certificate that was served."""
        from cryptography import x509  # noqa: PLC0415

        der = self.session.getpeercert(binary_form=True)
        assert der is not None
        return x509.load_der_x509_certificate(der).serial_number

    def close(self) -> None:
        self.writer.transport.abort()
