"""Deployments over the API, described in ECS's shapes.

POST /v1/services/{service}/deploy                 forceNewDeployment
POST /v1/services/{service}/rollback
POST /v1/services/{service}/stop-deployment        {stopType: ABORT | ROLLBACK}
POST /v1/services/{service}/continue-deployment    {action: CONTINUE | ROLLBACK, hookId}
GET  /v1/services/{service}/deployments
GET  /v1/services/{service}/revisions
"""

from __future__ import annotations

from aiohttp import web

from controlplane.api import body
from controlplane.api.ports import Deployments
from controlplane.errors import InvalidParameter
from scheduler.configuration import TimeoutAction

DEPLOYMENTS = web.AppKey("deployments", Deployments)
STOP_TYPES = ("ABORT", "ROLLBACK")


def add_routes(app: web.Application, deployments: Deployments) -> None:
    app[DEPLOYMENTS] = deployments
    service = "/v1/services/{service}"
    app.router.add_post(f"{service}/deploy", deploy)
    app.router.add_post(f"{service}/rollback", roll_back)
    app.router.add_post(f"{service}/stop-deployment", stop)
    app.router.add_post(f"{service}/continue-deployment", go_on)
    app.router.add_get(f"{service}/deployments", described)
    app.router.add_get(f"{service}/revisions", revisions)


async def deploy(request: web.Request) -> web.Response:
    await body.read_object(request)
    service = request.match_info["service"]
    return web.json_response(await request.app[DEPLOYMENTS].begin(service))


async def roll_back(request: web.Request) -> web.Response:
    await body.read_object(request)
    service = request.match_info["service"]
    return web.json_response(await request.app[DEPLOYMENTS].roll_back(service))


async def stop(request: web.Request) -> web.Response:
    kind = (await body.read_object(request)).get("stopType", "ROLLBACK")
    service, deployments = request.match_info["service"], request.app[DEPLOYMENTS]
    if kind not in STOP_TYPES:
        raise InvalidParameter("stopType", f"must be {' or '.join(STOP_TYPES)}")
    gives_up = deployments.stop if kind == "ABORT" else deployments.roll_back
    return web.json_response(await gives_up(service))


async def go_on(request: web.Request) -> web.Response:
    told = await body.read_object(request)
    action, hook_id = told.get("action", "CONTINUE"), told.get("hookId", "")
    known = {one.value: one for one in TimeoutAction}
    if not isinstance(action, str) or action not in known:
        raise InvalidParameter("action", f"must be {' or '.join(known)}")
    if not isinstance(hook_id, str):
        raise InvalidParameter("hookId", "must be a string")
    service, deployments = request.match_info["service"], request.app[DEPLOYMENTS]
    return web.json_response(await deployments.go_on(service, known[action], hook_id))


async def described(request: web.Request) -> web.Response:
    service = request.match_info["service"]
    return web.json_response(request.app[DEPLOYMENTS].described(service))


async def revisions(request: web.Request) -> web.Response:
    service = request.match_info["service"]
    return web.json_response(request.app[DEPLOYMENTS].revisions(service))
