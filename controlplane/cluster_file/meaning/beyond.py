"""What a target group does beyond ALB, as `alb.policies` has it. Pure."""

from __future__ import annotations

from typing import Final

from alb.policies import Concurrency, RetryPolicy
from controlplane.cluster_file.meaning.codes import Codes, code_ranges
from controlplane.cluster_file.record import Findings, Record

STATUSES: Final = Codes(400, 599, '"503", "502,504" or "500-599"')


def retry_policy(attributes: Record, findings: Findings) -> RetryPolicy:
    on_status = "alb.retry.on_status_codes"
    listed = attributes.text(on_status) != ""
    return RetryPolicy(
        attributes.flag("alb.retry.on_reset"),
        code_ranges(attributes, on_status, STATUSES, findings) if listed else (),
        attributes.flag("alb.retry.non_idempotent"),
        attributes.whole("alb.retry.budget_percent"),
        attributes.whole("alb.retry.budget_minimum"),
    )


def concurrency(attributes: Record) -> Concurrency:
    return Concurrency(
        attributes.whole("alb.max_concurrency"),
        attributes.whole("alb.max_concurrency.queue_length"),
        float(attributes.whole("alb.max_concurrency.queue_timeout_seconds")),
    )
