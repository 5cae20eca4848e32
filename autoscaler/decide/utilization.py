"""CPU utilization as ECS defines it.

Floor 1: pure. A service's is used over reserved and may exceed 100, because a
container's `cpu` is a share; a cluster's is used over registered.

Source: Amazon ECS developer guide, "CloudWatch metrics" (utilization).
"""

from __future__ import annotations

from autoscaler.model import Metric

NAMESPACE = "AWS/ECS"


def cpu_metric(cluster: str, service: str | None = None) -> Metric:
    """Return the identity of a service's CPUUtilization, or of the cluster's."""
    dimensions = [("ClusterName", cluster)]
    if service is not None:
        dimensions.append(("ServiceName", service))
    return Metric(NAMESPACE, "CPUUtilization", tuple(dimensions))


def utilization(used_units: float, reserved_units: float) -> float | None:
    """Return percent of `reserved_units` (1024 = one CPU); None if nothing is reserved.

    Without a reservation there is no datapoint: a share of nothing means nothing.
    """
    return 100.0 * used_units / reserved_units if reserved_units > 0 else None
