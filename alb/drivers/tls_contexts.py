"""What OpenSSL is told: versions, ciphers, certificates. Floor 3.

`ssl` reads certificates and keys from files only. Keys are on no disk of ours, so
they are shown to it as a file in memory, or where there is none (macOS) as a
private one that lives for the moment of reading.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from alb.decide.tls_policies import Policy

ALPN: Final = ("http/1.1",)
_VERSIONS: Final = {
    (3, 1): ssl.TLSVersion.TLSv1,
    (3, 2): ssl.TLSVersion.TLSv1_1,
    (3, 3): ssl.TLSVersion.TLSv1_2,
    (3, 4): ssl.TLSVersion.TLSv1_3,
}
_OLD: Final = (3, 3)
"""Versions below this sign with SHA-1, which OpenSSL allows at level 0 only."""


def server_context(policy: Policy, pems: Iterable[str]) -> ssl.SSLContext:
    """Return a context that serves these certificates (each with its key).

    Raises ssl.SSLError when OpenSSL does not take them.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ciphers = ":".join(policy.ciphers)
    if ciphers:
        weak = policy.lowest < _OLD
        context.set_ciphers(f"{ciphers}:@SECLEVEL=0" if weak else ciphers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions, as asked
        context.minimum_version = _VERSIONS[policy.lowest]
        context.maximum_version = _VERSIONS[policy.highest]
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols([*ALPN])
    for pem in pems:
        with _as_file(pem) as path:
            context.load_cert_chain(path)
    return context


def target_context(authorities: str = "") -> ssl.SSLContext:
    """Return a context for connections to targets.

    Certificates are not validated, as ALB does not; with `authorities` (a PEM
    file) they must be signed by one of them, whatever name they are for.
    Raises OSError and ssl.SSLError when that file cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=1")
    if authorities:
        context.load_verify_locations(authorities)
        context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols([*ALPN])
    return context


@contextlib.contextmanager
def _as_file(text: str) -> Iterator[Path]:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            file.write(text.encode())
            yield Path(f"/proc/self/fd/{descriptor}")
        return
    with tempfile.NamedTemporaryFile("w") as private:  # 0600
        private.write(text)
        private.flush()
        yield Path(private.name)
