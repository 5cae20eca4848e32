"""A load over TLS: who is not trusted is not asked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from controlplane.load.main import run
from tests.controlplane.load.test_generator import echo, failures, options
from tests.support.certificates import kept

HERE = kept("localhost", "127.0.0.1")


@asynccontextmanager
async def secured(directory: Path) -> AsyncIterator[int]:
    """Echo over TLS, with a certificate for localhost; give the port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate, key = HERE.write(directory, "here")
    context.load_cert_chain(directory / certificate, directory / key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await echo(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_who_is_trusted_is_asked_over_tls(tmp_path: Path) -> None:
    async with secured(tmp_path) as port:
        asked = options(f"https://localhost:{port}/", timeout_s=5.0)
        asked = replace(asked, cacert=str(tmp_path / "here.pem"))
        report = await run(asked)
    assert (20, 0) == (report.ok, report.failed)


async def test_nobody_else_is(tmp_path: Path) -> None:
    async with secured(tmp_path) as port:
        asked = options(f"https://localhost:{port}/", timeout_s=5.0)
        report = await run(asked)
    assert {"TLS failed": 20} == failures(report)


async def test_the_authority_for_development_is_trusted_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (tmp_path / "alb" / "ca").mkdir(parents=True)
    (tmp_path / "alb" / "ca" / "ca.pem").write_text(HERE.certificate)
    async with secured(tmp_path) as port:
        report = await run(options(f"https://localhost:{port}/", timeout_s=5.0))
    assert (20, 0) == (report.ok, report.failed)


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "No such file or directory"), ("no PEM", "holds no certificate in PEM")],
)
async def test_an_authority_that_cannot_be_read_is_told(
    tmp_path: Path, content: str | None, told: str
) -> None:
    file = tmp_path / "authority.pem"
    if content is not None:
        file.write_text(content)
    asked = replace(options("https://localhost:1/"), cacert=str(file))
    with pytest.raises(OSError, match=f"--cacert: {file}.*{told}"):
        await run(asked)
