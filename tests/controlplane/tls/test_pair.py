"""A certificate is read with its key; what is worth a warning is no error."""

from __future__ import annotations

import pytest

from alb.decide.tls_policies import DEFAULT_POLICY
from alb.model import CertificateFiles
from controlplane.tls.pair import Pair, read_pair
from tests.support.certificates import DAY, MemoryDisk, kept, pair

FILES = CertificateFiles("a.pem", "a.key")
GOOD = kept("a.test", "*.B.test", "192.0.2.1")


def disk(**more: str) -> MemoryDisk:
    files = {name.replace("_", "."): text for name, text in more.items()}
    return MemoryDisk({"a.pem": GOOD.certificate, "a.key": GOOD.key, **files})


def read(on: MemoryDisk, files: CertificateFiles = FILES) -> Pair:
    return read_pair(files, DEFAULT_POLICY, on)


def test_its_names_are_those_of_hosts_in_lower_case() -> None:
    found = read(disk())

    assert ("a.test", "*.b.test") == found.certificate.offer.names
    assert "EC" == found.certificate.offer.key_type
    assert not found.certificate.offer.expired
    assert () == found.warnings


def test_the_length_of_an_rsa_key_is_known() -> None:
    rsa = kept("a.test", rsa_bits=2048)

    found = read(disk(a_pem=rsa.certificate, a_key=rsa.key))

    assert ("RSA", 2048) == (
        found.certificate.offer.key_type,
        found.certificate.offer.key_bits,
    )


def test_a_chain_follows_the_certificate_and_the_key_comes_last() -> None:
    other = kept("ca.test")
    files = CertificateFiles("a.pem", "a.key", "chain.pem")

    found = read(disk(chain_pem=other.certificate), files)

    pem = found.certificate.pem
    places = [pem.index(part) for part in (GOOD.certificate, other.certificate)]
    assert places == sorted(places)
    assert pem.endswith(GOOD.key)


def test_an_expired_certificate_is_served_with_a_warning() -> None:
    old = pair("a.test", days=-1)

    found = read(disk(a_pem=old.certificate, a_key=old.key))

    assert found.certificate.offer.expired
    ((part, text),) = found.warnings
    assert "certificate" == part
    assert text.startswith("has expired on 20")


def test_one_that_is_not_valid_yet_is_served_with_a_warning() -> None:
    now = disk()
    early = MemoryDisk(now.files, now_s=now.now_s - 100 * DAY.total_seconds())

    ((part, text),) = read(early).warnings

    assert ("certificate", "is not valid before") == (part, text[:19])


def test_a_key_that_everybody_may_read_is_told() -> None:
    shown = MemoryDisk(disk().files, public=frozenset({"a.key"}))

    assert (("privateKey", "everybody may read a.key: chmod 600"),) == (
        read(shown).warnings
    )


def test_nobody_who_prints_it_prints_the_key() -> None:
    found = read(disk())

    assert "PRIVATE" not in repr(found)
    assert "PRIVATE" in found.certificate.pem


@pytest.mark.parametrize("policy", ["ELBSecurityPolicy-2016-08", DEFAULT_POLICY])
def test_every_policy_takes_a_good_certificate(policy: str) -> None:
    assert () == read_pair(FILES, policy, disk()).warnings
