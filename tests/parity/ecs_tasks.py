"""ECS: task definitions and tasks, row by row."""

from __future__ import annotations

from typing import Final

from tests.parity.rows import Section, absent, live, not_yet

_DOCKER = "scheduler/drivers/test_docker_create.py"
_MISTAKES = (
    "controlplane/cluster_file/test_mistakes.py::test_a_mistake_is_told_in_these_words"
)
_FIELDS = (
    "scheduler/drivers/test_docker_fields.py::test_every_field_reaches_the_container"
)
_LIVE = "scheduler/drivers/test_docker_fields.py"
_RULES = "controlplane/cluster_file/test_containers.py::test_a_mistake_is_told_in_these_words"
_ORDER = "scheduler/decide/test_containers.py"
_SHAPES = "controlplane/test_ecs_shapes.py"
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
        live(
            "ListTaskDefinitions, DescribeTaskDefinition",
            f"{_SHAPES}::test_a_definition_is_described_as_it_was_registered",
            differs="as /v1/task-definitions",
        ),
        live("networkMode bridge", _CREATED),
        live(
            "networkMode host, none, awsvpc",
            f"{_LIVE}::test_a_task_of_awsvpc_has_one_network_and_one_address",
            differs="awsvpc: an address of the engine's bridge",
        ),
        live(
            "cpu and memory of the task: hard quotas",
            "scheduler/decide/test_specs.py"
            "::test_each_container_gets_its_own_ports_and_its_part_of_the_quota",
        ),
        live(
            "volumes",
            f"{_LIVE}::test_volumes_links_and_a_database_are_shared_in_a_task",
            differs="without EFS, FSx and S3",
        ),
        live(
            "pidMode, ipcMode",
            f"{_LIVE}::test_a_task_of_awsvpc_has_one_network_and_one_address",
        ),
        live(
            "several containers: dependsOn, links, volumesFrom",
            f"{_ORDER}::test_who_starts_next",
        ),
        live("at least one container, one of them essential", _MISTAKES),
        live("memory or memoryReservation, the one more than the other", _MISTAKES),
        live("the sum of the containers' memory within the task's", _RULES),
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
        live("environmentFiles", _FIELDS, differs="files of this machine"),
        live("secrets", _FIELDS, differs="files of this machine"),
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
        live("protocol udp, containerPortRange", _FIELDS),
        live("hostname, dnsServers, dnsSearchDomains, extraHosts", _FIELDS),
        live(
            "disableNetworking",
            "controlplane/cluster_file/test_containers.py::test_a_field_arrives",
        ),
        live("readonlyRootFilesystem, privileged, dockerSecurityOptions", _FIELDS),
        live("user", _CREATED),
        live("mountPoints", _FIELDS),
        live("logConfiguration", _FIELDS, differs="awslogs: kept by the engine"),
        live("dockerLabels", _CREATED),
        live("ulimits, systemControls, linuxParameters", _FIELDS),
        live("healthCheck", f"{_LIVE}::test_a_health_check_is_seen"),
        live("startTimeout", f"{_ORDER}::test_who_waits_in_vain_gives_up"),
        live(
            "stopTimeout: SIGTERM, then SIGKILL",
            "conformance/test_runtime.py"
            "::test_one_that_ignores_sigterm_is_killed_after_the_timeout",
        ),
        live(
            "restartPolicy",
            f"{_ORDER}::test_a_container_that_ended_is_started_again_in_place",
        ),
        live(
            "interactive, pseudoTerminal",
            f"{_LIVE}::test_what_a_terminal_shows_is_read_as_it_is",
        ),
        live(
            "repositoryCredentials",
            "scheduler/drivers/test_secrets.py::test_options_and_credentials_are_read_too",
            differs="a file of this machine",
        ),
        not_yet("resourceRequirements: GPU"),
        absent("firelensConfiguration, credentialSpecs", "needs AWS itself"),
    ),
)

TASKS: Final = Section(
    "Tasks",
    "ECS developer guide, task lifecycle; ECS API reference, Task",
    (
        live(
            "lastStatus from PROVISIONING to STOPPED",
            "scheduler/decide/test_lifecycle.py::test_only_moves_of_the_table_are_made",
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
        live(
            "pullStartedAt, pullStoppedAt, executionStoppedAt",
            f"{_ORDER}::test_times_of_pulls_are_from_the_first_to_the_last",
        ),
        not_yet("connectivityAt"),
        live(
            "startedBy, group",
            "scenarios/test_one_off.py"
            "::test_a_task_is_run_and_not_replaced_when_it_has_ended",
        ),
        not_yet("version"),
        live(
            "healthStatus",
            f"{_SHAPES}::test_the_health_of_a_task_is_its_essential_containers",
        ),
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
        live(
            "RunTask, StopTask",
            "scenarios/test_one_off.py"
            "::test_what_finds_no_place_is_a_failure_with_ecss_reason",
        ),
        live(
            "ExecuteCommand, enableExecuteCommand",
            "live/test_instances.py"
            "::test_a_command_runs_in_a_task_that_was_started_for_it",
            differs="`alb exec TASK -- COMMAND`, through control and the engine; beside a "
            "process it has the task's variables and directory",
        ),
        live(
            "what a task wrote, after it has stopped",
            "live/test_instances.py"
            "::test_what_a_task_wrote_is_read_after_it_is_gone_and_after_a_restart",
            differs="`alb logs TASK`; in ECS the log driver's affair",
        ),
    ),
)

SECTIONS: Final = (DEFINITIONS, CONTAINERS, TASKS)
