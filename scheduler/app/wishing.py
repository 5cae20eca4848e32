"""Write down what is wished: services, and the instances they may use. Floor 4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from scheduler.decide import wishes
from scheduler.decide.revisions import registered
from scheduler.model import ContainerInstance, InstanceRecord, Service
from scheduler.state.records import Draft


def register(
    draft: Draft, named: Mapping[str, ContainerInstance], now_unix_s: float
) -> None:
    """Write down since when each instance is part of the cluster."""
    known = dict(draft.after.instances)
    for name in sorted(named.keys() - known.keys()):
        draft.put_instance(InstanceRecord(name, now_unix_s))
    for name in sorted(known.keys() - named.keys()):
        draft.drop_instance(known[name])


def wish(draft: Draft, service: Service, new_id: str, now_unix_s: float) -> None:
    """Write down a service; `new_id` is a deployment's, if it needs one."""
    known = draft.after.definitions.values()
    definition = registered(service.task_definition, known)
    draft.put_definition(definition)
    wished = replace(service, task_definition=definition)
    before = draft.after.services.get(service.name)
    made = wishes.wish_service(wished, before, new_id, now_unix_s)
    if made.record != before:
        put(draft, made)
    for task in draft.after.tasks_of(service.name):
        later = wishes.with_delays(task, service)
        if task.is_live and later != task:
            draft.put_task(later)


def put(draft: Draft, wish: wishes.Wish) -> None:
    if wish.deployment is not None:
        draft.put_deployment(wish.deployment)
    draft.put_service(wish.record)
