"""Deployments in the shapes of `aws ecs describe-service-deployments` and -revisions.

Names, nesting and units are ECS's; times are seconds since 1970. A deployment has one
revision: what it was begun with, which nothing changes later.

Source: ECS API reference, ServiceDeployment, ServiceRevision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from controlplane.api.ports import Document
from controlplane.ecs_shapes import ARN, definition_arn
from scheduler.configuration import CircuitBreaker
from scheduler.decide import breaker, hooks
from scheduler.decide.deployments import status_of
from scheduler.model import Deployment, RolloutState
from scheduler.told import DeploymentView, ServiceView

ALL: Final = 100.0


def service_deployment_document(
    view: ServiceView, one: DeploymentView, cluster: str
) -> Document:
    """Return a deployment as DescribeServiceDeployments does; what is not is absent."""
    deployment, service = one.deployment, view.service
    source = _source(view, deployment)
    config = service.deployment
    return _told(
        {
            "serviceDeploymentArn": _arn("service-deployment", deployment, cluster),
            "serviceArn": f"{ARN}:service/{cluster}/{service.name}",
            "clusterArn": f"{ARN}:cluster/{cluster}",
            "createdAt": deployment.created_at_unix_s,
            "startedAt": deployment.created_at_unix_s,
            "finishedAt": deployment.finished_at_unix_s,
            "stoppedAt": _stopped_at(view, deployment),
            "updatedAt": deployment.updated_at_unix_s,
            "sourceServiceRevisions": [_summary(view, source, cluster)]
            if source
            else [],
            "targetServiceRevision": _summary(view, one, cluster),
            "status": _status(view, deployment),
            "statusReason": deployment.rollout_state_reason,
            "lifecycleStage": deployment.takeover.stage.value
            if deployment.takeover
            else None,
            "lifecycleHookDetails": _hooks(view, deployment),
            "deploymentConfiguration": {
                "strategy": config.strategy.value,
                "minimumHealthyPercent": config.minimum_healthy_percent,
                "maximumPercent": config.maximum_percent,
                "bakeTimeInMinutes": config.bake_time_in_minutes,
            },
            "rollback": _rollback(view, deployment, cluster),
            "deploymentCircuitBreaker": _breaker(
                deployment, config.circuit_breaker, service.desired_count
            ),
            "alarms": {
                "status": "MONITORING" if config.alarms.enable else "DISABLED",
                "alarmNames": list(config.alarms.names),
            },
        }
    )


def service_revision_document(
    view: ServiceView, one: DeploymentView, cluster: str
) -> Document:
    """Return what a deployment was begun with, as DescribeServiceRevisions does."""
    deployment = one.deployment
    balancers = deployment.load_balancers or ()
    return _told(
        {
            "serviceRevisionArn": _arn("service-revision", deployment, cluster),
            "serviceArn": f"{ARN}:service/{cluster}/{view.service.name}",
            "clusterArn": f"{ARN}:cluster/{cluster}",
            "taskDefinition": definition_arn(deployment.task_definition),
            "launchType": "EC2",
            "loadBalancers": [
                {
                    "targetGroupName": item.target_group,
                    "containerName": item.container_name,
                    "containerPort": item.container_port,
                }
                for item in balancers
            ],
            "containerImages": [
                {"containerName": name, "image": image}
                for name, image in deployment.images or ()
            ],
            "createdAt": deployment.created_at_unix_s,
            "resolvedConfiguration": {
                "loadBalancers": [
                    _told(
                        {
                            "targetGroupName": item.target_group,
                            "productionListenerRule": (
                                item.advanced.production_listener_rule
                                if item.advanced
                                else None
                            ),
                        }
                    )
                    for item in balancers
                ]
            },
        }
    )


def _told(fields: Mapping[str, object]) -> Document:
    return {name: value for name, value in fields.items() if value is not None}


def _arn(kind: str, deployment: Deployment, cluster: str) -> str:
    number = deployment.id.rpartition("/")[2]
    return f"{ARN}:{kind}/{cluster}/{deployment.service}/{number}"


def _source(view: ServiceView, deployment: Deployment) -> DeploymentView | None:
    if deployment.takeover is None:
        return None
    source = deployment.takeover.source_id
    return next((one for one in view.history if one.deployment.id == source), None)


def _summary(view: ServiceView, one: DeploymentView, cluster: str) -> Document:
    percent = dict(view.production).get(one.deployment.id)
    tested = ALL if one.deployment.id == view.test_id else 0.0
    return _told(
        {
            "arn": _arn("service-revision", one.deployment, cluster),
            "requestedTaskCount": one.desired,
            "runningTaskCount": one.running,
            "pendingTaskCount": one.pending,
            "requestedProductionTrafficWeight": percent,
            "requestedTestTrafficWeight": tested if view.production else None,
        }
    )


def _status(view: ServiceView, deployment: Deployment) -> str:
    primary = next((one.deployment.id for one in view.deployments), "")
    return status_of(deployment, primary, [one.deployment for one in view.history])


def _stopped_at(view: ServiceView, deployment: Deployment) -> float | None:
    return (
        deployment.finished_at_unix_s
        if _status(view, deployment) == "STOPPED"
        else None
    )


def _rollback(
    view: ServiceView, deployment: Deployment, cluster: str
) -> Document | None:
    to = next(
        (
            one.deployment
            for one in view.history
            if one.deployment.id == deployment.rolled_back_to
        ),
        None,
    )
    if to is None:
        return None
    return {
        "reason": deployment.failure,
        "startedAt": deployment.finished_at_unix_s,
        "serviceRevisionArn": _arn("service-revision", to, cluster),
    }


def _breaker(deployment: Deployment, config: CircuitBreaker, desired: int) -> Document:
    status = "DISABLED"
    if config.enable:
        tripped = breaker.has_tripped(deployment, config, desired)
        done = deployment.rollout_state is not RolloutState.IN_PROGRESS
        status = "MONITORING_COMPLETE" if done else "MONITORING"
        status = "TRIGGERED" if tripped else status
    return {
        "status": status,
        "failureCount": deployment.failed_tasks,
        "threshold": breaker.threshold(config, desired),
    }


def _hooks(view: ServiceView, deployment: Deployment) -> list[Document]:
    """Return the hooks that it has come to at its present stage."""
    wanted = view.service.deployment.hooks
    runs = deployment.takeover.hooks if deployment.takeover else ()
    return [
        _told(
            {
                "hookId": hooks.id_of(deployment.id, run),
                "targetType": hook.target.value,
                "targetArn": hook.name or None,
                "status": run.status.value,
                "expiresAt": hooks.expires_at(run, hook),
                "timeoutAction": hook.timeout_action.value,
            }
        )
        for run in runs
        for hook in wanted[run.number : run.number + 1]
    ]
