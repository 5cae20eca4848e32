"""What a container needs at its engine before it is created: image, volumes. Floor 3.

Every call may be repeated: a volume that is there is there, an image too.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from docker import APIClient

from scheduler.definition import ContainerDefinition
from scheduler.drivers import docker_create as create
from scheduler.drivers import pause, secrets
from scheduler.drivers.docker_calls import EngineCalls, EngineRefused
from scheduler.drivers.docker_config import CONFLICT, NOT_FOUND, is_id
from scheduler.drivers.docker_machine import Machine
from scheduler.drivers.docker_pull import pull
from scheduler.drivers.docker_streams import EngineStreams
from scheduler.drivers.labels import CLUSTER_UID, TASK_ID
from scheduler.errors import CannotStart, ImageNotFound
from scheduler.model import TaskId
from scheduler.ports import ContainerSpec


async def body_of(
    spec: ContainerSpec, machine: Machine, directory: Path, host: str
) -> dict[str, Any]:
    """Return the body of ContainerCreate, its files read. Raises CannotStart."""

    def read() -> tuple[dict[str, str], dict[str, str]]:
        return (
            secrets.environment_of(spec, directory, host),
            secrets.log_secrets_of(spec, directory, host),
        )

    environment, log_secrets = await asyncio.to_thread(read)
    return create.container_config(
        spec, machine.address, machine.gateway, environment, log_secrets
    )


async def provide_image(
    calls: EngineCalls,
    streams: EngineStreams,
    spec: ContainerSpec,
    machine: Machine,
    directory: Path,
) -> None:
    """Bring an image that the engine does not have. Raises as `pull` does."""
    if not spec.is_pause():
        await pull_image(calls, streams, spec.definition, directory)
        return
    operation = f"import {pause.PAUSE_IMAGE}"
    repository, _, tag = pause.PAUSE_IMAGE.partition(":")
    try:
        content = pause.root_file_system(machine.architecture)
    except pause.NoPause as unknown:
        detail = f"CannotCreateContainerError: no pause container for {unknown}"
        raise CannotStart(calls.host, operation, detail) from unknown

    def bring(client: APIClient) -> None:
        client.import_image_from_data(
            content, repository, tag, changes=['ENTRYPOINT ["/pause"]']
        )

    await calls.tell(operation, bring)


async def pull_image(
    calls: EngineCalls,
    streams: EngineStreams,
    container: ContainerDefinition,
    directory: Path,
) -> None:
    """Pull a container's image; one known by its id alone is in no registry.

    Raises as `pull` does.
    """
    image = container.image
    if is_id(image):
        detail = (
            f"CannotPullContainerError: this engine does not have {image}, which "
            "the image is for this deployment, and no registry knows it; load it "
            "here, or let versionConsistency be disabled"
        )
        raise ImageNotFound(calls.host, f"pull {image}", detail)
    credentials = await asyncio.to_thread(
        secrets.credentials_of, container, directory, calls.host
    )
    await pull(calls, streams, image, credentials)


async def provide_volumes(calls: EngineCalls, spec: ContainerSpec) -> None:
    """Make the volumes that are the task's; look for those that must be there.

    Raises CannotStart, HostNotReached, OutcomeUnknown.
    """
    for body in create.volume_configs(spec):
        operation = f"create volume {body['Name']}"

        def make(client: APIClient, body: dict[str, Any] = body) -> None:
            client.create_volume(
                body["Name"],
                driver=body["Driver"],
                driver_opts=body["DriverOpts"],
                labels=body["Labels"],
            )

        try:
            await calls.tell(operation, make)
        except EngineRefused as refused:
            detail = f"CannotCreateVolumeError: {refused.detail}"
            raise CannotStart(calls.host, operation, detail) from refused
    for name in create.shared_volumes(spec):
        await _require_volume(calls, name)


async def _require_volume(calls: EngineCalls, name: str) -> None:
    operation = f"inspect volume {name}"
    try:
        await calls.ask(operation, lambda client: client.inspect_volume(name))
    except EngineRefused as refused:
        detail = f"CannotCreateVolumeError: {refused.detail}"
        raise CannotStart(calls.host, operation, detail) from refused


async def remove_volumes(calls: EngineCalls, cluster_uid: str, task_id: TaskId) -> None:
    """Remove what volumes a task had. One that is still in use is left."""
    operation = f"remove the volumes of {task_id}"
    labels = [f"{CLUSTER_UID}={cluster_uid}", f"{TASK_ID}={task_id}"]
    found = await calls.ask(
        operation, lambda client: client.volumes(filters={"label": labels})
    )
    for volume in found["Volumes"] or ():

        def remove(client: APIClient, name: str = volume["Name"]) -> None:
            client.remove_volume(name)

        try:
            await calls.tell(operation, remove)
        except EngineRefused as refused:
            if refused.status not in {NOT_FOUND, CONFLICT}:
                raise
