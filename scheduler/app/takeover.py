"""Deployments that take over, in a look: who is kept, what is shifted. Floor 4.

    records --> Fleet, one for each deployment that is kept whole
    tasks, weights as served --> decide.takeover.advance --> draft
    records, weights as told --> Weigh actions

Synchronous: what it decides goes into the look's draft.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from scheduler.app.deployments import Fitnesses, fail
from scheduler.app.gates import ask, gate_of
from scheduler.app.look import Look
from scheduler.decide import takeover, wishes, wording
from scheduler.decide.actions import Weigh
from scheduler.decide.fitness import Fitness
from scheduler.decide.rollout import limits
from scheduler.decide.takeover import Sight, Traffic
from scheduler.model import Deployment, RolloutState, ServiceRecord, Task


@dataclass(frozen=True, slots=True)
class Fleet:
    """Tasks that one budget is spent on: all of a service, or one deployment's."""

    record: ServiceRecord
    """The service's, with the deployment that new tasks of the fleet are of."""
    desired: int
    tasks: Sequence[Task]


def fleets(
    look: Look, record: ServiceRecord, desired: int, live: Sequence[Task]
) -> Iterator[Fleet]:
    """Yield what is planned apart: each side, where a service has two.

    Those whose tasks requests are sent to are kept whole, and the PRIMARY one once it
    may start; what runs in their groups beside them is replaced by them. What the
    other side has left, which gets no requests, goes at once.
    """
    kept = _kept(look, record) if desired and record.production else []
    if not kept:
        yield Fleet(record, desired, live)
        return
    sides: dict[str, list[Task]] = {one.id: [] for one in kept}
    rest: list[Task] = []
    for task in live:
        side = _side(task, kept, record)
        (sides[side] if side else rest).append(task)
    for deployment_id, tasks in sides.items():
        yield Fleet(replace(record, deployment_id=deployment_id), desired, tasks)
    if rest:
        yield Fleet(record, 0, rest)


def _kept(look: Look, record: ServiceRecord) -> list[Deployment]:
    known = look.draft.after.deployments
    return takeover.kept(known[record.deployment_id], record.production, known)


def _side(task: Task, kept: Sequence[Deployment], record: ServiceRecord) -> str:
    """Return the deployment in whose fleet the task is; empty: in nobody's."""
    if any(task.deployment_id == one.id for one in kept):
        return task.deployment_id
    groups = [item.target_group for item in task.load_balancers]
    for one in kept:
        if takeover.groups_of(one) == groups:
            return one.id
    ours = takeover.groups_in(record.service)
    return "" if groups and ours.issuperset(groups) else kept[-1].id


def with_traffic(look: Look, record: ServiceRecord) -> ServiceRecord:
    """Return the record that says whom requests reach; write down a changed one."""
    known = wishes.with_traffic(record)
    if known is not record:
        look.draft.put_service(known)
    return known


def advance(look: Look, record: ServiceRecord, fitness: Fitnesses) -> ServiceRecord:
    """Take a deployment that takes over one move further; return the record."""
    deployment = look.draft.after.deployments[record.deployment_id]
    if deployment.takeover is None or not takeover.is_under_way(deployment):
        return record
    failed = deployment.rollout_state is RolloutState.FAILED
    if failed and not deployment.takeover.returns:
        return record  # else: should its tasks serve again, they are the better ones
    config = record.service.deployment
    traffic = Traffic(record.production, record.test_id)
    sight = _sight(look, record, deployment.takeover.source_id, fitness)
    moved = takeover.advance(deployment, config, traffic, sight)
    gate = gate_of(deployment, traffic, moved)
    if gate is not None:
        runs, said = ask(look, record, deployment, gate)
        if said.failed:
            why = wording.hook_failed(said.failed)
            return fail(look, record, deployment, why, rolls_back=True)
        if not said.passed:
            waits = takeover.noted(deployment.takeover, sight)
            moved = replace(moved, takeover=replace(waits, hooks=runs), traffic=traffic)
        elif moved.takeover.hooks:
            moved = replace(moved, takeover=replace(moved.takeover, hooks=()))
    look.wake_at(moved.wake_at_unix_s)
    return _put(look, record, deployment, moved)


def _put(
    look: Look, record: ServiceRecord, deployment: Deployment, moved: takeover.Advance
) -> ServiceRecord:
    """Write down what has changed; return the record."""
    if moved.takeover != deployment.takeover:
        now = look.now_unix_s
        changed = replace(deployment, takeover=moved.takeover, updated_at_unix_s=now)
        look.draft.put_deployment(changed)
    to, test_id = moved.traffic.production, moved.traffic.test_id
    if (to, test_id) == (record.production, record.test_id):
        return record
    record = replace(record, production=to, test_id=test_id)
    look.draft.put_service(record)
    return record


def _sight(
    look: Look, record: ServiceRecord, source_id: str, fitness: Fitnesses
) -> Sight:
    desired = record.service.desired_count
    lower, _ = limits(desired, record.service.deployment)
    needed = min(desired, max(lower, 1))
    groups = {*takeover.groups_of(look.draft.after.deployments[record.deployment_id])}
    live = [
        task for task in look.draft.after.tasks_of(record.service.name) if task.is_live
    ]

    def healthy(deployment_id: str) -> int:
        return sum(
            fitness.get(task.id) is Fitness.HEALTHY
            for task in live
            if task.deployment_id == deployment_id
        )

    return Sight(
        now_unix_s=look.now_unix_s,
        whole=healthy(record.deployment_id) >= desired,
        serves=healthy(record.deployment_id) >= needed,
        alone=all(
            task.deployment_id in {record.deployment_id, source_id}
            or not groups.intersection(
                item.target_group for item in task.load_balancers
            )
            for task in live
        ),
        served=_is_served(look, record),
    )


def _is_served(look: Look, record: ServiceRecord) -> bool:
    wanted = _weights(look, record)
    seen = look.observed.weights
    return all(
        place in seen
        and seen[place].served_everywhere
        and dict(seen[place].weights) == dict(weights)
        for place, weights in wanted.items()
    )


def _weights(look: Look, record: ServiceRecord) -> dict[str, takeover.Weights]:
    if not record.production:
        return {}
    traffic = Traffic(record.production, record.test_id)
    known = look.draft.after.deployments
    return takeover.weights_of(record.service, traffic, known)


def weigh(look: Look) -> Iterator[Weigh]:
    """Yield what the load balancer is to be told: it follows from the records."""
    wanted: dict[str, takeover.Weights] = {}
    for record in look.draft.after.services.values():
        wanted.update(_weights(look, record))
    seen = look.observed.weights
    for place, weights in wanted.items():
        if place not in seen or dict(seen[place].weights) != dict(weights):
            yield Weigh(place, tuple(weights.items()))
    for place in seen.keys() - wanted.keys():
        yield Weigh(place, ())
