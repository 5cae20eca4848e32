"""Which clients stay with a target, and which with a group. Pure.

Source: ALB user guide, "Sticky sessions", "Forward actions"; ELBv2 API reference,
TargetGroupAttribute, TargetGroupStickinessConfig.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from alb.model import GroupStickiness, Stickiness, TargetGroup
from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.record import Findings, Record

RESERVED: Final = "AWSALB"
"""What names of the load balancer's own cookies begin with."""
_COOKIE_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,255}")
_NAME: Final = "stickiness.app_cookie.cookie_name"


def stickiness(attributes: Record, findings: Findings) -> Stickiness:
    """Return how clients stay with targets, by a target group's attributes."""
    enabled = attributes.flag("stickiness.enabled")
    kind = attributes.text("stickiness.type")
    name = attributes.text(_NAME)
    if problem := _name_problem(name, needed=enabled and kind == "app_cookie"):
        at = _NAME if attributes.has(_NAME) else "stickiness.type"
        findings.error(attributes.at(at), attributes.path_of(at), problem)
    return Stickiness(
        enabled,
        kind,
        float(attributes.whole("stickiness.lb_cookie.duration_seconds")),
        name,
        float(attributes.whole("stickiness.app_cookie.duration_seconds")),
    )


def _name_problem(name: str, *, needed: bool) -> str:
    if not name:
        return f"app_cookie needs {_NAME}" if needed else ""
    if name.startswith(RESERVED):
        return f"must not start with {RESERVED} (got {quoted(name)})"
    if _COOKIE_NAME.fullmatch(name) is None:
        return f"must be a cookie's name, such as JSESSIONID (got {quoted(name)})"
    return ""


def group_stickiness(forward: Record, findings: Findings) -> GroupStickiness:
    """Return how clients stay with groups, by a forward action."""
    config = forward.record("targetGroupStickinessConfig")
    enabled = config.flag("enabled")
    duration = config.whole_or_none("durationSeconds")
    if enabled and duration is None and "durationSeconds" not in config.broken:
        message = "durationSeconds is missing: 1-604800, how long a client stays"
        findings.error(config.node, config.path, message)
    return GroupStickiness(enabled, float(duration or 0))


def check_meeting(
    forward: Record,
    sticky: GroupStickiness,
    groups: Collection[TargetGroup],
    findings: Findings,
) -> None:
    """Tell of groups whose stickiness does not go with this weighted action.

    `groups` are the ones that it forwards to.
    """
    if len(groups) < 2:  # noqa: PLR2004 - nothing is weighted
        return
    name = "targetGroups"
    for group in groups:
        if not group.stickiness.enabled:
            continue
        if group.stickiness.type == "app_cookie":
            message = (
                f'target group "{group.name}" has app_cookie stickiness, which '
                "does not work with several groups; use lb_cookie"
            )
            findings.error(forward.at(name), forward.path_of(name), message)
        elif not sticky.enabled:
            message = (
                f'target group "{group.name}" is sticky, so the action must be too: '
                "targetGroupStickinessConfig: {enabled: true, durationSeconds: …}"
            )
            findings.error(forward.at(name), forward.path_of(name), message)
