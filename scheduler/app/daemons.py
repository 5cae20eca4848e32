"""DAEMON services: one task on each instance that takes tasks. Floor 4, synchronous.

Source: ECS developer guide, "Service scheduler concepts" (daemon).
"""

from __future__ import annotations

from dataclasses import replace

from scheduler.app.look import Look
from scheduler.model import ServiceRecord, TaskStatus


def with_count(look: Look, record: ServiceRecord) -> ServiceRecord:
    """Return the record with the count of now, written down if it is another one.

    An instance that is not connected counts as long as the service has a task
    there: nothing can be started on it, and nothing is given up.
    """
    here = _homes(look, record)
    observed = look.observed
    count = sum(
        look.takes_tasks(name) and (observed.is_connected(name) or name in here)
        for name in observed.instances
    )
    if count == record.service.desired_count:
        return record
    service = replace(record.service, desired_count=count)
    counted = replace(record, service=service, version=record.version + 1)
    look.draft.put_service(counted)
    return counted


def free_instances(look: Look, record: ServiceRecord) -> frozenset[str]:
    """Return the instances without a task of the service, even a stopping one."""
    observed, here = look.observed, _homes(look, record)
    return frozenset(
        name
        for name in observed.instances
        if look.takes_tasks(name) and observed.is_connected(name) and name not in here
    )


def _homes(look: Look, record: ServiceRecord) -> set[str]:
    return {
        task.instance
        for task in look.draft.after.tasks_of(record.service.name)
        if task.status is not TaskStatus.STOPPED
    }
