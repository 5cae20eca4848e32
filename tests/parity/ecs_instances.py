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
        live(
            "clusterArn, status, counters of instances, tasks and services, tags",
            "controlplane/test_instance_shapes.py"
            "::test_a_cluster_is_described_with_its_counts_and_tags",
            differs="`GET /v1/clusters`; tags are the file's",
        ),
        not_yet("settings, configuration, statistics"),
        not_yet("DeleteCluster refused while it holds anything"),
        live(
            "failures with reason MISSING in place of an error",
            "live/test_instances.py::test_what_is_not_there_is_a_failure_and_no_error",
            differs="of clusters and container instances",
        ),
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
            differs="`ecuPerCore` makes hosts of unlike speed comparable",
        ),
        live(
            "remaining CPU, MEMORY and PORTS",
            "scheduler/decide/test_board.py::test_room_is_what_tasks_leave",
        ),
        live(
            "PORTS and PORTS_UDP are apart",
            "scheduler/decide/test_placement.py::test_udp_and_tcp_ports_are_apart",
        ),
        live(
            "reserved ports 22, 2375, 2376, 51678-51680",
            "scheduler/decide/test_placement.py"
            "::test_a_port_that_ecs_reserves_is_nobodys",
        ),
        live(
            "agentConnected: nothing is placed while it is false",
            "scenarios/test_scheduler_faults.py"
            "::test_a_host_that_is_gone_keeps_its_tasks_and_gets_no_new_ones",
        ),
        live(
            "an instance that is lost: its tasks are replaced elsewhere",
            "scenarios/test_hosts.py"
            "::test_a_host_whose_targets_fail_too_is_lost_at_once",
            differs="after hostLostAfterSeconds, at once if its targets fail too; what "
            "serves on is replaced first",
        ),
        live(
            "an instance that is back runs nothing that was replaced",
            "live/test_three_hosts.py::test_a_host_that_is_cut_off_is_replaced_and_when"
            "_it_is_back_runs_nothing_twice",
        ),
        live(
            "DRAINING: tasks are replaced within the two percents",
            "live/test_three_hosts.py::test_a_host_is_drained_and_takes_tasks_again",
            differs="`alb drain`, `alb activate`, or the file",
        ),
        live(
            "DRAINING: PENDING tasks of services are stopped at once",
            "scenarios/test_hosts.py::test_a_task_that_is_pending_on_a_host_that_drains"
            "_is_stopped_at_once",
        ),
        live(
            "DRAINING: standalone tasks are left to end",
            "scenarios/test_hosts.py"
            "::test_tasks_of_no_service_are_left_to_end_on_a_host_that_drains",
        ),
        live(
            "an instance that is deregistered: its tasks are replaced",
            "scenarios/test_scheduler_faults.py"
            "::test_tasks_leave_an_instance_that_is_not_in_the_file_any_more",
            differs="one that the file does not name any more",
        ),
        live(
            "DescribeContainerInstances: status, agentConnected, resources, counts of "
            "tasks, version, healthStatus, attributes",
            "controlplane/test_instance_shapes.py::test_an_instance_is_described_whole",
            differs="`alb instances`",
        ),
        live(
            "UpdateContainerInstancesState: up to ten, ACTIVE or DRAINING",
            "controlplane/api/test_instances.py"
            "::test_an_instance_drains_and_is_active_again",
        ),
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
