"""Task definitions and tasks in the very shapes of `aws ecs describe-…`.

Names, nesting and units are ECS's; times are seconds since 1970, as its JSON
protocol has them. Absent: secrets' values, and what only AWS has.

Source: ECS API reference, TaskDefinition, ContainerDefinition, Task, Container.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from controlplane.api.ports import Document
from scheduler.container import HealthStatus, TaskContainer
from scheduler.decide.identity import network_bindings
from scheduler.definition import (
    ContainerDefinition,
    LinuxParameters,
    PortMapping,
    Volume,
)
from scheduler.model import Task, TaskDefinition

ARN: Final = "arn:aws:ecs:local:000000000000"
"""No region and no account of AWS: where ids are ARNs, ours begin so."""


def definition_arn(definition: TaskDefinition) -> str:
    return f"{ARN}:task-definition/{definition.name}"


def task_arn(task: Task, cluster: str) -> str:
    return f"{ARN}:task/{cluster}/{task.id}"


def task_definition_document(definition: TaskDefinition) -> Document:
    """Return a revision as DescribeTaskDefinition does."""
    return _told(
        {
            "taskDefinitionArn": definition_arn(definition),
            "family": definition.family,
            "revision": definition.revision,
            "status": "ACTIVE",
            "networkMode": definition.network_mode.value,
            "cpu": str(definition.cpu) if definition.cpu else None,
            "memory": str(definition.memory_mib) if definition.memory_mib else None,
            "pidMode": definition.pid_mode,
            "ipcMode": definition.ipc_mode,
            "containerDefinitions": [
                container_document(each) for each in definition.containers
            ],
            "compatibilities": ["EXTERNAL", "EC2"],
        },
        volumes=[_volume(each) for each in definition.volumes],
        placementConstraints=[],
    )


def container_document(container: ContainerDefinition) -> Document:
    """Return a container definition as it is registered and described."""
    return _told(
        {
            "name": container.name,
            "image": container.image,
            "memory": container.memory_mib,
            "memoryReservation": container.memory_reservation_mib,
            "entryPoint": list(container.entry_point),
            "command": list(container.command),
            "workingDirectory": container.working_directory,
            "dockerLabels": dict(container.docker_labels),
            "user": container.user,
            "stopTimeout": int(container.stop_timeout_s),
            **_started(container),
            **_isolated(container),
        },
        cpu=container.cpu,
        essential=container.essential,
        environment=_pairs(container.environment, "name", "value"),
        portMappings=[_port_mapping(each) for each in container.port_mappings],
        mountPoints=[
            {
                "sourceVolume": each.source_volume,
                "containerPath": each.container_path,
                "readOnly": each.read_only,
            }
            for each in container.mount_points
        ],
        volumesFrom=[
            {"sourceContainer": each.source_container, "readOnly": each.read_only}
            for each in container.volumes_from
        ],
    )


def _started(container: ContainerDefinition) -> Document:
    """What is read when it starts, whom it waits for, how it is watched."""
    check, policy = container.health_check, container.restart_policy
    credentials = container.repository_credentials
    start_timeout = container.start_timeout_s
    return {
        "startTimeout": int(start_timeout) if start_timeout else None,
        "environmentFiles": [
            {"value": where, "type": "s3"} for where in container.environment_files
        ],
        "secrets": _pairs(container.secrets, "name", "valueFrom"),
        "dependsOn": [
            {"containerName": each.container_name, "condition": each.condition.value}
            for each in container.depends_on
        ],
        "healthCheck": {
            "command": list(check.command),
            "interval": int(check.interval_s),
            "timeout": int(check.timeout_s),
            "retries": check.retries,
            "startPeriod": int(check.start_period_s),
        }
        if check
        else None,
        "restartPolicy": {
            "enabled": True,
            "ignoredExitCodes": list(policy.ignored_exit_codes),
            "restartAttemptPeriod": int(policy.attempt_period_s),
        }
        if policy
        else None,
        "repositoryCredentials": {"credentialsParameter": credentials}
        if credentials
        else None,
    }


def _isolated(container: ContainerDefinition) -> Document:
    """What it has of its own: names, files, limits."""
    logs = container.log_configuration
    return {
        "links": list(container.links),
        "hostname": container.hostname,
        "dnsServers": list(container.dns_servers),
        "dnsSearchDomains": list(container.dns_search_domains),
        "extraHosts": _pairs(container.extra_hosts, "hostname", "ipAddress"),
        "disableNetworking": container.disable_networking,
        "readonlyRootFilesystem": container.readonly_root_filesystem,
        "privileged": container.privileged,
        "dockerSecurityOptions": list(container.docker_security_options),
        "interactive": container.interactive,
        "pseudoTerminal": container.pseudo_terminal,
        "systemControls": _pairs(container.system_controls, "namespace", "value"),
        "ulimits": [
            {
                "name": each.name,
                "softLimit": each.soft_limit,
                "hardLimit": each.hard_limit,
            }
            for each in container.ulimits
        ],
        "logConfiguration": {
            "logDriver": logs.log_driver,
            "options": dict(logs.options),
            "secretOptions": _pairs(logs.secret_options, "name", "valueFrom"),
        }
        if logs
        else None,
        "linuxParameters": _linux(container.linux_parameters),
    }


def _linux(linux: LinuxParameters | None) -> Document | None:
    if linux is None:
        return None
    return _told(
        {
            "capabilities": {
                "add": list(linux.capabilities_add),
                "drop": list(linux.capabilities_drop),
            },
            "devices": [
                {
                    "hostPath": each.host_path,
                    "containerPath": each.container_path,
                    "permissions": list(each.permissions),
                }
                for each in linux.devices
            ],
            "tmpfs": [
                {
                    "containerPath": each.container_path,
                    "size": each.size_mib,
                    "mountOptions": list(each.mount_options),
                }
                for each in linux.tmpfs
            ],
            "sharedMemorySize": linux.shared_memory_mib,
        },
        initProcessEnabled=linux.init_process_enabled,
        maxSwap=linux.max_swap_mib,
        swappiness=linux.swappiness,
    )


def _port_mapping(mapping: PortMapping) -> Document:
    told: dict[str, object] = {
        "hostPort": mapping.host_port,
        "protocol": mapping.protocol,
        "containerPort": mapping.container_port,
    }
    if mapping.last_container_port:
        first, last = mapping.container_port, mapping.last_container_port
        told = {"protocol": mapping.protocol, "containerPortRange": f"{first}-{last}"}
    return {
        **told,
        **_told({"name": mapping.name, "appProtocol": mapping.app_protocol}),
    }


def _volume(volume: Volume) -> Document:
    docker = volume.docker
    if docker is None:
        return {"name": volume.name, "host": _told({"sourcePath": volume.source_path})}
    return {
        "name": volume.name,
        "dockerVolumeConfiguration": {
            "scope": "shared" if docker.shared else "task",
            "autoprovision": docker.autoprovision,
            "driver": docker.driver,
            "driverOpts": dict(docker.driver_opts),
            "labels": dict(docker.labels),
        },
    }


# --- tasks --------------------------------------------------------------------------


def described_task(task: Task, cluster: str) -> Document:
    """Return a task as DescribeTasks does."""
    definition = task.task_definition
    return _told(
        {
            "taskArn": task_arn(task, cluster),
            "clusterArn": f"{ARN}:cluster/{cluster}",
            "taskDefinitionArn": definition_arn(definition),
            "containerInstanceArn": (
                f"{ARN}:container-instance/{cluster}/{task.instance}"
            ),
            "cpu": str(definition.reserved_cpu),
            "memory": str(definition.reserved_memory_mib),
            "group": task.group,
            "startedBy": task.started_by or task.deployment_id,
            "createdAt": task.created_at_unix_s,
            "pullStartedAt": task.pull_started_at_unix_s,
            "pullStoppedAt": task.pull_stopped_at_unix_s,
            "startedAt": task.started_at_unix_s,
            "stoppingAt": task.stopping_at_unix_s,
            "executionStoppedAt": task.execution_stopped_at_unix_s,
            "stoppedAt": task.stopped_at_unix_s,
            "stopCode": task.stop_code.value if task.stop_code else None,
            "stoppedReason": task.stopped_reason,
        },
        lastStatus=task.status.value,
        desiredStatus="RUNNING" if task.is_live else "STOPPED",
        healthStatus=health_status(task).value,
        launchType="EC2",
        enableExecuteCommand=task.enable_execute_command,
        containers=[_container(task, each, cluster) for each in definition.containers],
    )


def health_status(task: Task) -> HealthStatus:
    """Return the task's health: of its essential containers that have a check."""
    records = {each.name: each for each in task.containers}
    told = {
        records[each.name].health or HealthStatus.UNKNOWN
        for each in task.task_definition.containers
        if each.essential and each.health_check and each.name in records
    }
    for worst in (HealthStatus.UNHEALTHY, HealthStatus.UNKNOWN):
        if worst in told:
            return worst
    return HealthStatus.HEALTHY if told else HealthStatus.UNKNOWN


def _container(task: Task, definition: ContainerDefinition, cluster: str) -> Document:
    known = {each.name: each for each in task.containers}
    record = known.get(definition.name, TaskContainer(definition.name))
    return _told(
        {
            "containerArn": f"{ARN}:container/{cluster}/{task.id}/{record.name}",
            "taskArn": task_arn(task, cluster),
            "image": definition.image,
            "runtimeId": record.runtime_id,
            "reason": record.reason,
            "cpu": str(definition.cpu),
            "memory": str(definition.memory_mib) if definition.memory_mib else None,
        },
        name=record.name,
        lastStatus=record.status.value,
        exitCode=record.exit_code,
        healthStatus=(record.health or HealthStatus.UNKNOWN).value,
        networkBindings=[
            {
                "bindIP": task.address,
                "containerPort": each.container_port,
                "hostPort": each.host_port,
                "protocol": each.protocol,
            }
            for each in network_bindings(task)
            if each.container_name == definition.name
        ],
    )


def _pairs(pairs: Iterable[tuple[str, str]], key: str, value: str) -> list[Document]:
    return [{key: name, value: what} for name, what in pairs]


def _told(optional: Mapping[str, object], **always: object) -> Document:
    """Return the fields, without those of `optional` that say nothing."""
    found = {key: value for key, value in optional.items() if value}
    return {**found, **{k: v for k, v in always.items() if v is not None}}
