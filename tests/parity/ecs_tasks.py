"""ECS: task definitions and tasks, row by row."""

from __future__ import annotations

from typing import Final

from tests.parity.rows import Section, absent, live, not_yet

_DOCKER = "scheduler/drivers/test_docker_config.py"
_MISTAKES = (
    "controlplane/cluster_file/test_mistakes.py::test_a_mistake_is_told_in_these_words"
)
_CREATED = f"{_DOCKER}::test_a_spec_becomes_one_create_request"

DEFINITIONS: Final = Section(
    "Task definitions",
    "ECS API reference, RegisterTaskDefinition",
    (
        live(
            "families and revisions that only grow",
            "scheduler/decide/test_revisions.py"
            "::test_a_changed_one_is_the_next_even_if_an_older_one_was_equal",
            differs="an equal definition is the same revision",
        ),
        not_yet("INACTIVE, DELETE_IN_PROGRESS"),
        not_yet("ListTaskDefinitions"),
        live("networkMode bridge", _CREATED),
        not_yet("networkMode host, none, awsvpc"),
        live(
            "cpu and memory of the task: hard quotas",
            "scheduler/decide/test_specs.py"
            "::test_each_container_gets_its_own_ports_and_the_tasks_quota",
        ),
        not_yet("volumes"),
        not_yet("pidMode, ipcMode"),
        not_yet("several containers: dependsOn, links, volumesFrom"),
        live("at least one container, one of them essential", _MISTAKES),
        live("memory or memoryReservation, the one more than the other", _MISTAKES),
        not_yet("the sum of the containers' memory within the task's"),
        absent("taskRoleArn, executionRoleArn", "needs AWS itself"),
        not_yet("runtimePlatform"),
        absent("ephemeralStorage, inferenceAccelerators", "needs AWS itself"),
    ),
)

CONTAINERS: Final = Section(
    "Container definitions",
    "ECS API reference, ContainerDefinition",
    (
        live("name, image", _CREATED),
        live("cpu", _CREATED),
        live("memory, memoryReservation", _CREATED),
        live(
            "essential",
            "scheduler/decide/test_progress.py"
            "::test_a_container_that_is_not_essential_may_end",
        ),
        live("entryPoint, command, workingDirectory", _CREATED),
        live("environment", _CREATED),
        not_yet("environmentFiles"),
        not_yet("secrets"),
        live(
            "portMappings with dynamic ports",
            "scheduler/decide/test_leases.py"
            "::test_each_mapping_gets_a_port_never_used_before",
            differs="leased by us before the container starts",
        ),
        live(
            "portMappings with a static hostPort",
            "scheduler/decide/test_leases.py"
            "::test_a_static_port_is_taken_as_it_is_and_never_leased_twice",
        ),
        not_yet("protocol udp, containerPortRange"),
        not_yet("hostname, dnsServers, dnsSearchDomains, extraHosts"),
        not_yet("disableNetworking"),
        not_yet("readonlyRootFilesystem, privileged, dockerSecurityOptions"),
        live("user", _CREATED),
        not_yet("mountPoints"),
        not_yet("logConfiguration"),
        live("dockerLabels", _CREATED),
        not_yet("ulimits, systemControls, linuxParameters"),
        not_yet("healthCheck"),
        not_yet("startTimeout"),
        live(
            "stopTimeout: SIGTERM, then SIGKILL",
            "conformance/test_runtime.py"
            "::test_one_that_ignores_sigterm_is_killed_after_the_timeout",
        ),
        not_yet("restartPolicy"),
        not_yet("interactive, pseudoTerminal"),
        not_yet("repositoryCredentials"),
        not_yet("resourceRequirements: GPU"),
        absent("firelensConfiguration, credentialSpecs", "needs AWS itself"),
    ),
)

TASKS: Final = Section(
    "Tasks",
    "ECS developer guide, task lifecycle; ECS API reference, Task",
    (
        live(
            "lastStatus from PENDING to STOPPED",
            "scheduler/decide/test_lifecycle.py::test_only_moves_of_the_table_are_made",
            differs="without PROVISIONING and DEPROVISIONING",
        ),
        live(
            "targets are drained before SIGTERM",
            "scheduler/decide/test_lifecycle.py"
            "::test_what_may_be_registered_is_drained_before_sigterm",
        ),
        live(
            "createdAt, startedAt, stoppingAt, stoppedAt",
            "scheduler/decide/test_lifecycle.py::test_times_are_written_once_each",
        ),
        not_yet("pullStartedAt, pullStoppedAt, executionStoppedAt, connectivityAt"),
        not_yet("version, startedBy, group"),
        not_yet("healthStatus"),
        live(
            "stopCode and stoppedReason in ECS's words",
            "scheduler/decide/test_progress.py::test_a_task_keeps_why_it_stopped",
        ),
        live(
            "the agent's error names",
            "scheduler/decide/test_wording.py::test_start_errors_have_the_agents_names",
        ),
        live(
            "stopped tasks can be described for an hour",
            "scheduler/app/test_step.py"
            "::test_stopped_tasks_are_kept_for_an_hour_and_not_without_end",
            differs="the latest 100 of a service",
        ),
        not_yet("RunTask, StopTask"),
        not_yet("ExecuteCommand"),
    ),
)

SECTIONS: Final = (DEFINITIONS, CONTAINERS, TASKS)
