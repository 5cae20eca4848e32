"""What the processes of a node and control say to each other. Floor 0.

    control --- Hello, Section, Manifest, Stop ---> keeper ---> workers, prober
                                 workers --- Doubted ---> keeper ---> prober
    control <-- Welcome, FromWorker, HealthReport -- keeper <-- workers, prober

A snapshot travels as sections by digest: one for each listener and each group,
so that only what changed is sent and compiled. A Manifest names the sections
that make a version whole. Everything may be sent twice; nothing here is a
command that must arrive exactly once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from alb.model import (
    NO_VERSION,
    CertificateOffer,
    GroupTargets,
    Listener,
    RuleBlock,
    TargetHealth,
    Version,
)

Content = Listener | RuleBlock | GroupTargets


@dataclass(frozen=True, slots=True)
class Section:
    """A listener, some of its rules, or a group with its targets: a `Content`.

    `text` is the content as JSON, `digest` is of that. Who only passes it on does
    not read it.
    """

    digest: str
    text: str


Place = tuple[str, int]
"""Address and port to listen on."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The sections that together are one version of the snapshot.

    `listeners` are the names of those in it, with the places they listen on.
    """

    version: Version
    digests: tuple[str, ...]
    listeners: Mapping[str, tuple[Place, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its chain and key: in memory, and on these links only."""

    name: str
    """How logs name it: its file."""
    offer: CertificateOffer
    pem: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ListenerCertificates:
    """What a listener serves from now on; the default stands first.

    Goes to workers before the manifest that brings the listener. `digest` is of
    the certificates and keys, and is all that the node says of them.
    """

    listener: str
    digest: str
    certificates: tuple[Certificate, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class HealthReport:
    """All that is known of health; a target that is not in it is INITIAL."""

    targets: Mapping[str, TargetHealth]
    log_lines_dropped: int = 0
    """Of the health check log, since this prober began."""


@dataclass(frozen=True, slots=True)
class HealthChange:
    """What the prober found that is not as it last said, or as it was told at first."""

    targets: Mapping[str, TargetHealth]
    gone: tuple[str, ...] = ()
    """Targets that are not registered any more."""
    log_lines_dropped: int = 0


@dataclass(frozen=True, slots=True)
class Counters:
    """Totals since the worker started, of a listener, a group or a target.

    `latency` is a sparse histogram: (bucket, count), see state.histogram.
    """

    totals: Mapping[str, int] = field(default_factory=dict)
    latency: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """Counters of groups and targets that have grown since they were last told.

    Part of a report, which a Telemetry ends. `fresh`: a report begins that tells
    everything anew, as the first one of a worker does.
    """

    groups: Mapping[str, Counters] = field(default_factory=dict)
    targets: Mapping[str, Counters] = field(default_factory=dict)
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One worker's counters, once a second. A lost report loses nothing.

    What came before it as Counted belongs to it. Levels (in flight, connections and
    so on) are always whole: what is not there is none.
    """

    listeners: Mapping[str, Counters]
    groups: Mapping[str, Counters]
    targets: Mapping[str, Counters]
    in_flight: Mapping[str, int]
    connections: int
    waiting: Mapping[str, int] = field(default_factory=dict)
    """Requests that wait for a target with room, by group."""
    anomalous: tuple[str, ...] = ()
    """Targets that fail more than their peers."""
    mitigated: tuple[str, ...] = ()
    """Targets that get less than a full share because they did."""
    gone: tuple[str, ...] = ()
    """Targets, told of before, that are not registered any more."""
    gone_groups: tuple[str, ...] = ()
    ramps: Mapping[str, float] = field(default_factory=dict)
    """The part of a full share, less than 1, that slow start gives a target."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """The part of a full share that is left to a target of `mitigated`."""


@dataclass(frozen=True, slots=True)
class Report:
    """A Counted or a Telemetry, as JSON: the keeper passes it on unread."""

    text: str


@dataclass(frozen=True, slots=True)
class TellAll:
    """To a worker: the next report is for somebody who has heard none."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """This worker serves `version` and will never pick a target it lacks."""

    version: Version


@dataclass(frozen=True, slots=True)
class Drained:
    """Nothing of this draining target is in flight here; `cut` were cut off."""

    target: str
    cut: int


@dataclass(frozen=True, slots=True)
class SessionKey:
    """A key for session cookies; it opens always, and seals from `from_unix_s` on."""

    id: str
    """Eight hexadecimal digits."""
    secret: str = field(repr=False)
    """Base64."""
    from_unix_s: int


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """From the keeper to its workers alone: never in a snapshot, never to control."""

    keys: tuple[SessionKey, ...]


@dataclass(frozen=True, slots=True)
class Alive:
    """The sender's loop turns."""


@dataclass(frozen=True, slots=True)
class Drain:
    """To a worker: accept nothing more, finish within `within_s`, and exit.

    Connections without a request are closed after `idle_s` of silence: one that
    is in use gets its last response before, which says that it is the last.
    """

    within_s: float
    idle_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Doubted:
    """From a worker to the prober, at once: these targets could not be reached."""

    targets: tuple[str, ...]


WorkerMessage = Counted | Telemetry | Acknowledged | Drained
"""What workers say to control."""


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker as the keeper knows it. `incarnation` is never used twice."""

    slot: int
    incarnation: int
    pid: int
    acknowledged: Version = NO_VERSION


@dataclass(frozen=True, slots=True)
class FromWorker:
    slot: int
    incarnation: int
    message: Report | Acknowledged | Drained


@dataclass(frozen=True, slots=True)
class WorkerStarted:
    worker: WorkerState


@dataclass(frozen=True, slots=True)
class WorkerExited:
    """Also the acknowledgement of everything that worker owed one for."""

    slot: int
    incarnation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Bound:
    """A listener's sockets are open, or why not."""

    address: str
    port: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Hello:
    """From a control that wants to decide for this node."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Welcome:
    """To an accepted control: what the node has, to be adopted."""

    manifest: Manifest
    workers: tuple[WorkerState, ...]
    health: HealthReport
    bound: tuple[Bound, ...]
    certificates: Mapping[str, str] = field(default_factory=dict)
    """The digests of what listeners serve, by listener."""


@dataclass(frozen=True, slots=True)
class Superseded:
    """To a control whose epoch is not the highest: it decides no more."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Stop:
    """To the keeper: drain the workers within `within_s`, then end the node."""

    within_s: float


Message = (
    Section
    | ListenerCertificates
    | Manifest
    | HealthReport
    | HealthChange
    | Report
    | TellAll
    | Acknowledged
    | Drained
    | Alive
    | Doubted
    | SessionKeys
    | Drain
    | FromWorker
    | WorkerStarted
    | WorkerExited
    | Bound
    | Hello
    | Welcome
    | Superseded
    | Stop
)


class NodeLink(Protocol):
    """Control's connection to a keeper, already greeted."""

    def send(self, message: Message) -> None:
        """Queue a message; returns at once."""
        ...

    async def receive(self) -> Message:
        """Return the next message. Raises ConnectionError when the link is lost."""
        ...

    def close(self) -> None:
        """End it; what was sent still goes out."""
        ...


OnChange = Callable[[], None]
