"""Certificates for HTTPS listeners that name none: of the development CA.

    listener --> names_for --> Authority.issue --> STATE/tls/https-8443.{pem,key}

From there they are served as every other pair is, and issued anew when names are
added or two thirds of their time have passed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from alb.model import CertificateFiles, HostHeader, Listener, LoadBalancer
from controlplane.tls.authority import (
    Authority,
    AuthorityUnusable,
    Issued,
    utc_now,
    write_private,
)

ALWAYS: Final = ("localhost", "*.localhost", "host.docker.internal")
ADDRESSES: Final = ("127.0.0.1", "::1")
_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with
_HOST: Final = re.compile(
    r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*"
    r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)


class LocalCertificates:
    """Issues and keeps them, in `directory`; the authority is made when needed."""

    def __init__(self, directory: Path, authority: Path) -> None:
        self._directory = directory
        self._authority = authority

    def complete(self, load_balancer: LoadBalancer) -> LoadBalancer:
        """Return it with certificates for each HTTPS listener that has none.

        Raises AuthorityUnusable.
        """
        listeners = tuple(
            replace(one, certificates=(self._files(one, load_balancer),))
            if one.is_secure and not one.certificates
            else one
            for one in load_balancer.listeners
        )
        return replace(load_balancer, listeners=listeners)

    def _files(
        self, listener: Listener, load_balancer: LoadBalancer
    ) -> CertificateFiles:
        certificate = self._directory / f"{listener.name}.pem"
        key = self._directory / f"{listener.name}.key"
        names, now = names_for(listener, load_balancer), utc_now()
        authority = Authority.open(self._authority, now)
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not authority.serves(_there(certificate, key), names, now):
                issued = authority.issue(names, now)
                write_private(key, issued.key)
                write_private(certificate, issued.certificate)
        except OSError as problem:
            why = f"{problem.filename}: {(problem.strerror or '').lower()}"
            raise AuthorityUnusable(why) from None
        return CertificateFiles(str(certificate), str(key))


def _there(certificate: Path, key: Path) -> Issued:
    """Return what was issued before; empty where there is nothing."""
    texts = [one.read_text() if one.exists() else "" for one in (certificate, key)]
    return Issued(*texts)


def names_for(listener: Listener, load_balancer: LoadBalancer) -> Sequence[str]:
    """Return what clients may call a listener.

    Few clients take ``*.localhost``, as nothing stands behind its dot but one name:
    so each group's name, and each host that a rule names, stand there themselves.
    """
    groups = (f"{group.name.lower()}.localhost" for group in load_balancer.groups)
    hosts = (
        value.lower()
        for rule in listener.rules
        for condition in rule.conditions
        if isinstance(condition, HostHeader)
        for value in condition.values
    )
    named = [*ALWAYS, "app.localhost", *groups]
    named += [host for host in hosts if _HOST.fullmatch(host)]
    addresses = [one for one in listener.addresses if one not in _EVERYWHERE]
    return tuple(dict.fromkeys([*named, *ADDRESSES, *addresses]))
