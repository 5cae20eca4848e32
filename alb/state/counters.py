"""What a worker counts: plain integers that only grow. Floor 2.

Per listener what the load balancer itself did, per group and per target what
targets answered. Named after AWS/ApplicationELB metrics where there is one;
`totals` is the form in which they leave the worker.
"""

from __future__ import annotations

from collections.abc import Iterable

from alb.errors import Failure
from alb.ports import Counters
from alb.state.histogram import BUCKETS, merge, sparse


class ListenerCounters:
    """One listener's totals in one worker."""

    __slots__ = (
        "app_cookie_non_sticky",
        "by_failure",
        "by_refusal",
        "by_status",
        "client_bytes_in",
        "client_bytes_out",
        "cut_connections",
        "dropped_invalid_headers",
        "fixed_responses",
        "forwarded_invalid_headers",
        "new_connections",
        "non_compliant",
        "non_sticky",
        "redirects",
        "rejected_connections",
        "requests",
        "rule_evaluations",
        "tls_errors",
    )

    def __init__(self) -> None:
        self.new_connections = 0
        self.rejected_connections = 0
        """Closed as soon as they were accepted: the worker has as many as it can."""
        self.tls_errors = 0
        """Handshakes that clients began and that failed."""
        self.requests = 0
        self.rule_evaluations = 0
        """Rules up to the one that matched; the default rule is not counted."""
        self.redirects = 0
        """Of logs that have been switched off or moved."""
        self.fixed_responses = 0
        self.non_compliant = 0
        """Requests that are Acceptable, Ambiguous or Severe, served or not."""
        self.non_sticky = 0
        """Requests to sticky groups that were not held to a target by our cookie."""
        self.app_cookie_non_sticky = 0
        """The same where the application's cookie is needed too."""
        self.dropped_invalid_headers = 0
        self.cut_connections = 0
        """Busy when the drain timeout of the worker had passed."""
        self.forwarded_invalid_headers = 0
        self.client_bytes_in = 0
        self.client_bytes_out = 0
        self.by_status: dict[int, int] = {}
        """Statuses that the load balancer made itself (HTTPCode_ELB_*)."""
        self.by_failure: dict[Failure, int] = {}
        self.by_refusal: dict[str, int] = {}

    def made(self, status: int) -> None:
        self.by_status[status] = self.by_status.get(status, 0) + 1

    def failed(self, failure: Failure) -> None:
        self.by_failure[failure] = self.by_failure.get(failure, 0) + 1
        self.made(failure.status)

    def refused(self, status: int, reason: str) -> None:
        self.by_refusal[reason] = self.by_refusal.get(reason, 0) + 1
        self.made(status)

    def report(self, log_lines_dropped: int = 0) -> Counters:
        totals = {
            "newConnections": self.new_connections,
            "rejectedConnections": self.rejected_connections,
            "requests": self.requests,
            "ruleEvaluations": self.rule_evaluations,
            "redirects": self.redirects,
            "fixedResponses": self.fixed_responses,
            "nonCompliant": self.non_compliant,
            "nonSticky": self.non_sticky,
            "appCookieNonSticky": self.app_cookie_non_sticky,
            "cutConnections": self.cut_connections,
            "droppedInvalidHeaders": self.dropped_invalid_headers,
            "forwardedInvalidHeaders": self.forwarded_invalid_headers,
            "bytesIn": self.client_bytes_in,
            "bytesOut": self.client_bytes_out,
            "tlsErrors": self.tls_errors,
            "logLinesDropped": log_lines_dropped,
        }
        totals |= {f"elb.{status}": n for status, n in self.by_status.items()}
        totals |= {f"failure.{what.name}": n for what, n in self.by_failure.items()}
        totals |= {f"refused.{reason}": n for reason, n in self.by_refusal.items()}
        return Counters(totals)


class QueueCounters:
    """What waited in one worker for a target with room."""

    __slots__ = ("queued", "rejected", "timed_out", "waited_us")

    def __init__(self) -> None:
        self.queued = 0
        self.rejected = 0
        """The queue was full."""
        self.timed_out = 0
        self.waited_us = 0
        """All together, however it ended."""

    def moves(self) -> int:
        """Return a number that grows whenever anything here does."""
        return self.queued + self.rejected + self.timed_out + self.waited_us

    def report(self) -> Counters:
        return Counters(
            {
                "queued": self.queued,
                "queueRejected": self.rejected,
                "queueTimedOut": self.timed_out,
                "queuedMicroseconds": self.waited_us,
            }
        )


class TargetCounters:
    """What one target answered in one worker."""

    __slots__ = (
        "broken",
        "by_class",
        "connection_errors",
        "cut",
        "latency",
        "requests",
        "response_us",
        "retries",
        "retries_refused",
        "tls_errors",
    )

    def __init__(self) -> None:
        self.requests = 0
        self.connection_errors = 0
        self.tls_errors = 0
        self.broken = 0
        """Requests that got no whole answer by the target's fault."""
        self.retries = 0
        self.retries_refused = 0
        """Not sent again, because the budget was spent."""
        self.cut = 0
        self.by_class = [0] * 10
        """Responses by the first digit of their status."""
        self.latency = [0] * BUCKETS
        """From sent to the first byte of the answer, in microseconds."""
        self.response_us = 0
        """All of those together."""

    def attempts(self) -> int:
        """Return how often a request was sent to it, or could not be."""
        return self.requests + self.connection_errors + self.tls_errors

    def failures(self) -> int:
        """Return how often it could not be reached, broke off, or answered 5xx."""
        unreached = self.connection_errors + self.tls_errors
        return unreached + self.broken + self.by_class[5]

    def moves(self) -> int:
        """Return a number that grows whenever anything here does."""
        return (
            self.attempts()
            + self.broken
            + self.retries
            + self.retries_refused
            + self.cut
            + sum(self.by_class)
        )

    def report(self) -> Counters:
        totals = {
            "requests": self.requests,
            "connectionErrors": self.connection_errors,
            "tlsErrors": self.tls_errors,
            "broken": self.broken,
            "retries": self.retries,
            "retriesRefused": self.retries_refused,
            "cut": self.cut,
            "responseMicroseconds": self.response_us,
        }
        totals |= {f"target.{c}xx": self.by_class[c] for c in (1, 2, 3, 4, 5)}
        return Counters(totals, sparse(self.latency))


def add_counters(counters: Iterable[Counters]) -> Counters:
    """Return the sum of cumulative counters."""
    totals: dict[str, int] = {}
    found = list(counters)
    for one in found:
        for name, value in one.totals.items():
            totals[name] = totals.get(name, 0) + value
    latency = merge(one.latency for one in found)
    return Counters(totals, tuple(sorted(latency.items())))
