"""One health check as a line of ALB's health check log, or as JSON. Floor 1.

    type time latency target_addr target_group_id status status_code reason_code

Absent: what the check means for the target (`health`), and where lines go.

Source: ALB user guide, "Health check logs" (fields in order, reason codes).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final, NamedTuple, assert_never

from alb.decide.health import (
    Answered,
    Failed,
    NotMade,
    ProbeOutcome,
    TimedOut,
    passes,
)
from alb.decide.probing import Probed

_FIELDS: Final = (
    *("type", "time", "latency", "target_addr", "target_group_id"),
    *("status", "status_code", "reason_code"),
)
_SERVER_ERROR: Final = 500


class Checked(NamedTuple):
    """One check that was made: when it began, how long it took, what came of it."""

    probed: Probed
    began_unix_s: float
    took_s: float
    outcome: ProbeOutcome


def line(checked: Checked) -> bytes:
    return " ".join(_values(checked)).encode() + b"\n"


def json_line(checked: Checked, balancer: str) -> bytes:
    """Return the line as JSON, and whose check it was."""
    told = dict(zip(_FIELDS, _values(checked), strict=True))
    return json.dumps({**told, "elb": balancer}).encode() + b"\n"


def _values(checked: Checked) -> tuple[str, ...]:
    probed, outcome = checked.probed, checked.outcome
    host = f"[{probed.host}]" if ":" in probed.host else probed.host
    began = datetime.fromtimestamp(checked.began_unix_s, UTC)
    reason = reason_code(checked)
    return (
        probed.check.protocol.lower(),
        began.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        f"{checked.took_s:.9f}",
        f"{host}:{probed.port}",
        probed.group,
        "FAIL" if reason else "PASS",
        str(outcome.status) if isinstance(outcome, Answered) else "-",
        reason or "-",
    )


def reason_code(checked: Checked) -> str:
    """Return AWS's word for why the check failed, "" if it did not.

    AWS has none for a refused connection, an answer that is not HTTP or a failed
    TLS handshake: they are told as a connection that ended without a valid answer.
    """
    match checked.outcome:
        case Answered() if passes(checked.outcome, checked.probed.check):
            return ""
        case Answered(status) if status >= _SERVER_ERROR:
            return "TargetError"
        case Answered():
            return "ResponseCodeMismatch"
        case TimedOut():
            return "TimedOut"
        case Failed():
            return "ConnectionReset"
        case NotMade():
            return "InternalError"
        case _:  # pragma: no cover - the union is closed
            assert_never(checked.outcome)
