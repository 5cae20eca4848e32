"""Deployments as DescribeServiceDeployments and DescribeServiceRevisions tell them."""

from __future__ import annotations

from dataclasses import replace

from controlplane.ecs_deployments import (
    service_deployment_document,
    service_revision_document,
)
from scheduler.configuration import (
    AdvancedConfiguration,
    CircuitBreaker,
    DeploymentAlarms,
    DeploymentConfiguration,
    HookStage,
    HookTarget,
    LifecycleHook,
    LifecycleStage,
    Strategy,
)
from scheduler.model import (
    Deployment,
    RolloutState,
    Service,
    ServiceLoadBalancer,
    ServiceStatus,
)
from scheduler.takeover import HookRun, HookStatus, Takeover
from scheduler.told import DeploymentView, ServiceView
from tests.support.tasks import NOW, definition

PAIR = AdvancedConfiguration("blue", "80/10")
STAGE = HookStage.POST_TEST_TRAFFIC_SHIFT
CONFIG = DeploymentConfiguration(
    circuit_breaker=CircuitBreaker(enable=True),
    alarms=DeploymentAlarms(("errors",), enable=True),
    strategy=Strategy.CANARY,
    hooks=(
        LifecycleHook(HookTarget.PAUSE, (STAGE,)),
        LifecycleHook(HookTarget.WEBHOOK, (STAGE,), url="http://x/SECRET"),
    ),
)
WEB = Service("web", definition(), 3, deployment=CONFIG)
FIRST = Deployment(
    "ecs-svc/1",
    "web",
    definition(),
    NOW,
    rollout_state=RolloutState.COMPLETED,
    finished_at_unix_s=NOW + 5,
)
RUNS = (
    HookRun(0, STAGE, 0.0, HookStatus.AWAITING_ACTION, NOW),
    HookRun(1, STAGE, 0.0, HookStatus.SUCCEEDED, NOW),
)
SECOND = Deployment(
    "ecs-svc/2",
    "web",
    definition(revision=2),
    NOW + 10,
    rollout_state_reason="ECS deployment ecs-svc/2 in progress.",
    failed_tasks=1,
    load_balancers=(ServiceLoadBalancer("green", "web", 8080, 1.0, PAIR),),
    images=(("web", "web@sha256:1"),),
    updated_at_unix_s=NOW + 20,
    takeover=Takeover(
        Strategy.CANARY,
        "ecs-svc/1",
        LifecycleStage.POST_TEST_TRAFFIC_SHIFT,
        NOW + 15,
        hooks=RUNS,
    ),
)


def view(*deployments: Deployment) -> ServiceView:
    told = tuple(DeploymentView(one, "ACTIVE", 3, 2, 1) for one in deployments)
    return ServiceView(
        service=WEB,
        status=ServiceStatus.ACTIVE,
        desired=3,
        running=4,
        pending=2,
        healthy=4,
        deploying=True,
        reached=False,
        fulfilled=False,
        serving=2,
        version=1,
        deployments=told,
        history=told,
        events=(),
        production=(("ecs-svc/2", 5.0), ("ecs-svc/1", 95.0)),
        test_id="ecs-svc/2",
    )


HOOKS = [
    {
        "hookId": "ecs-svc/2/POST_TEST_TRAFFIC_SHIFT/0/0",
        "targetType": "PAUSE",
        "status": "AWAITING_ACTION",
        "expiresAt": NOW + 86_400,
        "timeoutAction": "ROLLBACK",
    },
    {
        "hookId": "ecs-svc/2/POST_TEST_TRAFFIC_SHIFT/0/1",
        "targetType": "WEBHOOK",
        "targetArn": "http://x/…",
        "status": "SUCCEEDED",
        "expiresAt": NOW + 86_400,
        "timeoutAction": "ROLLBACK",
    },
]


def test_one_that_takes_over_is_told_with_its_stage_and_weights() -> None:
    service = view(SECOND, FIRST)
    told = dict(service_deployment_document(service, service.history[0], "demo"))
    assert HOOKS == told.pop("lifecycleHookDetails")
    revision = "arn:aws:ecs:local:000000000000:service-revision/demo/web/"
    summary = {"requestedTaskCount": 3, "runningTaskCount": 2, "pendingTaskCount": 1}
    assert {
        "serviceDeploymentArn": (
            "arn:aws:ecs:local:000000000000:service-deployment/demo/web/2"
        ),
        "serviceArn": "arn:aws:ecs:local:000000000000:service/demo/web",
        "clusterArn": "arn:aws:ecs:local:000000000000:cluster/demo",
        "createdAt": NOW + 10,
        "startedAt": NOW + 10,
        "updatedAt": NOW + 20,
        "sourceServiceRevisions": [
            {
                "arn": f"{revision}1",
                **summary,
                "requestedProductionTrafficWeight": 95.0,
                "requestedTestTrafficWeight": 0.0,
            }
        ],
        "targetServiceRevision": {
            "arn": f"{revision}2",
            **summary,
            "requestedProductionTrafficWeight": 5.0,
            "requestedTestTrafficWeight": 100.0,
        },
        "status": "IN_PROGRESS",
        "statusReason": "ECS deployment ecs-svc/2 in progress.",
        "lifecycleStage": "POST_TEST_TRAFFIC_SHIFT",
        "deploymentConfiguration": {
            "strategy": "CANARY",
            "minimumHealthyPercent": 100,
            "maximumPercent": 200,
            "bakeTimeInMinutes": 0.0,
        },
        "deploymentCircuitBreaker": {
            "status": "MONITORING",
            "failureCount": 1,
            "threshold": 3,
        },
        "alarms": {"status": "MONITORING", "alarmNames": ["errors"]},
    } == told


def test_one_that_failed_says_what_it_was_rolled_back_to() -> None:
    failed = replace(
        SECOND,
        rollout_state=RolloutState.FAILED,
        failed_tasks=3,
        failure="tasks failed to start",
        rolled_back_to="ecs-svc/1",
        finished_at_unix_s=NOW + 30,
    )
    service = view(FIRST, failed)
    told = service_deployment_document(service, service.history[1], "demo")
    assert "ROLLBACK_SUCCESSFUL" == told["status"]
    assert {
        "reason": "tasks failed to start",
        "startedAt": NOW + 30,
        "serviceRevisionArn": (
            "arn:aws:ecs:local:000000000000:service-revision/demo/web/1"
        ),
    } == told["rollback"]
    breaker = {"status": "TRIGGERED", "failureCount": 3, "threshold": 3}
    assert breaker == told["deploymentCircuitBreaker"]
    stays = replace(failed, rolled_back_to="")
    service = view(stays, FIRST)
    told = service_deployment_document(service, service.history[0], "demo")
    assert ("STOPPED", NOW + 30) == (told["status"], told["stoppedAt"])
    assert "rollback" not in told


def test_a_revision_is_what_it_was_begun_with() -> None:
    service = view(SECOND, FIRST)
    told = service_revision_document(service, service.history[0], "demo")
    assert (
        "arn:aws:ecs:local:000000000000:task-definition/web:2"
        == (told["taskDefinition"])
    )
    assert [{"containerName": "web", "image": "web@sha256:1"}] == (
        told["containerImages"]
    )
    group = {"targetGroupName": "green", "productionListenerRule": "80/10"}
    assert {"loadBalancers": [group]} == told["resolvedConfiguration"]
    told = service_revision_document(service, service.history[1], "demo")
    assert [] == told["containerImages"]
