"""OpenSSL is told what a security policy says."""

from __future__ import annotations

import os
import ssl
import tempfile
import warnings
from pathlib import Path

import pytest

from alb.decide.tls_policies import DEFAULT_POLICY, LATER, POLICIES
from alb.drivers.tls_contexts import server_context, target_context
from tests.support.certificates import kept

ABSENT = "DES-CBC3-SHA"
"""Of ELBSecurityPolicy-TLS-1-0-2015-04: no OpenSSL of today has it."""


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_has_its_versions_and_its_ciphers_in_their_order(
    name: str,
) -> None:
    policy = POLICIES[name]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context = server_context(policy, [kept("localhost").served().pem])
        versions = context.minimum_version, context.maximum_version

    offered = [cipher["name"] for cipher in context.get_ciphers()]
    assert [n for n in offered if not n.startswith("TLS_")] == list(policy.ciphers) or (
        not policy.ciphers
    )
    assert ((3, versions[0] - 0x300), (3, versions[1] - 0x300)) == policy[:2]


def test_the_default_policy_is_one_of_them() -> None:
    assert DEFAULT_POLICY in POLICIES
    assert not {*LATER} & POLICIES.keys()


def test_a_key_that_is_another_certificates_is_not_taken() -> None:
    mixed = kept("localhost").certificate + kept("other").key

    with pytest.raises(ssl.SSLError):
        server_context(POLICIES[DEFAULT_POLICY], [mixed])


def test_targets_are_not_validated() -> None:
    context = target_context()

    assert ssl.CERT_NONE == context.verify_mode
    assert not context.check_hostname


def test_where_no_file_can_be_in_memory_one_is_private_and_gone_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[int] = []
    load = ssl.SSLContext.load_cert_chain

    def look(context: ssl.SSLContext, path: Path) -> None:
        assert path.parent == tmp_path
        seen.append(path.stat().st_mode & 0o777)
        load(context, path)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", look)

    server_context(POLICIES[DEFAULT_POLICY], [kept("localhost").served().pem])

    assert [0o600] == seen
    assert [] == [*tmp_path.iterdir()]
