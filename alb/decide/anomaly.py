"""Which targets fail more than their peers, and how much less is sent to them.

Floor 1: no clock; who calls looks twice a second. A target's conduct is what was
asked of it and what of that failed lately: older requests fade, half of them in
seven seconds.

    conduct of each healthy target --> find_anomalies --> Conduct.weigh --> its weight

A target is anomalous when its share of failures is at least twice the median of its
peers', and further above it than chance explains. When all fail alike nobody is, and
never more than half of them. One of which too little is known is not: so a target that
gets next to nothing is tried again, a little more with every look, and falls back if
it still fails.

The numbers are ours: AWS tells what it does, not by which (decision 0020).

Source: ALB user guide, "Automatic Target Weights"; the expected share is Laplace's
rule of succession.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

HEALTHY_LEAST: Final = 3
"""Targets that are compared: with fewer, nobody knows who is the odd one."""
ASKED_LEAST: Final = 10.0
"""Requests of which something can be told."""
KNOWN_MOST: Final = 1000.0
"""Requests that are remembered: what recovers is believed in a time that does not
grow with how busy it was."""
ABOVE_LEAST: Final = 0.02
"""By which a share of failures must be above that of peers, however sure it is."""
ERRORS_APART: Final = 4.0
"""Standard errors by which it must be above."""
TIMES: Final = 2.0
"""As many times as peers' it must be."""
WEIGHT_LEAST: Final = 0.01
FADED: Final = 0.95
"""What a look leaves of what was known."""
FORGOTTEN: Final = 0.01
LOWERED: Final = 0.7
"""What a look leaves of the weight of an anomalous target: it is at its least after
seven seconds."""
RAISED: Final = 1.05
"""By which a look raises another's: it is full after three quarters of a minute."""


class Conduct:
    """One target's, in one worker."""

    __slots__ = ("_asked", "_failed", "asked", "failed", "is_anomalous", "weight")

    def __init__(self) -> None:
        self.asked = 0.0
        self.failed = 0.0
        """Of those asked; both faded."""
        self.is_anomalous = False
        self.weight = 1.0
        """Its part of a full share."""
        self._asked = 0
        self._failed = 0

    def note(self, asked: int, failed: int) -> None:
        """Take its totals, which only grow, and let fade what was before."""
        self.asked = self.asked * FADED + asked - self._asked
        self.failed = self.failed * FADED + failed - self._failed
        self._asked = asked
        self._failed = failed
        if self.asked < FORGOTTEN:
            self.asked = self.failed = 0.0
        elif self.asked > KNOWN_MOST:
            self.failed *= KNOWN_MOST / self.asked
            self.asked = KNOWN_MOST

    def weigh(self, *, mitigates: bool) -> None:
        """Lower the weight of an anomalous target, raise another's."""
        if not mitigates:
            self.weight = 1.0
        elif self.is_anomalous:
            self.weight = max(WEIGHT_LEAST, self.weight * LOWERED)
        elif self.weight < 1.0:
            self.weight = min(1.0, self.weight * RAISED)


def compare(healthy: Sequence[Conduct]) -> None:
    """Say of each of a group's healthy targets whether it is anomalous."""
    found = find_anomalies([(one.asked, one.failed) for one in healthy])
    for one, is_anomalous in zip(healthy, found, strict=True):
        one.is_anomalous = is_anomalous


def find_anomalies(conducts: Sequence[tuple[float, float]]) -> list[bool]:
    """Return who stands out, of each what was asked and what failed.

    Those of whom too little is known neither stand out nor count as peers.
    """
    shares = sorted(
        [_share(asked, failed) for asked, failed in conducts if asked >= ASKED_LEAST]
    )
    if len(shares) < HEALTHY_LEAST or not shares[-1]:
        return [False] * len(conducts)
    # Without one's own it is the same for whoever is above it, of an even number the
    # upper one: nobody else can stand out.
    peers = shares[(len(shares) - 1) // 2]
    return [
        asked >= ASKED_LEAST and _stands_out(asked, _share(asked, failed), peers)
        for asked, failed in conducts
    ]


def _share(asked: float, failed: float) -> float:
    """A request may fail in two ways, and be asked a look before it fails."""
    return min(1.0, failed / asked)


def _stands_out(asked: float, own: float, peers: float) -> bool:
    expected = (peers * asked + 1) / (asked + 2)
    error = math.sqrt(expected * (1 - expected) / asked)
    above = max(ABOVE_LEAST, ERRORS_APART * error)
    return own >= TIMES * peers and own - peers >= above
