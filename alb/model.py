"""What a load balancer is made of, in AWS's words. Floor 0: values only.

    listener -> rules by priority -> actions -> target groups -> targets

Everything here is desired state, immutable, and travels whole to the workers.
What is observed (health, requests in flight) has types of its own below.
Absent: anything about containers, files or sockets.

Source of names, defaults and ranges: ELBv2 API reference and ALB user guide.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NewType

from alb.policies import NO_LIMIT, NO_RETRY, Concurrency, RetryPolicy

TargetId = NewType("TargetId", str)
"""A registration, not an address: pools, health and telemetry key on it."""

PRIORITY_MAX = 50_000
PRIORITY_DEFAULT_RULE = 0
"""How the default rule, which has no priority, stands in logs."""

# --- conditions ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HostHeader:
    """`regex_values` stand in place of `values`, here and below."""

    values: tuple[str, ...] = ()
    regex_values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PathPattern:
    values: tuple[str, ...] = ()
    regex_values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HttpHeader:
    name: str
    values: tuple[str, ...] = ()
    regex_values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HttpRequestMethod:
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QueryPair:
    """`key` None matches any key."""

    value: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class QueryString:
    values: tuple[QueryPair, ...]


@dataclass(frozen=True, slots=True)
class SourceIp:
    """CIDR blocks, v4 or v6, of the TCP peer."""

    values: tuple[str, ...]


Condition = (
    HostHeader | PathPattern | HttpHeader | HttpRequestMethod | QueryString | SourceIp
)

# --- actions ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WeightedGroup:
    """`weight` 0-999; 0 takes no new requests."""

    target_group: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class GroupStickiness:
    """A client stays with the group that it was sent to first."""

    enabled: bool = False
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Forward:
    groups: tuple[WeightedGroup, ...]
    stickiness: GroupStickiness = GroupStickiness()
    spill_over: bool = False
    """Ours: a group with no target to pick hands its requests to the others."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Each part may hold ``#{protocol} #{host} #{port} #{path} #{query}``."""

    status_code: int
    protocol: str = "#{protocol}"
    host: str = "#{host}"
    port: str = "#{port}"
    path: str = "/#{path}"
    query: str = "#{query}"


@dataclass(frozen=True, slots=True)
class FixedResponse:
    status_code: int
    content_type: str = "text/plain"
    message_body: str = ""


Action = Forward | Redirect | FixedResponse

# --- transforms ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HostHeaderRewrite:
    """`replace` may hold ``$1`` … for groups of `regex`; the first match counts."""

    regex: str
    replace: str


@dataclass(frozen=True, slots=True)
class UrlRewrite:
    """Of path and query, once the rule has been chosen."""

    regex: str
    replace: str


Transform = HostHeaderRewrite | UrlRewrite


@dataclass(frozen=True, slots=True)
class Rule:
    """All conditions must hold; within one, any value. Lowest priority wins."""

    priority: int
    conditions: tuple[Condition, ...]
    action: Action
    name: str = ""
    transforms: tuple[Transform, ...] = ()
    """At most one of each kind; they change what is forwarded."""


# --- listeners, groups, targets -----------------------------------------------


@dataclass(frozen=True, slots=True)
class LogFiles:
    """Where one kind of log of `balancer` is written: ALB's folders and file names."""

    directory: str
    """Relative to the cluster file until control makes it absolute."""
    balancer: str
    json: bool = False
    """Lines of JSON in place of ALB's."""


@dataclass(frozen=True, slots=True)
class LoadBalancerAttributes:
    """Attributes that reach the request path. Seconds; AWS's defaults."""

    idle_timeout_s: float = 60.0
    client_keep_alive_s: float = 3600.0
    head_timeout_s: float = 60.0
    """Ours: an absolute deadline from a request's first byte to its last head byte."""
    access_log: LogFiles | None = None
    connection_log: LogFiles | None = None
    health_check_log: LogFiles | None = None
    desync_mitigation_mode: str = "defensive"
    """``monitor``, ``defensive`` or ``strictest``."""
    drop_invalid_header_fields: bool = False
    """Of names with more than letters, digits and dashes."""
    preserve_host_header: bool = False
    xff_header_processing: str = "append"
    """``append``, ``preserve`` or ``remove``."""
    xff_client_port: bool = False
    tls_headers: bool = False
    """Whether targets are told TLS version and cipher suite."""


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """PEM files; relative to the cluster file until control makes them absolute.

    Never what is in them: keys travel apart from everything else.
    """

    certificate: str
    private_key: str
    chain: str = ""


@dataclass(frozen=True, slots=True)
class CertificateOffer:
    """What the choice between certificates needs of one. `names` are lower case."""

    names: tuple[str, ...]
    key_type: str
    """``EC`` or ``RSA``."""
    key_bits: int = 0
    expired: bool = False


TLS_HEADER_NAMES = ("x-amzn-tls-version", "x-amzn-tls-cipher-suite")


@dataclass(frozen=True, slots=True)
class Listener:
    """`addresses` are what the sockets bind to, one socket set per address."""

    port: int
    default_action: Action
    rules: tuple[Rule, ...] = ()
    protocol: str = "HTTP"
    addresses: tuple[str, ...] = ("127.0.0.1",)
    attributes: LoadBalancerAttributes = LoadBalancerAttributes()
    response_headers: tuple[tuple[str, str], ...] = ()
    """Set in every response, whatever the target said."""
    server_header: bool = True
    """Whether responses of our own say ``Server: awselb/2.0``."""
    ssl_policy: str = ""
    """AWS's name; empty without TLS."""
    certificates: tuple[CertificateFiles, ...] = ()
    """The default first; none with TLS: the local development CA issues one."""
    tls_header_names: tuple[str, str] = TLS_HEADER_NAMES

    @property
    def is_secure(self) -> bool:
        return self.protocol == "HTTPS"

    @property
    def name(self) -> str:
        return f"{self.protocol.lower()}-{self.port}"


@dataclass(frozen=True, slots=True)
class RuleBlock:
    """Some rules of the listener of this name: one section of a snapshot."""

    listener: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """ALB's health check of one group. Seconds and counts; AWS's defaults."""

    path: str = "/"
    port: int | None = None
    """None is AWS's ``traffic-port``."""
    interval_s: float = 30.0
    timeout_s: float = 5.0
    healthy_threshold: int = 5
    unhealthy_threshold: int = 2
    matcher: tuple[tuple[int, int], ...] = ((200, 200),)
    """Inclusive ranges of status codes."""
    protocol: str = "HTTP"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """How a group chooses among the targets that may be chosen; AWS's defaults."""

    type: str = "round_robin"
    """AWS's ``least_outstanding_requests`` and ``weighted_random``, or ours:
    ``alb.peak_ewma`` and ``alb.consistent_hash``."""
    hash_on: str = "source-ip"
    """Or ``path-and-query``, ``header:NAME``, ``cookie:NAME``."""
    anomaly_mitigation: bool = False
    """Of ``weighted_random``: less is sent to who fails more than others."""


@dataclass(frozen=True, slots=True)
class MinimumHealthy:
    """With fewer healthy targets a group fails open: either number is enough."""

    count: int = 1
    percentage: int = 0
    """Of the registered targets that do not drain; 0 is AWS's ``off``."""


ONE_HEALTHY = MinimumHealthy()


@dataclass(frozen=True, slots=True)
class Stickiness:
    """A client stays with its target: by a cookie of ours (``lb_cookie``), or by
    one of ours and one of the application's (``app_cookie``). AWS's defaults."""

    enabled: bool = False
    type: str = "lb_cookie"
    lb_cookie_duration_s: float = 86_400.0
    app_cookie_name: str = ""
    app_cookie_duration_s: float = 86_400.0

    @property
    def duration_s(self) -> float:
        if self.type == "app_cookie":
            return self.app_cookie_duration_s
        return self.lb_cookie_duration_s


@dataclass(frozen=True, slots=True)
class TargetGroup:
    name: str
    health_check: HealthCheck = HealthCheck()
    deregistration_delay_s: float = 300.0
    port: int | None = None
    """Default port of fixed targets that name none."""
    protocol: str = "HTTP"
    algorithm: Algorithm = Algorithm()
    minimum_healthy: MinimumHealthy = ONE_HEALTHY
    stickiness: Stickiness = Stickiness()
    retry: RetryPolicy = NO_RETRY
    concurrency: Concurrency = NO_LIMIT
    slow_start_s: float = 0.0
    """How long the share of a target that turned healthy grows; 0: not at all."""


@dataclass(frozen=True, slots=True)
class Target:
    """One registration in one group. A draining target gets no new requests."""

    id: TargetId
    host: str
    port: int
    draining: bool = False


@dataclass(frozen=True, slots=True)
class GroupTargets:
    """A group with the targets registered in it: one section of a snapshot."""

    group: TargetGroup
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """Orders snapshots: a later control has a higher epoch. (0, 0) is nothing."""

    epoch: int = 0
    number: int = 0

    def __lt__(self, other: Version) -> bool:
        return (self.epoch, self.number) < (other.epoch, other.number)


NO_VERSION = Version()


# --- observed -------------------------------------------------------------------


class HealthState(enum.Enum):
    """TargetHealth.State of the ELBv2 API."""

    INITIAL = "initial"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNUSED = "unused"
    DRAINING = "draining"
    UNAVAILABLE = "unavailable"


class HealthReason(enum.Enum):
    """TargetHealth.Reason of the ELBv2 API."""

    NONE = ""
    REGISTRATION_IN_PROGRESS = "Elb.RegistrationInProgress"
    INITIAL_HEALTH_CHECKING = "Elb.InitialHealthChecking"
    INTERNAL_ERROR = "Elb.InternalError"
    RESPONSE_CODE_MISMATCH = "Target.ResponseCodeMismatch"
    TIMEOUT = "Target.Timeout"
    FAILED_HEALTH_CHECKS = "Target.FailedHealthChecks"
    NOT_REGISTERED = "Target.NotRegistered"
    NOT_IN_USE = "Target.NotInUse"
    DEREGISTRATION_IN_PROGRESS = "Target.DeregistrationInProgress"


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """What the prober knows about one target."""

    state: HealthState = HealthState.INITIAL
    reason: HealthReason = HealthReason.REGISTRATION_IN_PROGRESS
    description: str = ""


Overlay = Mapping[TargetId, TargetHealth]
"""Health of every target that is probed; what is not in it is INITIAL."""


@dataclass(frozen=True, slots=True)
class TargetObservation:
    """What the load balancer knows about one registration, over all workers."""

    group: str
    health: TargetHealth
    eligible_everywhere: bool
    """Every worker may pick it (acknowledged, and healthy or failing open)."""
    removed_everywhere: bool
    """No worker will ever pick it again: acknowledged by all."""
    in_flight: int
    drained: bool
    """Removed everywhere and nothing of it is in flight anywhere."""
    cut: int = 0
    """Requests that outlived the deregistration delay and were cut."""
    anomalous: bool = False
    """It fails more than its peers."""
    mitigated: bool = False
    """It gets less than a full share, because it did."""
    ramp: float = 1.0
    """Its part of a full share by slow start, on average over workers."""
    weight: float = 1.0
    """Its part of a full share by anomaly mitigation, on average over workers."""


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """What the cluster file says about the front door, as `alb` needs it."""

    name: str
    internet_facing: bool = False
    attributes: LoadBalancerAttributes = LoadBalancerAttributes()
    listeners: tuple[Listener, ...] = ()
    groups: tuple[TargetGroup, ...] = ()
    fixed_targets: Mapping[str, tuple[Target, ...]] = field(default_factory=dict)
    """Targets that the file itself names, by group."""
