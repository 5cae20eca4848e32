"""Why a request did not get a target's answer, and what the client is told. Floor 0.

A failed request is an ordinary event for a load balancer, so it is a value with
three facts, not a tree of classes: whose failure it was, what failed, and
whether the request may be sent again.

    Refused    the request is not one we can pass on (raised by decide.head)
    Failure    the exchange with a target failed (a value, counted and logged)
"""

from __future__ import annotations

import enum


class Refused(Exception):
    """The client sent something that is not passed on; its connection ends.

    `reason` is AWS's classification reason where it has one
    (desync mitigation), else a word in the same style.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason} ({self.status})"


class Malformed(Exception):
    """A target answered with something that is not HTTP; the client gets 502."""


class Blame(enum.Enum):
    CLIENT = "client"
    TARGET = "target"
    BALANCER = "balancer"


class Failure(enum.Enum):
    """What failed: (sentence, status for the client, whose failure it was).

    Source: ELB user guide, "Troubleshoot your Application Load Balancers".
    460 is only counted: its client is gone.
    """

    NO_TARGET = ("no registered target", 503, Blame.BALANCER)
    OVERFLOW = ("all targets are full, and the queue", 503, Blame.BALANCER)
    QUEUE_TIMEOUT = ("all targets stayed full for too long", 503, Blame.BALANCER)
    CONNECT_REFUSED = ("target refused the connection", 502, Blame.TARGET)
    NO_SOCKET = ("no file or local port was left to connect by", 503, Blame.BALANCER)
    CONNECT_TIMEOUT = ("target did not accept in time", 504, Blame.TARGET)
    TLS_FAILED = ("target's TLS handshake failed", 502, Blame.TARGET)
    TLS_TIMEOUT = ("target did not finish the handshake in time", 504, Blame.TARGET)
    TARGET_CLOSED = ("target closed before it answered", 502, Blame.TARGET)
    RESPONSE_TIMEOUT = ("target did not answer in time", 504, Blame.TARGET)
    RESPONSE_MALFORMED = ("target's answer is not HTTP", 502, Blame.TARGET)
    RESPONSE_TRUNCATED = ("target closed inside its answer", 502, Blame.TARGET)
    DEREGISTERED = ("request outlived the deregistration delay", 502, Blame.BALANCER)
    REPLACED = ("request outlived the drain timeout of its worker", 502, Blame.BALANCER)
    CLIENT_GONE = ("client closed the connection", 460, Blame.CLIENT)
    CLIENT_CUT = ("client closed inside its request", 400, Blame.CLIENT)
    CLIENT_SLOW = ("client did not send its request in time", 408, Blame.CLIENT)
    CLIENT_MALFORMED = ("client sent a malformed body", 400, Blame.CLIENT)
    CLIENT_STALLED = ("client stopped reading its response", 460, Blame.CLIENT)

    def __init__(self, reason: str, status: int, blame: Blame) -> None:
        self.reason = reason
        self.status = status
        self.blame = blame
