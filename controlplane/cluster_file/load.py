"""Load a cluster file: text in, checked values out, or every problem at once. Pure.

text -> source.read -> decode -> meaning -> ClusterFile
             \\____________\\_________\\___-> problems -> ConfigInvalid
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from alb.model import LoadBalancer
from autoscaler.model import CompositeAlarm
from autoscaler.policies import ScalableTarget
from controlplane.cluster_file.decode import decode
from controlplane.cluster_file.fields import CLUSTER_FILE
from controlplane.cluster_file.meaning.actions import PORT_MAX
from controlplane.cluster_file.meaning.alarms import (
    Around,
    check_actions,
    check_alarms,
    named_alarms,
)
from controlplane.cluster_file.meaning.balancer import (
    check_unique,
    load_balancer,
    warn_unused_groups,
)
from controlplane.cluster_file.meaning.composites import composite_alarms
from controlplane.cluster_file.meaning.deployments import check_deployment_alarms
from controlplane.cluster_file.meaning.hooks import check_commands
from controlplane.cluster_file.meaning.meetings import (
    warn_shared_ports,
    warn_unreachable,
)
from controlplane.cluster_file.meaning.scaling import scalable_target
from controlplane.cluster_file.meaning.services import service
from controlplane.cluster_file.meaning.sources import prometheus_queries, scrape_of
from controlplane.cluster_file.meaning.surroundings import Surroundings
from controlplane.cluster_file.meaning.takeovers import check_pairs
from controlplane.cluster_file.meaning.tasks import (
    Hosting,
    instances,
    runtimes_of,
    task_definitions,
)
from controlplane.cluster_file.meaning.together import Allowed
from controlplane.cluster_file.model import ClusterFile
from controlplane.cluster_file.record import Findings, Record
from controlplane.cluster_file.source import Entries, Scalar, read
from controlplane.problems import ConfigInvalid, Severity
from scheduler.model import ContainerInstance, Service

if TYPE_CHECKING:
    from controlplane.tls.disk import Disk


def load(
    file: str, text: str, variables: Mapping[str, str], disk: Disk | None = None
) -> ClusterFile:
    """Return what `text` says, with its warnings; `file` is how messages name it.

    With a `disk` the files that it names are looked at too.

    Raises ConfigInvalid with every problem of the file, sorted by place. Where
    the YAML itself cannot be read there is one.
    """
    node = read(file, text, variables)
    findings = Findings(strict=_is_strict(node), disk=disk)
    root = decode(node, CLUSTER_FILE, findings)
    result = _cluster_file(root, findings)
    if errors := findings.sorted(Severity.ERROR):
        raise ConfigInvalid(file, errors)
    return result


def _is_strict(node: Entries) -> bool:
    """Whether ``strictAwsLimits`` is on; asked before anything is decoded."""
    return any(
        isinstance(entry.value, Scalar) and entry.value.text.lower() == "true"
        for entry in node.entries
        if entry.key == "strictAwsLimits"
    )


def _cluster_file(root: Record, findings: Findings) -> ClusterFile:
    balancer = load_balancer(root, findings)
    hosts = instances(root, findings)
    allowed = Allowed(root.flag("allowPrivileged"), root.flag("allowHostPaths"))
    hosting = Hosting(runtimes_of(hosts), allowed)
    definitions = task_definitions(root, hosting, findings)
    groups = balancer.groups if balancer else ()
    delays_s = {group.name: group.deregistration_delay_s for group in groups}
    around = Surroundings(definitions, delays_s, hosts, balancer)
    names = _names(root, balancer, hosts)
    alarms = named_alarms(root, names, findings)
    watching = Around(
        names,
        {alarm.name: alarm for alarm in alarms},
        frozenset(one.text("alarmName") for one in root.records("compositeAlarms")),
    )
    services, targets = _services(root, around, watching, findings)
    composites = _composites(root, watching, targets, findings)
    scrapes = tuple(
        scrape
        for record, wanted in zip(root.records("services"), services, strict=True)
        if (scrape := scrape_of(record, wanted, findings))
    )
    check_commands(root.records("services"), allowed, findings)
    check_actions(root, allowed, findings)
    address = _control_address(root, findings)
    if balancer and not findings.sorted(Severity.ERROR):
        needed = {
            item.text("targetGroup"): item
            for record in root.records("services")
            for item in record.records("loadBalancers")
        }
        warn_unused_groups(root, balancer, needed, findings)
        warn_unreachable(root, balancer, services, findings)
        warn_shared_ports(root, balancer, hosts, services, findings)
    return ClusterFile(
        cluster=root.text("cluster"),
        load_balancer=balancer,
        instances=hosts,
        task_definitions=definitions,
        services=services,
        scalable_targets=targets,
        alarms=alarms,
        composite_alarms=composites,
        scrapes=scrapes,
        prometheus_queries=prometheus_queries(root, findings),
        strict_aws_limits=root.flag("strictAwsLimits"),
        allow_privileged=root.flag("allowPrivileged"),
        allow_host_paths=root.flag("allowHostPaths"),
        control_address=address,
        host_lost_after_s=float(root.whole("hostLostAfterSeconds")),
        tags=_tags(root, findings),
        warnings=tuple(findings.sorted(Severity.WARNING)),
    )


def _names(
    root: Record, balancer: LoadBalancer | None, hosts: Sequence[ContainerInstance]
) -> Mapping[str, Sequence[str]]:
    """Return what dimensions may be about here, by dimension."""
    groups = [group.name for group in balancer.groups] if balancer else []
    return {
        "ClusterName": [root.text("cluster")],
        "ServiceName": [one.text("serviceName") for one in root.records("services")],
        "LoadBalancer": [balancer.name] if balancer else [],
        "TargetGroup": groups,
        "AlternateTargetGroup": groups,
        "AvailabilityZone": sorted({host.zone for host in hosts if host.zone}),
    }


def _tags(root: Record, findings: Findings) -> dict[str, str]:
    records = root.records("tags")
    check_unique(records, "key", findings)
    return {one.text("key"): one.text("value") for one in records}


def _services(
    root: Record,
    around: Surroundings,
    watching: Around,
    findings: Findings,
) -> tuple[tuple[Service, ...], tuple[ScalableTarget, ...]]:
    records = root.records("services")
    check_unique(records, "serviceName", findings)
    services: list[Service] = []
    targets: list[ScalableTarget] = []
    for record in records:
        wanted = service(record, around, findings)
        services.append(wanted)
        if target := scalable_target(record, wanted, watching, findings):
            targets.append(target)
    check_pairs(records, services, findings)
    return tuple(services), tuple(targets)


def _composites(
    root: Record,
    watching: Around,
    targets: tuple[ScalableTarget, ...],
    findings: Findings,
) -> tuple[CompositeAlarm, ...]:
    """Return the composite alarms; check what refers to alarms of any kind."""
    check_alarms(root, watching, findings)
    names = [*watching.alarms, *(alarm.name for one in targets for alarm in one.alarms)]
    composites = composite_alarms(root, names, findings)
    known = [*names, *(alarm.name for alarm in composites)]
    check_deployment_alarms(root.records("services"), known, findings)
    return composites


def _control_address(root: Record, findings: Findings) -> tuple[str, int]:
    record = root.record("control")
    host, _, port = record.text("address").rpartition(":")
    if not 1 <= int(port) <= PORT_MAX:
        message = f"{port} is not a port (1-{PORT_MAX})"
        findings.error(record.at("address"), record.path_of("address"), message)
    return host.strip("[]"), int(port)
