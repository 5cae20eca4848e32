"""Autoscaling: alarms, row by row."""

from __future__ import annotations

from typing import Final

from tests.parity.rows import Section

SECTIONS: Final[tuple[Section, ...]] = ()
