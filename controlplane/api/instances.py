"""The cluster and its container instances over the API, in ECS's shapes.

GET  /v1/clusters[?cluster=NAME…]
GET  /v1/container-instances[?containerInstance=NAME…][&status=DRAINING]
POST /v1/container-instances/state    {containerInstances, status}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import web

from controlplane.api import body
from controlplane.api.ports import Instances
from controlplane.errors import InvalidParameter
from scheduler.instance import ContainerInstanceStatus

INSTANCES = web.AppKey("instances", Instances)
UPDATE_MAX: Final = 10
"""Instances in one UpdateContainerInstancesState, as in ECS."""


def add_routes(app: web.Application, instances: Instances) -> None:
    app[INSTANCES] = instances
    app.router.add_get("/v1/clusters", clusters)
    app.router.add_get("/v1/container-instances", described)
    app.router.add_post("/v1/container-instances/state", update_state)


async def clusters(request: web.Request) -> web.Response:
    names = request.query.getall("cluster", [])
    return web.json_response(request.app[INSTANCES].clusters(names))


async def described(request: web.Request) -> web.Response:
    names = request.query.getall("containerInstance", [])
    status = request.query.get("status", "")
    if status:
        status_in({"status": status})
    return web.json_response(request.app[INSTANCES].described(names, status))


async def update_state(request: web.Request) -> web.Response:
    told = await body.read_object(request)
    names = names_in(told)
    answer = await request.app[INSTANCES].update_state(names, status_in(told))
    return web.json_response(answer)


def names_in(told: Mapping[str, object]) -> Sequence[str]:
    """Read ``containerInstances``. Raises InvalidParameter."""
    names = told.get("containerInstances")
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise InvalidParameter("containerInstances", "must be a list of names")
    if not 1 <= len(names) <= UPDATE_MAX:
        message = f"must name 1-{UPDATE_MAX} (got {len(names)})"
        raise InvalidParameter("containerInstances", message)
    return names


def status_in(told: Mapping[str, object]) -> ContainerInstanceStatus:
    """Read ``status``. Raises InvalidParameter."""
    known = [one.value for one in ContainerInstanceStatus]
    status = told.get("status")
    if status not in known:
        message = f"must be {' or '.join(known)} (got {status})"
        raise InvalidParameter("status", message)
    return ContainerInstanceStatus(status)
