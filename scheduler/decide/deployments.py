"""A deployment's life, from its beginning to what is told of it later. Floor 1: pure.

    begun --> IN_PROGRESS --> COMPLETED            retired: INACTIVE, kept for a while
                  |   ^
                  v   +-- resumed: an earlier one is PRIMARY again (a roll-back)
               FAILED

Source: ECS API reference, Deployment and ServiceDeployment. That a roll-back goes
on with the earlier deployment, and so with its tasks that still serve, follows
ECS's reason, "rolling back to deploymentId".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from scheduler.decide import takeover, wording
from scheduler.decide.wording import Failure
from scheduler.model import Deployment, RolloutState, Service

KEPT: Final = 10
"""Of a service's INACTIVE deployments: the newest."""


def begun(
    service: Service,
    deployment_id: str,
    now_unix_s: float,
    base: Deployment | None = None,
) -> Deployment:
    """Return a new deployment of the service as it is wished; `base` serves now."""
    return Deployment(
        id=deployment_id,
        service=service.name,
        task_definition=service.task_definition,
        created_at_unix_s=now_unix_s,
        rollout_state_reason=wording.in_progress(deployment_id),
        load_balancers=takeover.resolved(service, base),
        updated_at_unix_s=now_unix_s,
        takeover=takeover.begun(service, base, now_unix_s),
    )


def completed(deployment: Deployment, now_unix_s: float) -> Deployment:
    return replace(
        deployment,
        rollout_state=RolloutState.COMPLETED,
        rollout_state_reason=wording.deployment_completed(deployment.id),
        updated_at_unix_s=now_unix_s,
        finished_at_unix_s=now_unix_s,
    )


def failed(
    deployment: Deployment,
    why: Failure,
    to: Deployment | None,
    now_unix_s: float,
) -> Deployment:
    """Return the deployment as failed; `to` is the one that takes over again."""
    return replace(
        deployment,
        rollout_state=RolloutState.FAILED,
        rollout_state_reason=wording.failed(why, to.id if to else ""),
        updated_at_unix_s=now_unix_s,
        finished_at_unix_s=now_unix_s,
        failure=why.what,
        rolled_back_to=to.id if to else "",
    )


def resumed(
    deployment: Deployment,
    instead_of: Deployment,
    now_unix_s: float,
    base: Deployment | None = None,
) -> Deployment:
    """Return the deployment as it becomes PRIMARY again: its failures are forgotten.

    `base` is the one that serves, if it is not the one that was PRIMARY.
    """
    return replace(
        deployment,
        rollout_state=RolloutState.IN_PROGRESS,
        rollout_state_reason=wording.in_progress(deployment.id),
        failed_tasks=0,
        failed_rounds=0,
        failed_at_unix_s=0.0,
        updated_at_unix_s=now_unix_s,
        finished_at_unix_s=None,
        baking_since_unix_s=None,
        alarms_ignored=None,
        failure="",
        rolls_back=instead_of.id,
        rolled_back_to="",
        inactive=False,
        takeover=takeover.returning(deployment, base or instead_of, now_unix_s),
    )


def last_completed(deployments: Iterable[Deployment], but: str) -> Deployment | None:
    """Return what can be rolled back to; None when nothing else was COMPLETED."""
    return max(
        (
            one
            for one in deployments
            if one.id != but and one.rollout_state is RolloutState.COMPLETED
        ),
        key=lambda one: one.finished_at_unix_s or 0.0,
        default=None,
    )


def back_to(deployment: Deployment, known: Iterable[Deployment]) -> Deployment | None:
    """Return what takes over again when the deployment is given up; None: nothing.

    Of one that takes over: its source, which is whole still.
    """
    others = {one.id: one for one in known}
    if deployment.takeover and takeover.is_under_way(deployment):
        source = others.get(deployment.takeover.source_id)
        if source is not None and not deployment.takeover.returns:
            return source
    return last_completed(others.values(), deployment.id)


def forgotten(
    deployments: Sequence[Deployment], needed: Collection[str]
) -> list[Deployment]:
    """Return the INACTIVE deployments that are not kept any more.

    `needed` are never among them, nor is what can be rolled back to.
    """
    last = last_completed(deployments, "")
    before = last_completed(deployments, last.id if last else "")
    kept = {one.id for one in (last, before) if one} | set(needed)
    inactive = sorted(
        (one for one in deployments if one.inactive),
        key=lambda one: one.updated_at_unix_s,
        reverse=True,
    )
    return [one for one in inactive[KEPT:] if one.id not in kept]


def status_of(
    deployment: Deployment, primary_id: str, others: Iterable[Deployment]
) -> str:
    """Return the status of ECS's ServiceDeployment."""
    match deployment.rollout_state:
        case RolloutState.COMPLETED:
            return "SUCCESSFUL"
        case RolloutState.IN_PROGRESS:
            return "IN_PROGRESS" if deployment.id == primary_id else "STOPPED"
        case RolloutState.FAILED:
            to = deployment.rolled_back_to
            back = next((one for one in others if one.id == to), None)
            return _ROLLBACK[back.rollout_state] if back else "STOPPED"


_ROLLBACK: Final = {
    RolloutState.IN_PROGRESS: "ROLLBACK_IN_PROGRESS",
    RolloutState.COMPLETED: "ROLLBACK_SUCCESSFUL",
    RolloutState.FAILED: "ROLLBACK_FAILED",
}
