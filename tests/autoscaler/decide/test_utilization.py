"""CPU utilization, as ECS defines it."""

from autoscaler.decide.utilization import cpu_metric, utilization
from autoscaler.model import Metric


def test_a_share_may_be_exceeded() -> None:
    assert utilization(used=2048, reserved=512) == 400.0


def test_without_a_reservation_there_is_no_datapoint() -> None:
    assert utilization(used=100, reserved=0) is None


def test_dimensions_name_the_cluster_and_the_service() -> None:
    cluster = (("ClusterName", "demo"),)

    assert Metric("AWS/ECS", "CPUUtilization", cluster) == cpu_metric("demo")
    assert cpu_metric("demo", "web").dimensions == (*cluster, ("ServiceName", "web"))
