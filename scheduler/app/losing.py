"""Hosts that do not answer, in a look: lost, and back again. Floor 4, synchronous.

What a lost host has leaves the counts by a tombstone: a task that is on its way to
STOPPED, written down until its containers have been seen to end. Tasks whose targets
still serve are first replaced, like those of a host that is drained.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from scheduler.app.look import Look
from scheduler.decide import lifecycle, wording
from scheduler.decide.identity import target_ids
from scheduler.decide.losses import Silence, Views, serves_on, why_lost
from scheduler.instance import InstanceRecord
from scheduler.model import InstanceStatus, StopCode, Task, TaskStatus


def watch_hosts(look: Look) -> None:
    """Declare hosts lost, bury what they had, and take them back."""
    for name, status in look.observed.statuses.items():
        record = look.draft.after.instances.get(name)
        if record is None or name not in look.observed.instances:
            continue
        if record.lost_at_unix_s is None:
            if not status.connected and (why := _why_lost(look, name, status)):
                _lose(look, record, why)
                _bury(look, name)
        elif not status.connected:
            _bury(look, name)
        elif not _haunted(look, record):
            _change(look, replace(record, lost_at_unix_s=None))
    _forget_the_departed(look)


def _why_lost(look: Look, name: str, status: InstanceStatus) -> str | None:
    others = look.draft.after.instances.keys() - {name}
    since = status.silent_since_unix_s
    if since is None or not any(_answers(look, other) for other in others):
        return None
    after_s = look.observed.lost_after_s
    look.wake_at(since + after_s)
    here = _running(look.draft.after.tasks_on(name))
    services = {task.service for task in here if task.service}
    peers = [
        task
        for service in services
        for task in _running(look.draft.after.tasks_of(service))
        if task.instance != name and look.observed.is_connected(task.instance)
    ]
    silence = Silence(
        since,
        [view for task in here for view in _views(look, task)],
        [view for task in peers for view in _views(look, task)],
    )
    return why_lost(silence, after_s, look.now_unix_s)


def _answers(look: Look, name: str) -> bool:
    return look.takes_tasks(name) and look.observed.is_connected(name)


def _running(tasks: Iterable[Task]) -> list[Task]:
    return [task for task in tasks if task.status is TaskStatus.RUNNING]


def _views(look: Look, task: Task) -> Views:
    return [look.observed.targets.get(name) for name in target_ids(task)]


def _lose(look: Look, record: InstanceRecord, why: str) -> None:
    _change(look, replace(record, lost_at_unix_s=look.now_unix_s))
    tasks = [task for task in look.draft.after.tasks_on(record.name) if task.is_live]
    for service in sorted({task.service for task in tasks if task.service}):
        count = sum(task.service == service for task in tasks)
        look.tell(service, wording.host_lost(service, record.name, count, why))


def _change(look: Look, record: InstanceRecord) -> None:
    look.draft.put_instance(replace(record, version=record.version + 1))


def _bury(look: Look, name: str) -> None:
    """Stop what does not serve any more, as far as that can be done from here."""
    for task in look.draft.after.tasks_on(name):
        if task.is_live and not serves_on(task, _views(look, task)):
            code, reason = StopCode.INFRASTRUCTURE_HEALTH, wording.on_lost_host(name)
            stopped = lifecycle.stop(task, code, reason, look.now_unix_s)
            look.draft.put_task(stopped)


def _haunted(look: Look, record: InstanceRecord) -> bool:
    """Tell whether something that was replaced may still run there."""
    assert record.lost_at_unix_s is not None, "asked of lost hosts only"
    return any(
        task.status is not TaskStatus.STOPPED
        and (task.stopping_at_unix_s or 0.0) >= record.lost_at_unix_s
        for task in look.draft.after.tasks_on(record.name)
    )


def _forget_the_departed(look: Look) -> None:
    """End the tombstones of hosts that the file does not name any more.

    Should one be named again, what runs there is a stray to be stopped.
    """
    after = look.draft.after
    for name in after.instances_of_tasks() - after.instances.keys():
        for task in after.tasks_on(name):
            ending = task.status in {TaskStatus.STOPPING, TaskStatus.DEPROVISIONING}
            if task.is_tombstone and ending and not look.observed.is_connected(name):
                ended = lifecycle.move(task, TaskStatus.STOPPED, look.now_unix_s)
                look.draft.put_task(ended)
