"""Pull an image that an engine does not have, as ECS does. Floor 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from docker import APIClient, auth
from docker.utils import parse_repository_tag

from scheduler.drivers import docker_config as config
from scheduler.drivers.docker_calls import EngineCalls, EngineRefused
from scheduler.drivers.docker_streams import EngineStreams
from scheduler.errors import CannotStart, ImageNotFound

TIMEOUT_S: Final = 600.0


async def pull(
    calls: EngineCalls,
    streams: EngineStreams,
    image: str,
    credentials: Mapping[str, str] | None = None,
) -> None:
    """Pull `image`; without `credentials`, with those of the docker CLI.

    Raises ImageNotFound when its registry does not have it (or will not tell),
    CannotStart when the registry cannot be asked, HostNotReached, OutcomeUnknown.
    """
    repository, tag = parse_repository_tag(image)
    operation = f"pull {image}"
    if credentials is not None:
        headers = _header(auth.encode_header(dict(credentials)))
    else:
        headers = await calls.ask(
            operation, lambda client: _credentials(client, repository)
        )
    parameters = {"fromImage": repository, "tag": tag or "latest"}
    try:
        last = await streams.post(
            operation, "/images/create", parameters, TIMEOUT_S, headers
        )
        problem = config.pull_problem(last)
    except EngineRefused as refused:
        problem = refused.detail
    if problem:
        kind = ImageNotFound if config.NO_IMAGE.search(problem) else CannotStart
        detail = f"CannotPullContainerError: {problem}"
        raise kind(calls.host, operation, detail)


def _credentials(client: APIClient, repository: str) -> Mapping[str, str]:
    registry, _ = auth.resolve_repository_name(repository)
    return _header(auth.get_config_header(client, registry))


def _header(encoded: bytes | None) -> Mapping[str, str]:
    return {"X-Registry-Auth": encoded.decode()} if encoded else {}
