"""How services scale, over the API.

GET  /v1/services/{service}/scaling             POST the same: suspend, resume
GET  /v1/services/{service}/scaling/activities[?includeNotScaledActivities=true]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from aiohttp import web

from autoscaler.policies import SuspendedState
from controlplane.api import body
from controlplane.api.ports import Scaling
from controlplane.errors import InvalidParameter

SCALING = web.AppKey("scaling", Scaling)
FIELDS: Final = {
    "dynamicScalingInSuspended": "dynamic_scaling_in",
    "dynamicScalingOutSuspended": "dynamic_scaling_out",
    "scheduledScalingSuspended": "scheduled_scaling",
}


def add_routes(app: web.Application, scaling: Scaling) -> None:
    app[SCALING] = scaling
    path = "/v1/services/{service}/scaling"
    app.router.add_get(path, explained)
    app.router.add_post(path, suspend)
    app.router.add_get(f"{path}/activities", activities)


async def explained(request: web.Request) -> web.Response:
    service = request.match_info["service"]
    return web.json_response(request.app[SCALING].explained(service))


async def activities(request: web.Request) -> web.Response:
    asked = request.query.get("includeNotScaledActivities", "false")
    if asked not in {"true", "false"}:
        raise InvalidParameter(
            "includeNotScaledActivities", f'must be true or false (got "{asked}")'
        )
    answer = request.app[SCALING].activities(
        request.match_info["service"], not_scaled=asked == "true"
    )
    return web.json_response(answer)


async def suspend(request: web.Request) -> web.Response:
    told = await body.read_object(request)
    scaling, service = request.app[SCALING], request.match_info["service"]
    wanted = suspended_in(told, scaling.suspended(service))
    return web.json_response(await scaling.suspend(service, wanted))


def suspended_in(told: Mapping[str, object], before: SuspendedState) -> SuspendedState:
    """Return {suspendedState: …}, the rest as before. Raises InvalidParameter."""
    state = told.get("suspendedState")
    if not isinstance(state, dict):
        raise InvalidParameter("suspendedState", "must be an object")
    changes: dict[str, bool] = {}
    for name, value in state.items():
        if name not in FIELDS:
            known = ", ".join(FIELDS)
            raise InvalidParameter("suspendedState", f'no "{name}"; there is {known}')
        if not isinstance(value, bool):
            raise InvalidParameter(f"suspendedState.{name}", "must be true or false")
        changes[FIELDS[name]] = value
    return replace(before, **changes)
