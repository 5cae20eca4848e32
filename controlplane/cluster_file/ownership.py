"""Who owns a value: the file or what runs. A three-way merge; pure.

    last applied, file, live --> merge --> result, and the plan: what changes

A field that the file changed since it was last applied wins. Any other keeps its
live value, and where that differs from the file the plan says so (drift). Lists
are compared by what tells their items apart (a name, a port, a priority), never
by position. With autoScaling a service's desired count is only its first value.

Absent: what a change costs. A changed task definition is one line here, and a
rolling deployment in the scheduler.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Final, NamedTuple, TypeVar

from alb.model import Listener, LoadBalancer, Rule, Target, TargetGroup, WeightedGroup
from autoscaler.decide.promql import PromQuery
from autoscaler.model import (
    Alarm,
    CompositeAlarm,
    MetricQuery,
    Percentile,
    PercentileRank,
    Scrape,
    Trimmed,
)
from autoscaler.policies import (
    FastTrackingPolicy,
    ScalableTarget,
    ScheduledAction,
    StepScalingPolicy,
    TargetTrackingPolicy,
)
from controlplane.cluster_file.model import ClusterFile
from controlplane.cluster_file.spelling import (
    DERIVED,
    field_path,
    plain,
)
from controlplane.weights import Weights, with_weights
from scheduler.definition import ContainerDefinition
from scheduler.instance import ContainerInstanceStatus
from scheduler.model import ContainerInstance, Service, ServiceLoadBalancer


class ChangeKind(enum.Enum):
    ADD = "add"
    REMOVE = "remove"
    CHANGE = "change"
    DRIFT = "drift"
    """The live value differs from the file, which did not change: it stays."""
    KEPT = "kept"
    """The file changed, and the value is autoscaling's: it stays."""


class Change(NamedTuple):
    """One line of a plan. Whole items have neither `before` nor `after`."""

    path: str
    kind: ChangeKind
    before: object = None
    after: object = None

    @property
    def acts(self) -> bool:
        """Whether applying changes anything."""
        return self.kind not in {ChangeKind.DRIFT, ChangeKind.KEPT}


@dataclass(frozen=True, slots=True)
class Merged:
    """What to run, and how that differs from what runs."""

    result: ClusterFile
    changes: tuple[Change, ...]


def merge(
    last: ClusterFile | None, file: ClusterFile, live: ClusterFile | None
) -> Merged:
    """Return what to run. `last` None: nothing was applied; `live` None: nothing runs.

    A task definition's revision is left to the scheduler.
    """
    nothing = ClusterFile(file.cluster, control_address=file.control_address)
    sides = _Sides(
        *(_with_front_door(side or nothing, file) for side in (last, file, live))
    )
    named = tuple(
        frozenset(alarm.name for alarm in side.alarms) if side else frozenset()
        for side in (last, file, live)
    )
    merge_ = _Merge(scaled=file.scaled_services, named=named)
    result = merge_.values(sides, "")
    assert isinstance(result, ClusterFile)
    return Merged(_joined(result, file), tuple(merge_.changes))


def live_of(
    applied: ClusterFile,
    desired_counts: Mapping[str, int],
    weights: Mapping[str, Weights] | None = None,
    actions_enabled: Mapping[str, bool] | None = None,
    statuses: Mapping[str, ContainerInstanceStatus] | None = None,
) -> ClusterFile:
    """Return `applied` as it runs now: with what commands and scaling made of it.

    `actions_enabled` is of alarms, `statuses` of container instances, by name.
    """
    balancer = applied.load_balancer
    if balancer is not None and weights:
        applied = replace(applied, load_balancer=with_weights(balancer, weights))
    services = tuple(
        replace(service, desired_count=desired_counts[service.name])
        for service in applied.services
        if service.name in desired_counts
    )
    instances = tuple(
        replace(one, status=(statuses or {}).get(one.name, one.status))
        for one in applied.instances
    )
    enabled = actions_enabled or {}
    return replace(
        applied,
        services=services,
        instances=instances,
        alarms=tuple(_as_enabled(one, enabled) for one in applied.alarms),
        composite_alarms=tuple(
            _as_enabled(one, enabled) for one in applied.composite_alarms
        ),
    )


_AnyAlarm = TypeVar("_AnyAlarm", Alarm, CompositeAlarm)


def _as_enabled(alarm: _AnyAlarm, enabled: Mapping[str, bool]) -> _AnyAlarm:
    now = enabled.get(alarm.name, alarm.actions.enabled)
    return replace(alarm, actions=replace(alarm.actions, enabled=now))


class _Sides(NamedTuple):
    last: object
    file: object
    live: object


_ABSENT: Final = object()

_WHOLE: Final = frozenset({Percentile, PercentileRank, Trimmed})
"""Dataclasses that a file spells as one text."""

_KEYS: Final[Mapping[type, Callable[[Any], str]]] = {
    Alarm: lambda item: item.name,
    CompositeAlarm: lambda item: item.name,
    MetricQuery: lambda item: item.id,
    ContainerDefinition: lambda item: item.name,
    ContainerInstance: lambda item: item.name,
    Listener: lambda item: str(item.port),
    PromQuery: lambda item: item.name,
    Rule: lambda item: str(item.priority),
    Scrape: lambda item: item.resource,
    FastTrackingPolicy: lambda item: item.name,
    ScalableTarget: lambda item: item.resource,
    ScheduledAction: lambda item: item.name,
    Service: lambda item: item.name,
    ServiceLoadBalancer: lambda item: (
        f"{item.target_group}/{item.container_name}/{item.container_port}"
    ),
    StepScalingPolicy: lambda item: item.name,
    TargetTrackingPolicy: lambda item: item.name,
    Target: lambda item: f"{item.host}:{item.port}",
    TargetGroup: lambda item: item.name,
    WeightedGroup: lambda item: item.target_group,
}


@dataclass(slots=True)
class _Merge:
    """Walks three values at once and writes down what differs."""

    scaled: frozenset[str]
    named: tuple[frozenset[str], ...]
    """The alarms at top level, of each side."""
    changes: list[Change] = field(default_factory=list)

    def values(self, sides: _Sides, path: str) -> object:
        kind = type(sides.file)
        alike = all(type(side) is kind for side in sides)
        if alike and kind is Alarm and not path.startswith("alarms["):
            references = self._references(sides)
            if any(references):
                self._leaf(references, f"{path}Name")
                return sides.file
        if alike and is_dataclass(kind) and kind not in _WHOLE:
            return self._fields(sides, path)
        keyed = [_keyed(side) for side in sides]
        if all(items is not None for items in keyed):
            return self._items(keyed, sides.file, path + "[{}]")
        return self._leaf(sides, path)

    def _fields(self, sides: _Sides, path: str) -> object:
        owner = sides.file
        assert is_dataclass(owner)
        assert not isinstance(owner, type)
        merged: dict[str, object] = {}
        for each in fields(owner):
            name = each.name
            if (type(owner), name) in DERIVED:
                continue
            inner = _Sides(*(getattr(side, name) for side in sides))
            here = field_path(type(owner), name, path)
            if isinstance(owner, Service) and name == "desired_count":
                merged[name] = self._desired_count(owner, inner, here)
            elif isinstance(owner, Service) and name == "task_definition":
                families = _Sides(*(side.family for side in inner))  # type: ignore[attr-defined] # TaskDefinitions
                self._leaf(families, here)
            elif "{}" in here:
                keyed = [_keyed(side) or {} for side in inner]
                merged[name] = self._items(keyed, inner.file, here)
            else:
                merged[name] = self.values(inner, here)
        return replace(owner, **merged)

    def _references(self, sides: _Sides) -> _Sides:
        """Return which alarm at top level a policy names, on each side; or none."""
        found = []
        for alarm, names in zip(sides, self.named, strict=True):
            assert isinstance(alarm, Alarm), "asked by the caller"
            found.append(alarm.name if alarm.name in names else "")
        return _Sides(*found)

    def _desired_count(self, service: Service, sides: _Sides, path: str) -> object:
        if service.name not in self.scaled:
            return self._leaf(sides, path)
        if sides.file not in (sides.last, sides.live):
            change = Change(path, ChangeKind.KEPT, sides.live, sides.file)
            self.changes.append(change)
        return sides.live

    def _items(
        self, keyed: Sequence[dict[str, object] | None], like: object, path: str
    ) -> object:
        last, file, live = (items or {} for items in keyed)
        merged: dict[str, object] = {}
        for key in [*file, *(key for key in live if key not in file)]:
            sides = _Sides(*(side.get(key, _ABSENT) for side in (last, file, live)))
            here = path.format(key)
            if _ABSENT in (sides.file, sides.live):
                value = self._whole(sides, here)
            elif sides.last is _ABSENT:
                value = self.values(sides._replace(last=sides.live), here)
            else:
                value = self.values(sides, here)
            if value is not _ABSENT:
                merged[key] = value
        return merged if isinstance(like, Mapping) else tuple(merged.values())

    def _whole(self, sides: _Sides, path: str) -> object:
        """Decide about an item that the file or what runs does not have."""
        if sides.file == sides.last:  # also: absent from both, made while running
            self.changes.append(Change(path, ChangeKind.DRIFT))
            return sides.live
        if sides.file is _ABSENT:
            self.changes.append(Change(path, ChangeKind.REMOVE))
        else:
            self.changes.append(Change(path, ChangeKind.ADD))
        return sides.file

    def _leaf(self, sides: _Sides, path: str) -> object:
        if sides.file == sides.live:
            return sides.file
        unchanged = sides.file == sides.last
        kind = ChangeKind.DRIFT if unchanged else ChangeKind.CHANGE
        before, after = plain(sides.live, path), plain(sides.file, path)
        self.changes.append(Change(path, kind, before, after))
        return sides.live if unchanged else sides.file


def _keyed(value: object) -> dict[str, object] | None:
    """Return items by what tells them apart; None when nothing does."""
    if isinstance(value, Mapping):
        return dict(value)
    if not isinstance(value, tuple):
        return None
    keyed: dict[str, object] = {}
    for item in value:
        key = _KEYS.get(type(item))
        if key is None:
            return None
        keyed[key(item)] = item
    return keyed if len(keyed) == len(value) else None


def _with_front_door(side: ClusterFile, file: ClusterFile) -> ClusterFile:
    """Return `side` with an empty load balancer where it has none, to compare with."""
    if side.load_balancer is not None:
        return side
    like = file.load_balancer
    empty = (
        LoadBalancer("")
        if like is None
        else replace(like, listeners=(), groups=(), fixed_targets={})
    )
    return replace(side, load_balancer=empty)


def _joined(result: ClusterFile, file: ClusterFile) -> ClusterFile:
    """Give services their merged task definitions, and no front door where none is."""
    definitions = result.task_definitions
    services = tuple(
        replace(
            service,
            task_definition=definitions.get(
                service.task_definition.family, service.task_definition
            ),
        )
        for service in result.services
    )
    balancer = result.load_balancer
    if file.load_balancer is None and balancer and not balancer.listeners:
        balancer = None
    return replace(
        result,
        services=services,
        load_balancer=balancer,
        scalable_targets=_with_alarms(result),
    )


def _with_alarms(result: ClusterFile) -> tuple[ScalableTarget, ...]:
    """Give policies the merged alarms at top level that they name."""
    named = {alarm.name: alarm for alarm in result.alarms}
    return tuple(
        replace(
            target,
            policies=tuple(
                replace(policy, alarm=named.get(policy.alarm.name, policy.alarm))
                if isinstance(policy, StepScalingPolicy)
                else policy
                for policy in target.policies
            ),
        )
        for target in result.scalable_targets
    )
