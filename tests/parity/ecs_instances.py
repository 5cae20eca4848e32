"""ECS: clusters and container instances, row by row."""

from __future__ import annotations

from typing import Final

from tests.parity.rows import Section, absent, live, not_yet

CLUSTERS: Final = Section(
    "Clusters",
    "ECS API reference, Cluster",
    (
        live(
            "clusterName",
            "controlplane/cluster_file/test_mistakes.py"
            "::test_a_mistake_is_told_in_these_words",
        ),
        not_yet("clusterArn, status, counters of tasks and instances"),
        not_yet("settings, configuration, tags"),
        not_yet("DeleteCluster refused while it holds anything"),
        not_yet("failures with reason MISSING in place of an error"),
    ),
)

INSTANCES: Final = Section(
    "Container instances",
    "ECS API reference, ContainerInstance, Resource, Attribute",
    (
        live(
            "registered CPU and MEMORY, all of the host or as configured",
            "scheduler/decide/test_board.py"
            "::test_room_may_be_configured_and_the_unseen_is_not_connected",
        ),
        live(
            "remaining CPU, MEMORY and PORTS",
            "scheduler/decide/test_board.py::test_room_is_what_tasks_leave",
        ),
        live(
            "PORTS and PORTS_UDP are apart",
            "scheduler/decide/test_placement.py::test_udp_and_tcp_ports_are_apart",
        ),
        not_yet("reserved ports 22, 2375, 2376, 51678-51680"),
        live(
            "agentConnected: nothing is placed while it is false",
            "scenarios/test_scheduler_faults.py"
            "::test_a_host_that_is_gone_keeps_its_tasks_and_gets_no_new_ones",
        ),
        not_yet("an instance that is lost: its tasks are replaced elsewhere"),
        not_yet("DRAINING: tasks are replaced within the two percents"),
        live(
            "an instance that is deregistered: its tasks are replaced",
            "scenarios/test_scheduler_faults.py"
            "::test_tasks_leave_an_instance_that_is_not_in_the_file_any_more",
            differs="one that the file does not name any more",
        ),
        not_yet("runningTasksCount, pendingTasksCount, version, healthStatus"),
        live(
            "custom attributes",
            "controlplane/cluster_file/test_load.py"
            "::test_instances_have_a_runtime_and_a_range_of_ports",
            differs="written in the file, not put by PutAttributes",
        ),
        live(
            "ecs.os-type, ecs.os-family, ecs.cpu-architecture",
            "conformance/test_runtime.py::test_the_host_tells_what_it_has",
            differs="the file's attributes stand over them",
        ),
        live(
            "ecs.availability-zone, ecs.instance-type",
            "scheduler/decide/test_board.py"
            "::test_the_files_attributes_stand_over_the_hosts_own",
            differs="as the file says: no cloud is asked",
        ),
        absent("ecs.ami-id, ecs.vpc-id, ecs.subnet-id", "needs AWS itself"),
        live(
            "engines by TCP with TLS, and by SSH",
            "conformance/test_every_runtime.py"
            "::test_one_start_or_many_make_one_container",
            differs="ECS's agent connects; here the engine is connected to",
        ),
    ),
)

CAPACITY: Final = Section(
    "Capacity providers",
    "ECS developer guide, capacity providers and cluster auto scaling",
    (
        not_yet("capacityProviderStrategy: base, then weights"),
        not_yet("CapacityProviderReservation and its target tracking"),
        not_yet("step limits, instanceWarmupPeriod"),
        not_yet("managedTerminationProtection, managedDraining"),
        absent("Fargate and Fargate Spot", "needs AWS itself"),
    ),
)

SECTIONS: Final = (CLUSTERS, INSTANCES, CAPACITY)
