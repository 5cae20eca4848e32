"""What Compose services need of each other. Pure.

Services start side by side here, and get requests once they are healthy. One that
another needs *completed* is a job, though: it becomes a container of that other's
task, which starts when it has ended well.

Source: Compose specification, "depends_on"; ECS API reference, ContainerDependency.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from controlplane.imports.compose.reading import Reading
from controlplane.imports.given import Fields, Key, Named, Text
from controlplane.imports.section import Section

COMPLETED: Final = "service_completed_successfully"

_SIDE_BY_SIDE: Final = (
    "services start side by side; a task gets requests once it is healthy"
)


def take_jobs(reading: Reading) -> dict[str, Key]:
    """Take ``depends_on``; return the jobs among it, and tell of the others."""
    value = reading.fields.peek("depends_on")
    jobs: dict[str, Key] = {}
    if not isinstance(value, Named):
        for text in reading.fields.texts("depends_on"):
            reading.losses.add(text, _SIDE_BY_SIDE)
        return jobs
    reading.fields.take("depends_on")
    for key in value.entries:
        fields = Fields(key.value, reading.losses)
        condition = fields.text("condition")
        fields.lose("restart", "a task whose job changed is a new one")
        fields.take("required")
        fields.rest({}, "is not known in depends_on")
        if condition and condition.text == COMPLETED:
            jobs[key.name] = key
        else:
            reading.losses.add(key, _SIDE_BY_SIDE)
    return jobs


def join_jobs(
    readings: Mapping[str, Reading], jobs: Mapping[str, Mapping[str, Key]]
) -> set[str]:
    """Put jobs into the tasks that need them; return which services are only that."""
    joined: set[str] = set()
    for name, needed in jobs.items():
        for job, key in needed.items():
            if job == name or job not in readings or jobs.get(job):
                why = "only a service that needs no other one's end can be a job"
                readings[name].losses.add(key, why)
                continue
            _join(readings[name], readings[job], key)
            joined.add(job)
    return joined


def _join(reading: Reading, job: Reading, key: Key) -> None:
    container = Section(job.container.origin, **job.container)
    container.places.update(job.container.places)
    container["essential"] = False
    container.pop("portMappings", None)
    containers = reading.task.list_of("containerDefinitions")
    containers.insert(len(containers) - 1, container)
    need = Section(key, containerName=container["name"], condition="SUCCESS")
    reading.container.add("dependsOn", need, key)
    known = {str(volume["name"]) for volume in reading.task.sections("volumes")}
    for volume in job.task.sections("volumes"):
        if str(volume["name"]) not in known:
            reading.task.add("volumes", volume, volume.origin)
    reading.losses.extend(loss for loss in job.losses if loss not in reading.losses)


def tell_of_names(reading: Reading, others: Iterable[str], value: object) -> None:
    """Tell where a service's environment names another service as a host."""
    names = "|".join(sorted(map(re.escape, others), key=len, reverse=True))
    if not names:
        return
    expression = re.compile(rf"(?:^|//|@|,)({names})(?=[:/,]|$)")
    for key in value.entries if isinstance(value, Named) else ():
        if isinstance(key.value, Text) and (found := expression.search(key.value.text)):
            why = (
                f"{found[1]} is a service: names are not resolved here; "
                "ALB_URL leads to the load balancer, host.docker.internal to the host"
            )
            reading.losses.add(key, why)
