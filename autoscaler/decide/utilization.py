"""CPU and memory utilization as ECS defines them.

Floor 1: pure. A service's is used over reserved and may exceed 100, because a
container's `cpu` is a share; a cluster's is used over registered.

Source: Amazon ECS developer guide, "CloudWatch metrics" (utilization).
"""

from __future__ import annotations

from autoscaler.model import Metric

NAMESPACE = "AWS/ECS"


def ecs_metric(
    name: str, cluster: str, service: str | None = None, namespace: str = NAMESPACE
) -> Metric:
    """Return the identity of a service's metric, or of the cluster's."""
    dimensions = [("ClusterName", cluster)]
    if service is not None:
        dimensions.append(("ServiceName", service))
    return Metric(namespace, name, tuple(dimensions))


def cpu_metric(cluster: str, service: str | None = None) -> Metric:
    """Return the identity of a service's CPUUtilization, or of the cluster's."""
    return ecs_metric("CPUUtilization", cluster, service)


def utilization(used: float, reserved: float) -> float | None:
    """Return percent of `reserved`, in the same unit; None if nothing is reserved.

    Without a reservation there is no datapoint: a share of nothing means nothing.
    """
    return 100.0 * used / reserved if reserved > 0 else None
