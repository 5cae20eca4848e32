"""Lifecycle hooks, as `scheduler.configuration` has them. Pure.

Source: ECS API reference, DeploymentLifecycleHook. Commands and webhooks stand where
ECS has Lambda functions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from controlplane.cluster_file.meaning.together import Allowed
from controlplane.cluster_file.record import Findings, Record
from scheduler.configuration import (
    HookStage,
    HookTarget,
    LifecycleHook,
    Strategy,
    TimeoutAction,
)

TIMEOUT_MINUTES: Final = (0.0, 20_160.0)
"""ECS allows 1 minute to 14 days; less is for trying things out."""
NEEDS: Final = {HookTarget.COMMAND: "command", HookTarget.WEBHOOK: "url"}


def lifecycle_hooks(
    record: Record, strategy: Strategy, findings: Findings
) -> tuple[LifecycleHook, ...]:
    """Return the hooks of a deploymentConfiguration."""
    records = record.records("lifecycleHooks")
    if records and strategy is Strategy.ROLLING:
        message = "need strategy BLUE_GREEN, LINEAR or CANARY: ROLLING has no stages"
        name = "lifecycleHooks"
        findings.error(record.at(name), record.path_of(name), message)
    return tuple(_hook(each, findings) for each in records if each.has("targetType"))


def _hook(record: Record, findings: Findings) -> LifecycleHook:
    target = HookTarget(record.text("targetType"))
    for whose, name in NEEDS.items():
        if target is whose and record.absent(name):
            findings.error(record.node, record.path, f"{name} is missing")
        elif target is not whose and not record.absent(name):
            message = f"is for targetType {whose.value} (it is {target.value})"
            findings.error(record.at(name), record.path_of(name), message)
    details, timeout = (
        record.pairs("hookDetails"),
        record.record("timeoutConfiguration"),
    )
    return LifecycleHook(
        target,
        tuple(HookStage(text) for text in record.texts("lifecycleStages")),
        record.texts("command"),
        record.text("url"),
        json.dumps(details) if details else "",
        _minutes(timeout, findings),
        TimeoutAction(timeout.text("action")),
    )


def _minutes(record: Record, findings: Findings) -> float:
    name = "timeoutInMinutes"
    minutes = record.number_or_none(name) or 0.0
    low, high = TIMEOUT_MINUTES
    if not low < minutes <= high:
        message = f"must be more than 0 and at most {high:g} (got {minutes:g})"
        findings.error(record.at(name), record.path_of(name), message)
    return minutes


def check_commands(
    services: Iterable[Record], allowed: Allowed, findings: Findings
) -> None:
    """Tell of hooks' commands that the file does not allow."""
    for service in services:
        config = service.record("deploymentConfiguration")
        for hook in config.records("lifecycleHooks"):
            check_command(hook, allowed, findings)


def check_command(record: Record, allowed: Allowed, findings: Findings) -> None:
    """Tell of a `command` that control would run, where the file does not allow it."""
    if record.has("command") and not allowed.privileged:
        message = "runs where control runs: needs allowPrivileged: true in the file"
        findings.error(record.at("command"), record.path_of("command"), message)
