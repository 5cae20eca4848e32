"""A certificate authority for development: this user's, on this machine alone.

    Authority.open --> issue(names) --> a certificate and key that who trusts it accepts

Made once, in the user's data directory, 0700 with a key of 0600, so that all of a
user's clusters share it and it is trusted once. Nothing here ever installs it.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import shutil
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CERTIFICATE: Final = "ca.pem"
KEY: Final = "ca.key"
AUTHORITY_DAYS: Final = 3650
LEAF_DAYS: Final = 90
COMMON_NAME_MAX: Final = 64
"""Characters that X.509 has room for."""


class AuthorityUnusable(Exception):
    """The authority's files are there and cannot be used, or cannot be made."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key, as PEM."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority that is there."""

    directory: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def open(cls, directory: Path, now: datetime) -> Authority:
        """Return the authority in `directory`, making it. Raises AuthorityUnusable."""
        try:
            if not (directory / CERTIFICATE).exists():
                _make(directory, now)
            pem = (directory / CERTIFICATE).read_bytes()
            key = load_pem_private_key((directory / KEY).read_bytes(), None)
            certificate = x509.load_pem_x509_certificate(pem)
        except OSError as problem:
            why = f"{problem.filename}: {(problem.strerror or '').lower()}"
            raise AuthorityUnusable(why) from None
        except (ValueError, TypeError):
            why = f"{directory} holds an authority that is damaged: remove it"
            raise AuthorityUnusable(why) from None
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return cls(directory, certificate, key)

    @property
    def path(self) -> Path:
        """Where the certificate is, for who wants to trust it."""
        return self.directory / CERTIFICATE

    def issue(self, names: Sequence[str], now: datetime) -> Issued:
        """Return a certificate for `names`: host names, wildcards, addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(_name(names[0][:COMMON_NAME_MAX]), key, now, LEAF_DAYS)
            .issuer_name(self.certificate.subject)
            .add_extension(
                x509.SubjectAlternativeName([_general(name) for name in names]),
                critical=False,
            )
            .add_extension(
                x509.BasicConstraints(ca=False, path_length=None), critical=True
            )
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(
                    self.key.public_key()
                ),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        return Issued(certificate.public_bytes(Encoding.PEM).decode(), _pem(key))

    def serves(self, pair: Issued, names: Iterable[str], now: datetime) -> bool:
        """Whether a pair is of this authority, for all of `names`, and has more than a
        third of its time left."""
        try:
            leaf = x509.load_pem_x509_certificate(pair.certificate.encode())
            key = load_pem_private_key(pair.key.encode(), None)
            if key.public_key() != leaf.public_key():
                return False
            leaf.verify_directly_issued_by(self.certificate)
            found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except (ValueError, TypeError, x509.ExtensionNotFound, InvalidSignature):
            return False
        left = leaf.not_valid_after_utc - now
        return {*found.value} >= {_general(name) for name in names} and (
            left > timedelta(days=LEAF_DAYS / 3)
        )


def directory_of(environment: Mapping[str, str], home: Path) -> Path:
    """Return where this user's authority is."""
    data = environment.get("XDG_DATA_HOME") or str(home / ".local" / "share")
    return Path(data) / "alb" / "ca"


def write_private(path: Path, text: str) -> None:
    """Put `text` at `path`, whole or not at all, for its owner. Raises OSError."""
    beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    beside.replace(path)


def _make(directory: Path, now: datetime) -> None:
    """Make an authority; another process that is quicker is as good."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"alb development CA, {socket.gethostname()}"[:COMMON_NAME_MAX])
    certificate = (
        _builder(name, key, now, AUTHORITY_DAYS)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_SIGNS, critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = directory.with_name(f"{directory.name}.{secrets.token_hex(4)}")
    beside.mkdir(mode=0o700)
    write_private(beside / KEY, _pem(key))
    write_private(beside / CERTIFICATE, certificate.public_bytes(Encoding.PEM).decode())
    try:
        beside.rename(directory)
    except OSError:
        shutil.rmtree(beside)
        if not (directory / CERTIFICATE).exists():
            raise


_SIGNS: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks differ
        .not_valid_after(now + timedelta(days=days))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    form = PrivateFormat.PKCS8
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def utc_now() -> datetime:
    return datetime.now(UTC)
