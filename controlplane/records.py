"""Every kind of record in the state file, and what its values are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from autoscaler.app.remembering import RECORDS as AUTOSCALER_KINDS
from controlplane.cluster_file import ClusterFile
from controlplane.codec import Codec
from controlplane.store import History
from controlplane.weights import LiveWeights
from scheduler.model import ContainerInstance, ServiceEvent
from scheduler.state.records import KINDS as SCHEDULER_KINDS

APPLIED: Final = "applied"
"""Key ``file``: the last applied cluster file."""
DEFAULT_INSTANCE: Final = "default_instance"
"""Key ``instance``: what runs tasks when a file names no instances."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A cluster file as it was applied, so that a restart needs no file."""

    file: str
    directory: str
    """Where the file's relative paths begin: absolute."""
    text: str
    content: ClusterFile
    variables: Mapping[str, str] = field(default_factory=dict)
    gateways: tuple[str, ...] = ()
    """Addresses of local engines on which an internal load balancer listens too."""
    previous: ClusterFile | None = None
    """What was in force before: a restart merges from there until it is settled."""
    settled: bool = False
    """Every part was told of it."""


WEIGHTS: Final = "weights"
"""Key ``file``: weights that were changed since that file was applied."""

KINDS: Final[Mapping[str, type]] = {
    **SCHEDULER_KINDS,
    **AUTOSCALER_KINDS,
    APPLIED: Applied,
    WEIGHTS: LiveWeights,
    DEFAULT_INSTANCE: ContainerInstance,
}

EVENTS_KEPT: Final = 100
"""Per service, as ECS keeps them."""


def _service_of(event: object) -> str:
    assert isinstance(event, ServiceEvent)
    return event.service


HISTORIES: Final = {"service_event": History(_service_of, EVENTS_KEPT)}


def codec() -> Codec:
    return Codec(KINDS)
