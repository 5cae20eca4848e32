"""What the autoscaler needs of the world. Floor 0.

Whoever connects it to a scheduler implements `Capacities`; whoever measures
feeds `state.series`; `Journal` makes decisions durable before they act.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from autoscaler.actions import Notice
from autoscaler.model import Capacity


class Capacities(Protocol):
    """The services whose number follows alarms."""

    def observe(self) -> Mapping[str, Capacity]:
        """Return every scalable service by name, from memory, at once."""
        ...

    async def set_desired(
        self,
        resource: str,
        desired: int,
        if_version: int,
        activity_id: str,
        reason: str,
    ) -> bool:
        """Set the desired count; False when `if_version` is no longer current.

        Idempotent per `activity_id`: repeating a call that took effect is True.
        """
        ...


class Ran(NamedTuple):
    """How an action ended. No `error`: well."""

    error: str
    detail: str = ""
    """What it answered, or wrote: short, for a person."""
    again: bool = False
    """Whether the same may succeed in a moment."""


class Courier(Protocol):
    """Who runs the actions of alarms."""

    async def run(self, notice: Notice) -> Ran:
        """Run it once. Ends within its own deadline, and raises nothing."""
        ...
