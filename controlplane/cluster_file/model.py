"""What a cluster file says, in the types of the packages it is for. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from alb.model import LoadBalancer
from autoscaler.decide.promql import PromQuery
from autoscaler.model import Alarm, CompositeAlarm, Scrape
from autoscaler.policies import ScalableTarget
from controlplane.problems import Problem
from scheduler.instance import LOST_AFTER_S
from scheduler.model import ContainerInstance, Service, TaskDefinition

CONTROL_ADDRESS = ("127.0.0.1", 4566)


@dataclass(frozen=True, slots=True)
class ClusterFile:
    """The desired state of one cluster, checked and complete with defaults."""

    cluster: str
    load_balancer: LoadBalancer | None = None
    """None: the file has no listeners, target groups or load balancer."""
    instances: tuple[ContainerInstance, ...] = ()
    """Empty: control chooses the default engine, else local processes."""
    task_definitions: Mapping[str, TaskDefinition] = field(default_factory=dict)
    """By family; revisions are the scheduler's to give."""
    services: tuple[Service, ...] = ()
    scalable_targets: tuple[ScalableTarget, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    """Those at top level; policies have theirs besides."""
    composite_alarms: tuple[CompositeAlarm, ...] = ()
    scrapes: tuple[Scrape, ...] = ()
    prometheus_queries: tuple[PromQuery, ...] = ()
    strict_aws_limits: bool = False
    allow_privileged: bool = False
    allow_host_paths: bool = False
    control_address: tuple[str, int] = CONTROL_ADDRESS
    host_lost_after_s: float = LOST_AFTER_S
    tags: Mapping[str, str] = field(default_factory=dict)
    """Of the cluster."""
    warnings: tuple[Problem, ...] = field(default=(), compare=False)

    @property
    def sources(self) -> tuple[Scrape | PromQuery, ...]:
        """Where metrics are fetched from."""
        return (*self.scrapes, *self.prometheus_queries)

    @property
    def scaled_services(self) -> frozenset[str]:
        """Services whose desired count is not the file's after the first time.

        Autoscaling owns it, or it follows from the instances (DAEMON).
        """
        daemons = (one.name for one in self.services if one.is_daemon)
        scaled = (target.resource for target in self.scalable_targets)
        return frozenset((*daemons, *scaled))
