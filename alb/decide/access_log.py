"""One request as a line of ALB's access log, or as JSON. Floor 1.

    AccessEntry, filled in while the request goes on --> line | json_line

Nothing a client sends can end a line or a quoted field: what is not printable
ASCII, a quote or a backslash is written as ``\\xNN``. Absent: when lines are
written, and where.

Source: ALB user guide, "Access log entries" (34 fields, in order). `reason` is
ours and stands in JSON only: what failed, in one word.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

from alb.decide.certificates import TlsFacts
from alb.decide.request import RequestHead

USER_AGENT_MAX: Final = 8 * 1024
NOT_SENT: Final = -1.0
"""A time that did not come: nothing was sent to a target, or nothing came back."""
_PLAIN: Final = TlsFacts(b"-", b"-")
_UNSAFE: Final = re.compile(rb"[^ !#-\[\]-~]")
_SAFE: Final = bytes(byte for byte in range(32, 127) if byte not in b'"\\')
"""What is left of a line without these is not safe: faster than to search for it."""
_USER_AGENT: Final = re.compile(rb"\r\nuser-agent:[ \t]*+([^\r]*+)", re.IGNORECASE)
_FIELDS: Final = (
    "type",
    "time",
    "elb",
    "client:port",
    "target:port",
    "request_processing_time",
    "target_processing_time",
    "response_processing_time",
    "elb_status_code",
    "target_status_code",
    "received_bytes",
    "sent_bytes",
    "request",
    "user_agent",
    "ssl_cipher",
    "ssl_protocol",
    "target_group_arn",
    "trace_id",
    "domain_name",
    "chosen_cert_arn",
    "matched_rule_priority",
    "request_creation_time",
    "actions_executed",
    "redirect_url",
    "error_reason",
    "target:port_list",
    "target_status_code_list",
    "classification",
    "classification_reason",
    "conn_trace_id",
    "transformed_host",
    "transformed_uri",
    "request_transform_status",
    "ip_address",
)
_QUOTED: Final = frozenset(
    (
        *("request", "user_agent", "trace_id", "domain_name", "chosen_cert_arn"),
        *("actions_executed", "redirect_url", "error_reason", "target:port_list"),
        *("target_status_code_list", "classification", "classification_reason"),
        *("transformed_host", "transformed_uri", "request_transform_status"),
    )
)


_LINE: Final = (
    b" ".join(b'"%b"' if name in _QUOTED else b"%b" for name in _FIELDS) + b"\n"
)


class AccessEntry:
    """What the log tells of one request. Seconds are of one monotonic clock.

    What most requests do not have stands on the class.
    """

    head: RequestHead | None = None
    """None: it could not be read."""
    rule_priority: int = -1
    """0 is the default rule; -1 no rule was reached."""
    action: bytes = b"-"
    redirect_url: bytes = b"-"
    group: bytes = b"-"
    """The target group's ARN."""
    sent_s: float = NOT_SENT
    answered_s: float = NOT_SENT
    status: int = 0
    received: int = 0
    sent: int = 0
    trace: bytes = b"-"
    classification: bytes = b"-"
    classification_reason: bytes = b"-"
    error_reason: bytes = b"-"
    """AWS's; ours is `reason`."""
    transformed_host: bytes = b"-"
    transformed_uri: bytes = b"-"
    transform_status: bytes = b"-"
    websocket: bool = False
    tls: TlsFacts | None = None
    reason: str = ""
    """Ours: what failed or was refused, in one word."""

    def __init__(self, client: bytes, connection: bytes, created_s: float) -> None:
        self.client = client
        self.connection = connection
        self.created_s = created_s
        self.targets: list[bytes] = []
        """``host:port`` of every target that was tried."""
        self.target_statuses: list[bytes] = []

    def tried(self, host: str, port: int) -> None:
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.targets.append(shown.encode())
        self.target_statuses.append(b"-")


class Peer(NamedTuple):
    """Who is connected."""

    ip: bytes
    port: int


class Moment(NamedTuple):
    """Now, by the monotonic clock and as a date."""

    now_s: float
    unix_s: float


class Calendar:
    """Turns the monotonic clock into dates; a second's text is made once."""

    def __init__(self) -> None:
        self._second = -1
        self._text = b""

    def stamp(self, unix_s: float) -> bytes:
        """Return ``2026-11-23T03:30:19.123456Z``."""
        second = int(unix_s)
        if second != self._second:
            self._second = second
            whole = datetime.fromtimestamp(second, UTC)
            self._text = whole.strftime("%Y-%m-%dT%H:%M:%S").encode()
        return b"%b.%06dZ" % (self._text, int((unix_s - second) * 1e6))


class LogOf:
    """What all lines of one listener's log have in common."""

    def __init__(self, balancer: str, protocol: str, address: str, port: int) -> None:
        self.balancer = balancer.encode()
        self.protocol = protocol.lower().encode()
        self.websocket = b"wss" if self.protocol == b"https" else b"ws"
        self.address = address.encode()
        self.port = b"%d" % port
        self.calendar = Calendar()


def line(entry: AccessEntry, log: LogOf, now: Moment) -> bytes:
    """Return the entry as one line, with its end."""
    values = _values(entry, log, now)
    if b"".join(values).translate(None, _SAFE):
        values = tuple([_safe(value) for value in values])
    return _LINE % values


def json_line(entry: AccessEntry, log: LogOf, now: Moment) -> bytes:
    """Return the entry as one line of JSON, with its end; bytes are read as Latin-1."""
    values = _values(entry, log, now)
    told = {
        name: value.decode("latin-1")
        for name, value in zip(_FIELDS, values, strict=True)
    }
    told["reason"] = entry.reason or "-"
    return json.dumps(told).encode() + b"\n"


def connection_line(
    log: LogOf, peer: Peer, connection: bytes, tls: TlsFacts | None, now: Moment
) -> bytes:
    """Return one line of the connection log. Without TLS most fields are absent."""
    settled = b"- - -"
    if tls is not None:
        settled = b"%b %b %.3f" % (tls.protocol, tls.cipher, tls.latency_s)
    return b'%b %b %d %b %b "-" - - - %b -\n' % (
        log.calendar.stamp(now.unix_s),
        peer.ip,
        peer.port,
        log.port,
        settled,
        connection,
    )


def _values(entry: AccessEntry, log: LogOf, now: Moment) -> tuple[bytes, ...]:
    dispatched = entry.sent_s >= 0
    answered = entry.answered_s >= 0
    before = b"%.3f" % (entry.sent_s - entry.created_s) if dispatched else b"-1"
    waited = b"%.3f" % (entry.answered_s - entry.sent_s) if answered else b"-1"
    after = b"0.000" if answered else b"-1"
    created_unix_s = now.unix_s - (now.now_s - entry.created_s)
    target_status = entry.target_statuses[-1] if entry.target_statuses else b"-"
    tls = entry.tls or _PLAIN
    return (
        log.websocket if entry.websocket else log.protocol,
        log.calendar.stamp(now.unix_s),
        log.balancer,
        entry.client,
        entry.targets[-1] if entry.targets else b"-",
        before,
        waited,
        after,
        b"%d" % entry.status,
        target_status,
        b"%d" % entry.received,
        b"%d" % entry.sent,
        _request(entry.head, log),
        _user_agent(entry.head),
        tls.cipher,
        tls.protocol,
        entry.group,
        entry.trace,
        tls.server_name,
        tls.certificate,
        b"%d" % entry.rule_priority if entry.rule_priority >= 0 else b"-",
        log.calendar.stamp(created_unix_s),
        entry.action,
        entry.redirect_url,
        entry.error_reason,
        b" ".join(entry.targets) or b"-",
        b" ".join(entry.target_statuses) or b"-",
        entry.classification,
        entry.classification_reason,
        entry.connection,
        entry.transformed_host,
        entry.transformed_uri,
        entry.transform_status,
        log.address,
    )


def _request(head: RequestHead | None, log: LogOf) -> bytes:
    """Return ``METHOD proto://host:port/uri HTTP/x``, as AWS writes it."""
    if head is None:
        return b"- %b://%b:%b- -" % (log.protocol, log.address, log.port)
    host = head.host_field or log.address
    if b":" not in host.rpartition(b"]")[2]:
        host = host + b":" + log.port
    return b"%b %b://%b%b HTTP/1.%d" % (
        head.method,
        log.protocol,
        host,
        head.target,
        head.version,
    )


def _user_agent(head: RequestHead | None) -> bytes:
    found = None if head is None else _USER_AGENT.search(head.block)
    return b"-" if found is None else found.group(1)[:USER_AGENT_MAX] or b"-"


def _safe(text: bytes) -> bytes:
    """Return `text` so that it ends no quote and no line, whatever is in it."""
    if _UNSAFE.search(text) is None:
        return text
    return _UNSAFE.sub(_escaped, text)


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"\\x%02x" % found.group()[0]
