"""Lifecycle hooks of a deployment that would go on, in a look. Floor 4, synchronous."""

from __future__ import annotations

import json
from collections.abc import Sequence

from scheduler.app.look import Look
from scheduler.configuration import LifecycleHook
from scheduler.decide import hooks
from scheduler.decide.actions import CallHook
from scheduler.decide.hooks import Gate, Verdict
from scheduler.decide.takeover import Advance, Traffic
from scheduler.model import Deployment, ServiceRecord
from scheduler.takeover import HookRun


def gate_of(deployment: Deployment, traffic: Traffic, moved: Advance) -> Gate | None:
    """Return where hooks are asked before that move; None: it does not go on."""
    takeover = deployment.takeover
    assert takeover is not None, "asked of one that takes over"
    if takeover.returns:
        return None  # it served before: nobody has to be asked
    percent = traffic.share_of(deployment.id)
    raises = moved.traffic.share_of(deployment.id) > percent
    leaves = moved.takeover.stage is not takeover.stage
    return Gate(takeover.stage, percent, raises) if raises or leaves else None


def ask(
    look: Look, record: ServiceRecord, deployment: Deployment, gate: Gate
) -> tuple[tuple[HookRun, ...], Verdict]:
    """Return the hooks at the gate, and what they say; call those that are due."""
    assert deployment.takeover is not None, "asked of one that takes over"
    wanted, now = record.service.deployment.hooks, look.now_unix_s
    known = {
        run: look.observed.hook_answers[key]
        for run in deployment.takeover.hooks
        if (key := hooks.key_of(deployment.id, run)) in look.observed.hook_answers
    }
    runs = hooks.looked_at(deployment.takeover.hooks, wanted, gate, known, now)
    for run in runs:
        key = hooks.key_of(deployment.id, run)
        if hooks.is_due(run, now) and key not in look.observed.hooks_busy:
            payload = _payload(record, deployment, run, wanted)
            look.actions.append(CallHook(key, wanted[run.number], payload))
    said = hooks.verdict(runs, wanted, now)
    look.wake_at(said.wake_at_unix_s)
    return runs, said


def _payload(
    record: ServiceRecord,
    deployment: Deployment,
    run: HookRun,
    wanted: Sequence[LifecycleHook],
) -> str:
    """Return what a hook is told: ECS's names, and ids where ECS has ARNs."""
    assert deployment.takeover is not None, "asked of one that takes over"
    details = run.details or wanted[run.number].details
    return json.dumps(
        {
            "executionId": hooks.key_of(deployment.id, run),
            "lifecycleStage": run.stage.value,
            "serviceName": record.service.name,
            "deploymentId": deployment.id,
            "sourceDeploymentId": deployment.takeover.source_id or None,
            "taskDefinition": deployment.task_definition.name,
            "testTrafficWeights": {record.test_id: 100.0},
            "productionTrafficWeights": dict(record.production),
            "hookDetails": json.loads(details) if details else {},
        }
    )
