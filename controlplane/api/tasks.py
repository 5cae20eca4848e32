"""Tasks and task definitions over the API, in ECS's shapes.

GET  /v1/tasks[?family=F]    GET /v1/tasks/{task}     an id, or how it begins
POST /v1/tasks               POST /v1/tasks/{task}/stop
GET  /v1/tasks/{task}/exec    a WebSocket: see `execute`
GET  /v1/task-definitions[?familyPrefix=F]    GET /v1/task-definitions/{name}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeGuard

from aiohttp import web

from controlplane.api import body
from controlplane.api.execute import execute
from controlplane.api.placement import constraints_in, strategies_in
from controlplane.api.ports import TaskRun, Tasks
from controlplane.errors import InvalidParameter
from scheduler.decide.overrides import RUN_MAX, ContainerOverride

TASKS = web.AppKey("tasks", Tasks)


def add_routes(app: web.Application, tasks: Tasks) -> None:
    app[TASKS] = tasks
    app.router.add_get("/v1/tasks", listed)
    app.router.add_post("/v1/tasks", run)
    app.router.add_get("/v1/tasks/{task}", described)
    app.router.add_post("/v1/tasks/{task}/stop", stop)
    app.router.add_get("/v1/tasks/{task}/exec", run_command)
    app.router.add_get("/v1/task-definitions", definitions)
    app.router.add_get("/v1/task-definitions/{name}", definition)


async def listed(request: web.Request) -> web.Response:
    family = request.query.get("family", "")
    return web.json_response(request.app[TASKS].listed(family))


async def described(request: web.Request) -> web.Response:
    return web.json_response(request.app[TASKS].described(request.match_info["task"]))


async def run(request: web.Request) -> web.Response:
    told = await body.read_object(request)
    family = _text(told, "taskDefinition")
    count = _whole(told, "count", 1)
    if not 1 <= count <= RUN_MAX:
        raise InvalidParameter("count", f"must be 1-{RUN_MAX} (got {count})")
    started_by = _text(told, "startedBy", "")
    wanted = TaskRun(
        family,
        count,
        overrides_in(told.get("overrides", {})),
        started_by,
        strategies_in(told.get("placementStrategy", [])),
        constraints_in(told.get("placementConstraints", [])),
        enable_execute_command=_flag(told, "enableExecuteCommand"),
    )
    return web.json_response(await request.app[TASKS].run(wanted))


async def stop(request: web.Request) -> web.Response:
    told = await body.read_object(request)
    reason = _text(told, "reason", "")
    answer = await request.app[TASKS].stop(request.match_info["task"], reason)
    return web.json_response(answer)


async def run_command(request: web.Request) -> web.StreamResponse:
    return await execute(request, request.app[TASKS])


async def definitions(request: web.Request) -> web.Response:
    prefix = request.query.get("familyPrefix", "")
    return web.json_response(request.app[TASKS].definitions(prefix))


async def definition(request: web.Request) -> web.Response:
    return web.json_response(request.app[TASKS].definition(request.match_info["name"]))


def overrides_in(told: object) -> tuple[ContainerOverride, ...]:
    """Read ``{containerOverrides: [...]}``. Raises InvalidParameter."""
    if not isinstance(told, Mapping):
        raise InvalidParameter("overrides", "must be an object")
    listed = told.get("containerOverrides", [])
    if not _are_objects(listed):
        raise InvalidParameter("overrides.containerOverrides", "must be objects")
    return tuple(_override(each) for each in listed)


def _override(told: Mapping[str, object]) -> ContainerOverride:
    variables = told.get("environment", [])
    if not _are_objects(variables):
        raise InvalidParameter("environment", "must be objects")
    command = told.get("command")
    if command is not None and not _are_texts(command):
        raise InvalidParameter("command", "must be a list of strings")
    return ContainerOverride(
        name=_text(told, "name"),
        command=None if command is None else tuple(command),
        environment=tuple(
            (_text(each, "name"), _text(each, "value")) for each in variables
        ),
        cpu=_whole_or_none(told, "cpu"),
        memory_mib=_whole_or_none(told, "memory"),
        memory_reservation_mib=_whole_or_none(told, "memoryReservation"),
    )


def _are_objects(value: object) -> TypeGuard[Sequence[Mapping[str, object]]]:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _are_texts(value: object) -> TypeGuard[Sequence[str]]:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _text(told: Mapping[str, object], name: str, otherwise: str | None = None) -> str:
    value = told.get(name, otherwise)
    if not isinstance(value, str):
        raise InvalidParameter(name, "must be a string")
    return value


def _whole(told: Mapping[str, object], name: str, otherwise: int) -> int:
    value = told.get(name, otherwise)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidParameter(name, "must be a whole number")
    return value


def _flag(told: Mapping[str, object], name: str) -> bool:
    value = told.get(name, False)
    if not isinstance(value, bool):
        raise InvalidParameter(name, "must be true or false")
    return value


def _whole_or_none(told: Mapping[str, object], name: str) -> int | None:
    return _whole(told, name, 0) if told.get(name) is not None else None
