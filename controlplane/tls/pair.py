"""Read a certificate with its key, and say in one sentence what is wrong with it.

    files --> read_pair --> Certificate, with what is worth a warning
                       \\--> PairInvalid: which of the fields, and why

What AWS's certificate manager asks for when a certificate is imported, and that
OpenSSL takes it under the listener's security policy. That it has expired is no
error, as it is none at AWS.

Source: ACM user guide, "Prerequisites for importing ACM certificates".
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtensionOID, NameOID

from alb.decide.tls_policies import POLICIES
from alb.drivers.tls_contexts import server_context
from alb.model import CertificateFiles, CertificateOffer
from alb.ports import Certificate
from controlplane.tls.disk import Disk

RSA_BITS_MIN: Final = 2048
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_KEY: Final = b"PRIVATE KEY-----"
_DECRYPT: Final = "openssl pkey -in {0} -out {0}.plain"

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class PairInvalid(Exception):
    """`part` is the field: certificate, privateKey or certificateChain."""

    def __init__(self, part: str, problem: str) -> None:
        super().__init__(part, problem)
        self.part = part
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.part}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate that can be served. `warnings` are (field, sentence)."""

    certificate: Certificate
    not_after_s: float
    warnings: tuple[tuple[str, str], ...] = ()


def read_pair(files: CertificateFiles, policy: str, disk: Disk) -> Pair:
    """Return what the files hold. Raises PairInvalid with the first thing wrong."""
    certificate_pem = _read(disk, "certificate", files.certificate)
    chain = _certificates("certificate", files.certificate, certificate_pem)
    pems = [certificate_pem]
    if files.chain:
        pems.append(_read(disk, "certificateChain", files.chain))
        _certificates("certificateChain", files.chain, pems[-1])
    key_pem = _read(disk, "privateKey", files.private_key)
    key = _key(files.private_key, key_pem)
    leaf = chain[0]
    if _public(key.public_key()) != _public(leaf.public_key()):
        problem = f"does not belong to the certificate in {files.certificate}"
        raise PairInvalid("privateKey", problem)
    ends_s = leaf.not_valid_after_utc.timestamp()
    served = Certificate(
        files.certificate,
        CertificateOffer(
            _names(leaf),
            "RSA" if isinstance(key, rsa.RSAPrivateKey) else "EC",
            key.key_size,
            ends_s <= disk.unix_s(),
        ),
        b"\n".join([*pems, key_pem]).decode("ascii", "replace"),
    )
    _try(served, policy)
    return Pair(served, ends_s, _warnings(files, leaf, disk))


def _read(disk: Disk, part: str, path: str) -> bytes:
    try:
        return disk.read(path)
    except FileNotFoundError:
        raise PairInvalid(part, f"there is no file {path}") from None
    except OSError as problem:
        words = (problem.strerror or "it failed").lower()
        raise PairInvalid(part, f"{path} cannot be read: {words}") from None


def _certificates(part: str, path: str, pem: bytes) -> Sequence[x509.Certificate]:
    if _CERTIFICATE not in pem:
        hint = "a private key and no certificate" if _KEY in pem else "no certificate"
        raise PairInvalid(part, f"{path} holds {hint}: write a PEM file's name")
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise PairInvalid(part, f"{path} holds a certificate that is damaged") from None


def _key(path: str, pem: bytes) -> Key:
    part = "privateKey"
    if _KEY not in pem:
        hint = "a certificate and no key" if _CERTIFICATE in pem else "no private key"
        raise PairInvalid(part, f"{path} holds {hint}: write a PEM file's name")
    try:
        key = load_pem_private_key(pem, None)
    except TypeError:
        how = _DECRYPT.format(path)
        raise PairInvalid(part, f"{path} is encrypted: decrypt it with {how}") from None
    except ValueError:
        raise PairInvalid(part, f"{path} holds a key that is damaged") from None
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < RSA_BITS_MIN:
            must = f"must have at least {RSA_BITS_MIN} bits (got {key.key_size})"
            raise PairInvalid(part, must)
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key
    raise PairInvalid(part, "must be an RSA or elliptic-curve key")


def _public(key: object) -> bytes:
    form = PublicFormat.SubjectPublicKeyInfo
    written: bytes = key.public_bytes(Encoding.DER, form)  # type: ignore[attr-defined] # each type of key has it
    return written


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    """Return the DNS names; the common name where there are none."""
    try:
        extension = leaf.extensions.get_extension_for_oid(
            ExtensionOID.SUBJECT_ALTERNATIVE_NAME
        )
    except (x509.ExtensionNotFound, ValueError):
        names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return tuple(str(name.value).lower() for name in names)
    assert isinstance(extension.value, x509.SubjectAlternativeName)
    return tuple(
        name.lower() for name in extension.value.get_values_for_type(x509.DNSName)
    )


def _try(served: Certificate, policy: str) -> None:
    """Have OpenSSL take it. Raises PairInvalid."""
    try:
        server_context(POLICIES[policy], [served.pem])
    except ssl.SSLError as problem:
        words = (problem.reason or "it failed").replace("_", " ").lower()
        why = f"OpenSSL does not take it under {policy}: {words}"
        raise PairInvalid("certificate", why) from None


def _warnings(
    files: CertificateFiles, leaf: x509.Certificate, disk: Disk
) -> tuple[tuple[str, str], ...]:
    now_s, found = disk.unix_s(), []
    ends, begins = leaf.not_valid_after_utc, leaf.not_valid_before_utc
    if ends.timestamp() <= now_s:
        found.append(("certificate", f"has expired on {ends:%Y-%m-%d}"))
    elif begins.timestamp() > now_s:
        found.append(("certificate", f"is not valid before {begins:%Y-%m-%d}"))
    if disk.is_public(files.private_key):
        why = f"everybody may read {files.private_key}: chmod 600"
        found.append(("privateKey", why))
    return tuple(found)
