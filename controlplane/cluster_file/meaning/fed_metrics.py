"""Which metrics an alarm may name: those that are measured here, and anyone's own.

Pure. A namespace that is fed here has a fixed list of metrics, each with the sets
of dimensions it is told with; their values are names of this file. Any other
namespace is somebody's own, and what it holds is theirs to say.

Source: ECS and Elastic Load Balancing user guides, CloudWatch metrics; CloudWatch
API reference, PutMetricData (Namespace).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from autoscaler.decide.utilization import NAMESPACE as ECS
from autoscaler.model import Metric
from controlplane import elb_metrics as elb
from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.meaning.balancer import check_unique
from controlplane.cluster_file.record import Findings, Record
from controlplane.ecs_metrics import COUNTS, INSIGHTS, OF_CLUSTERS, OF_SERVICES
from controlplane.problems import did_you_mean

CLUSTER: Final = frozenset({"ClusterName"})
SERVICE: Final = CLUSTER | {"ServiceName"}
BALANCER: Final = frozenset({elb.BALANCER})
GROUP: Final = BALANCER | {elb.GROUP}
PAIR: Final = GROUP | {elb.ALTERNATE}
RESERVED: Final = "AWS/"

Places = tuple[frozenset[str], ...]
"""The sets of dimensions that a metric is told with, the most particular first."""


def _of_elb(name: str) -> Places:
    found: list[frozenset[str]] = [PAIR] if name in elb.BY_PAIR else []
    if name in elb.BY_GROUP:
        found.append(GROUP)
    if name in elb.BY_BALANCER:
        found.append(BALANCER)
    if name in elb.BY_ZONE:
        found.append(GROUP | {elb.ZONE})
    if name in elb.BY_ZONE & elb.BY_BALANCER:
        found.append(BALANCER | {elb.ZONE})
    if name in elb.WITHOUT_BALANCER:
        found += [frozenset({elb.GROUP}), frozenset({elb.GROUP, elb.ZONE})]
    return tuple(found)


FED: Final[Mapping[str, Mapping[str, Places]]] = {
    ECS: {
        name: (SERVICE, CLUSTER) if name in OF_SERVICES else (CLUSTER,)
        for name in OF_CLUSTERS
    },
    INSIGHTS: dict.fromkeys(COUNTS, (SERVICE,)),
    elb.NAMESPACE: {
        name: _of_elb(name) for name in sorted(elb.BY_BALANCER | elb.BY_GROUP)
    },
    elb.OURS: dict.fromkeys(elb.OUR_LEVELS, (PAIR, GROUP)),
}


def metric_of(record: Record, own: Mapping[str, str], findings: Findings) -> Metric:
    """Return the metric that `record` names; `own` are its dimensions if left out.

    Of `own` those are taken that the metric is told with: for an alarm of a
    service its names, and its load balancer's and target group's.
    """
    namespace, name = record.text("namespace"), record.text("metricName")
    places = _places(record, findings)
    if record.absent("dimensions"):
        place = next((one for one in places if one <= own.keys()), frozenset())
        if places and not place:
            usual = next(one for one in places if elb.ALTERNATE not in one)
            absent = sorted(usual - own.keys())
            message = f"dimensions are missing: {' and '.join(absent)} of {name}"
            findings.error(record.node, record.path, message)
        return Metric(namespace, name, tuple((key, own[key]) for key in sorted(place)))
    records = record.records("dimensions")
    check_unique(records, "name", findings)
    found = {item.text("name"): item.text("value") for item in records}
    if places and not any(item.broken for item in records):
        _check_names(record, records, places, findings)
    return Metric(namespace, name, tuple(sorted(found.items())))


def _places(record: Record, findings: Findings) -> Places:
    """Return the metric's sets of dimensions; none where they are anyone's."""
    namespace, name = record.text("namespace"), record.text("metricName")
    metrics = FED.get(namespace)
    if metrics is None:
        if namespace.startswith(RESERVED):
            message = (
                f'nothing feeds namespace "{quoted(namespace)}"; those that are fed '
                f"are {', '.join(FED)}, and any that does not begin with {RESERVED}"
            )
            at, path = record.at("namespace"), record.path_of("namespace")
            findings.error(at, path, message + did_you_mean(namespace, FED))
        return ()
    if record.has("metricName") and name not in metrics:
        hint = did_you_mean(name, metrics)
        message = f'no metric named "{quoted(name)}" in {namespace}{hint}'
        findings.error(record.at("metricName"), record.path_of("metricName"), message)
    return metrics.get(name, ())


def _check_names(
    record: Record, records: Collection[Record], places: Places, findings: Findings
) -> None:
    written = frozenset(item.text("name") for item in records)
    if written in places:
        return
    known = frozenset().union(*places)
    if unknown := [item for item in records if item.text("name") not in known]:
        for item in unknown:
            name = item.text("name")
            hint = did_you_mean(name, known)
            message = f'no dimension named "{quoted(name)}"{hint}'
            findings.error(item.at("name"), item.path_of("name"), message)
        return
    nearest = min(places, key=lambda place: len(place ^ written))
    at, path = record.at("dimensions"), record.path_of("dimensions")
    if absent := sorted(nearest - written):
        verb = "is" if len(absent) == 1 else "are"
        findings.error(at, path, f"{' and '.join(absent)} {verb} missing")
    else:
        listed = ", or ".join(" and ".join(sorted(place)) for place in places)
        message = f"{record.text('metricName')} is told by {listed}"
        findings.error(at, path, message)


_UNKNOWN: Final = {
    "ServiceName": "no service named",
    elb.GROUP: "no target group named",
    elb.ALTERNATE: "no target group named",
    elb.ZONE: "no container instance in zone",
}


def check_dimensions(
    record: Record, known: Mapping[str, Collection[str]], findings: Findings
) -> None:
    """Tell of values of `record`'s dimensions that name nothing in this file."""
    if record.text("namespace") not in FED:
        return
    for item in record.records("dimensions"):
        name, value = item.text("name"), item.text("value")
        if name not in known or not item.has("value") or value in known[name]:
            continue
        if name in _UNKNOWN:
            hint = did_you_mean(value, known[name])
            message = f'{_UNKNOWN[name]} "{quoted(value)}"{hint}'
        else:
            what = "cluster" if name == "ClusterName" else "load balancer"
            there = "".join(known[name])
            message = f'this {what} is "{there}" (got {quoted(value)})'
            message = message if there else "this file has no load balancer"
        findings.error(item.at("value"), item.path_of("value"), message)
