"""What a keeper holds for those who come and go. Floor 2.

The newest manifest with its sections, all that is known of health, and the epoch
of the control that may decide. Kept in memory alone: a keeper that is gone
took its sockets with it, and what it held would be stale.

Absent: what is in a section. A keeper needs no more than where to listen, and
that stands in the manifest.
"""

from __future__ import annotations

from collections.abc import Mapping

from alb.model import NO_VERSION, TargetHealth
from alb.ports import (
    HealthChange,
    HealthReport,
    ListenerCertificates,
    Manifest,
    Place,
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
        for gone in self.certificates.keys() - manifest.listeners.keys():
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

    def places(self) -> frozenset[Place]:
        """Return every address and port that should be listened on."""
        listeners = self.manifest.listeners.values()
        return frozenset(place for places in listeners for place in places)

    def note(self, change: HealthChange) -> None:
        """Take what the prober found."""
        targets = changed(self.health.targets, change)
        self.health = HealthReport(targets, change.log_lines_dropped)


def changed(
    targets: Mapping[str, TargetHealth], change: HealthChange
) -> dict[str, TargetHealth]:
    """Return the health of all, after a change of some."""
    after = {**targets, **change.targets}
    for gone in change.gone:
        after.pop(gone, None)
    return after
