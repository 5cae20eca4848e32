"""What a keeper holds for those who come and go. Floor 2.

The newest manifest with its sections, the newest health report, and the epoch
of the control that may decide. Kept in memory alone: a keeper that is gone
took its sockets with it, and what it held would be stale.
"""

from __future__ import annotations

from alb.model import NO_VERSION, Listener
from alb.ports import (
    Content,
    HealthReport,
    ListenerCertificates,
    Manifest,
    Section,
)


class Holdings:
    """Sections by digest, and which of them are the present."""

    def __init__(self) -> None:
        self.epoch = 0
        self.manifest = Manifest(NO_VERSION, ())
        self.health = HealthReport({})
        self._sections: dict[str, Section] = {}
        self.certificates: dict[str, ListenerCertificates] = {}
        """By listener; held in memory alone, as all of this."""

    def greet(self, epoch: int) -> bool:
        """Whether a control of `epoch` may decide; it does if none higher has."""
        if epoch < self.epoch:
            return False
        self.epoch = epoch
        return True

    def add(self, section: Section) -> None:
        self._sections[section.digest] = section

    def publish(self, manifest: Manifest) -> bool:
        """Make `manifest` the present; False when it is old or not whole.

        Sections that it does not name are forgotten.
        """
        known = all(digest in self._sections for digest in manifest.digests)
        if not known or manifest.version < self.manifest.version:
            return False
        self.manifest = manifest
        self._sections = {digest: self._sections[digest] for digest in manifest.digests}
        listeners = {one.name for one in self.contents() if isinstance(one, Listener)}
        for gone in self.certificates.keys() - listeners:
            del self.certificates[gone]
        return True

    def certified(self) -> dict[str, str]:
        """Return the digest of what each listener serves."""
        return {name: served.digest for name, served in self.certificates.items()}

    def certify(self, served: ListenerCertificates) -> None:
        self.certificates[served.listener] = served

    def sections(self) -> tuple[Section, ...]:
        """Return the sections of the present manifest, in its order."""
        return tuple(self._sections[digest] for digest in self.manifest.digests)

    def contents(self) -> tuple[Content, ...]:
        return tuple(section.content for section in self.sections())

    def addresses(self) -> frozenset[tuple[str, int]]:
        """Return every (address, port) that should be listened on."""
        return frozenset(
            (address, content.port)
            for content in self.contents()
            if isinstance(content, Listener)
            for address in content.addresses
        )
