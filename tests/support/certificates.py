"""Key pairs for tests, made when they are asked for."""

from __future__ import annotations

import errno
import hashlib
import ipaddress
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric import ed25519 as ed25519_keys
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from alb.model import CertificateOffer
from alb.ports import Certificate, ListenerCertificates

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A self-signed certificate and its key, as PEM."""

    names: tuple[str, ...]
    certificate: str
    key: str
    key_type: str

    @property
    def serial(self) -> int:
        return x509.load_pem_x509_certificate(self.certificate.encode()).serial_number

    def served(self) -> Certificate:
        offer = CertificateOffer(self.names, self.key_type)
        return Certificate(self.names[0], offer, self.certificate + self.key)

    def write(self, directory: Path, name: str) -> tuple[str, str]:
        """Write both; return the files' names."""
        (directory / f"{name}.pem").write_text(self.certificate)
        (directory / f"{name}.key").write_text(self.key)
        return f"{name}.pem", f"{name}.key"

    def trusting(self) -> ssl.SSLContext:
        """Return a client's context that trusts this certificate alone."""
        return ssl.create_default_context(cadata=self.certificate)


@dataclass(frozen=True)
class MemoryDisk:
    """Files in memory; a `controlplane.tls.disk.Disk`."""

    files: Mapping[str, str]
    unreadable: frozenset[str] = frozenset()
    public: frozenset[str] = frozenset()
    now_s: float = field(default_factory=lambda: datetime.now(UTC).timestamp())

    def read(self, path: str) -> bytes:
        if path in self.unreadable:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return self.files[path].encode()

    def is_public(self, path: str) -> bool:
        return path in self.public

    def unix_s(self) -> float:
        return self.now_s


Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519_keys.Ed25519PrivateKey


def pair(*names: str, rsa_bits: int = 0, days: int = 30, password: bytes = b"") -> Pair:
    """Return a new pair; its time is over when `days` is negative."""
    if rsa_bits:
        return _signed(rsa.generate_private_key(65537, rsa_bits), names, days, password)
    return _signed(ec.generate_private_key(ec.SECP256R1()), names, days, password)


def ed25519(name: str) -> Pair:
    return _signed(ed25519_keys.Ed25519PrivateKey.generate(), (name,))


def _signed(
    key: Key, names: tuple[str, ...], days: int = 30, password: bytes = b""
) -> Pair:
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 60 * DAY)
        .not_valid_after(now + days * DAY)
        .add_extension(
            x509.SubjectAlternativeName([_general(name) for name in names]),
            critical=False,
        )
        .sign(key, hashes.SHA256() if hasattr(key, "key_size") else None)
    )
    cipher = BestAvailableEncryption(password) if password else NoEncryption()
    return Pair(
        names,
        certificate.public_bytes(Encoding.PEM).decode(),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, cipher).decode(),
        "RSA" if isinstance(key, rsa.RSAPrivateKey) else "EC",
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@cache
def kept(*names: str, rsa_bits: int = 0) -> Pair:
    """Return a pair that all tests may share."""
    return pair(*names, rsa_bits=rsa_bits)


def serving(listener: str, *pairs: Pair) -> ListenerCertificates:
    """Return what a listener is to serve, the default first."""
    pems = "".join(one.certificate for one in pairs)
    digest = hashlib.sha256(pems.encode()).hexdigest()
    return ListenerCertificates(listener, digest, tuple(one.served() for one in pairs))


def careless() -> ssl.SSLContext:
    """Return a client's context that takes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
