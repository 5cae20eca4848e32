"""The control API as an aiohttp application.

    guard -> route -> Cluster -> JSON        every error is {"error": {...}}

Absent: what the answers contain (`controlplane.views`), sockets (`doors`).
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from aiohttp import web

from controlplane.api import (
    alarms,
    body,
    deployments,
    instances,
    scaling,
    stream,
    tasks,
)
from controlplane.api.guard import UNIX_SOCKET, Asked, Door, refuse
from controlplane.api.ports import (
    EPHEMERAL_PORT,
    LOOPBACK,
    USUAL_TLS,
    Cluster,
    LogsAsked,
    Question,
)
from controlplane.errors import (
    AlarmNotFound,
    ControlError,
    DefinitionNotFound,
    InvalidParameter,
    ListenerNotBound,
    ListenerNotFound,
    LogsNotFound,
    NotApplied,
    NotScalable,
    RuleNotFound,
    SamplesInvalid,
    ServiceNotFound,
    TargetNotConnected,
    TaskNotFound,
    TooManyMetrics,
    VersionPassed,
)
from controlplane.problems import ConfigInvalid, Problem
from foundation.journal import CommitFailed

CLUSTER: Final = web.AppKey("cluster", Cluster)
TOKEN: Final = web.AppKey("token", str)

SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Server": "alb",
}

EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus text format."""

# fmt: off
STATUSES: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (ServiceNotFound,  404, "ServiceNotFoundException"),
    (TaskNotFound,     404, "ResourceNotFoundException"),
    (LogsNotFound,     404, "ResourceNotFoundException"),
    (DefinitionNotFound, 404, "ClientException"),
    (ListenerNotFound, 404, "ListenerNotFoundException"),
    (RuleNotFound,     404, "RuleNotFoundException"),
    (NotScalable,      404, "ObjectNotFoundException"),
    (AlarmNotFound,    404, "ResourceNotFound"),
    (VersionPassed,    409, "VersionPassed"),
    (TooManyMetrics,   429, "LimitExceededException"),
    (TargetNotConnected, 400, "TargetNotConnectedException"),
    (InvalidParameter, 400, "InvalidParameterException"),
    (NotApplied,       409, "ClusterNotFoundException"),
    (ListenerNotBound, 409, "ListenerNotBound"),
    (ControlError,     409, "ClientException"),
    (CommitFailed,     503, "CommitFailed"),
)
# fmt: on

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(cluster: Cluster, token: str) -> web.Application:
    """Return the application; it is served on any door that is opened to it."""
    app = web.Application(
        middlewares=[errors_as_json, guarded], client_max_size=body.BODY_MAX
    )
    app[CLUSTER] = cluster
    app[TOKEN] = token
    app.on_response_prepare.append(add_security_headers)
    app.on_shutdown.append(_end_streams)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/v1/state", state)
    app.router.add_get("/v1/events", events)
    app.router.add_get("/v1/explain", explain)
    app.router.add_get("/v1/services/{name}/logs", logs)
    app.router.add_get("/v1/tasks/{name}/logs", logs)
    app.router.add_post("/v1/validate", validate)
    app.router.add_post("/v1/plan", plan)
    app.router.add_post("/v1/apply", apply)
    app.router.add_post("/v1/services/{service}/scale", scale)
    app.router.add_post("/v1/tasks/protection", protect)
    app.router.add_post("/v1/listeners/{listener}/weights", weigh)
    app.router.add_post("/v1/down", down)
    tasks.add_routes(app, cluster.tasks)
    deployments.add_routes(app, cluster.deployments)
    instances.add_routes(app, cluster.instances)
    scaling.add_routes(app, cluster.scaling)
    alarms.add_routes(app, cluster.alarms)
    return app


@web.middleware
async def guarded(request: web.Request, handler: Answer) -> web.StreamResponse:
    """Let through what `guard.refuse` has nothing against."""
    headers = request.headers
    asked = Asked(
        method=request.method,
        target=request.raw_path,
        hosts=tuple(headers.getall("Host", ())),
        origins=tuple(headers.getall("Origin", ())),
        fetch_sites=tuple(headers.getall("Sec-Fetch-Site", ())),
        authorizations=tuple(headers.getall("Authorization", ())),
        content_type=headers.get("Content-Type", ""),
        upgrade=headers.get("Upgrade", ""),
    )
    refusal = refuse(asked, _door_of(request), request.app[TOKEN])
    if refusal is None:
        return await handler(request)
    response = failure(refusal.status, refusal.code, refusal.message)
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    response.force_close()
    return response


def _door_of(request: web.Request) -> Door | None:
    transport = request.transport
    if transport is None:
        raise web.HTTPBadRequest
    if transport.get_extra_info("socket").family == socket.AF_UNIX:
        return UNIX_SOCKET
    host, port = transport.get_extra_info("sockname")[:2]
    return Door.at(host, port)


@web.middleware
async def errors_as_json(request: web.Request, handler: Answer) -> web.StreamResponse:
    """Turn every error that someone meant into its JSON form."""
    try:
        return await handler(request)
    except ConfigInvalid as invalid:
        listed = [problem_document(one, invalid.file) for one in invalid.problems]
        return failure(422, "ValidationError", str(invalid), listed)
    except SamplesInvalid as invalid:
        listed = [problem_document(one, "body") for one in invalid.problems]
        return failure(400, "InvalidParameterValue", str(invalid), listed)
    except (ControlError, CommitFailed) as error:
        return _refused(error)
    except web.HTTPException as error:
        answered = failure(error.status, error.reason.replace(" ", ""), error.reason)
        if "Allow" in error.headers:
            answered.headers["Allow"] = error.headers["Allow"]
        return answered


def _refused(error: Exception) -> web.Response:
    for cls, status, code in STATUSES:
        if isinstance(error, cls):
            return failure(status, code, str(error))
    raise AssertionError(error)


def failure(
    status: int,
    code: str,
    message: str,
    problems: list[dict[str, object]] | None = None,
) -> web.Response:
    error = {"code": code, "message": message, "problems": problems or []}
    return web.json_response({"error": error}, status=status)


def problem_document(problem: Problem, file: str) -> dict[str, object]:
    return {
        "path": problem.path,
        "message": problem.message,
        "line": problem.line,
        "column": problem.column,
        "severity": problem.severity.value,
        "text": problem.at(file),
    }


async def add_security_headers(
    request: web.Request, response: web.StreamResponse
) -> None:
    del request
    response.headers.update(SECURITY_HEADERS)


async def _end_streams(app: web.Application) -> None:
    app[CLUSTER].events.end()


async def healthz(request: web.Request) -> web.Response:
    """This process answers; whether the cluster is as wanted is readyz's affair."""
    del request
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    ready, why = request.app[CLUSTER].ready()
    if ready:
        return web.Response(text="ok\n")
    return web.Response(text=f"{why}\n", status=503)


async def metrics(request: web.Request) -> web.Response:
    exposition = await request.app[CLUSTER].metrics()
    return web.Response(body=exposition, headers={"Content-Type": EXPOSITION})


async def state(request: web.Request) -> web.Response:
    return web.json_response(request.app[CLUSTER].state())


async def events(request: web.Request) -> web.StreamResponse:
    """A list; or, when asked for `text/event-stream`, a stream that goes on."""
    log = request.app[CLUSTER].events
    after = _integer(request, "since", request.headers.get("Last-Event-ID", "0"))
    if "text/event-stream" not in request.headers.get("Accept", ""):
        listed = [stream.event_document(event) for event in log.since(after)]
        return web.json_response({"events": listed})
    if log.is_full:
        return failure(503, "ThrottlingException", "too many followers")
    return await stream.send(
        request, stream.server_sent(log, after), "text/event-stream"
    )


async def explain(request: web.Request) -> web.Response:
    query = request.query
    headers = []
    for line in query.getall("header", ()):
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise InvalidParameter("header", f'"{line}" is not NAME: VALUE')
        headers.append((name.strip(), value.strip()))
    if "url" not in query:
        raise InvalidParameter("url", "is missing")
    question = Question(
        query["url"],
        query.get("method", "GET"),
        headers,
        query.get("sourceIp", LOOPBACK),
        _integer(request, "sourcePort", str(EPHEMERAL_PORT)),
        (
            query.get("tlsVersion", USUAL_TLS[0]),
            query.get("tlsCipher", USUAL_TLS[1]),
        ),
    )
    return web.json_response(request.app[CLUSTER].explain(question))


async def logs(request: web.Request) -> web.StreamResponse:
    follow = request.query.get("follow", "0") not in {"0", "false"}
    tail = _integer(request, "tail", "-1")
    name = request.match_info["name"]
    container = request.query.get("container", "")
    asked = LogsAsked(name, container, follow, None if tail < 0 else tail)
    lines = request.app[CLUSTER].logs(asked)
    return await stream.send(request, lines, "text/plain; charset=utf-8")


def _integer(request: web.Request, name: str, otherwise: str) -> int:
    text = request.query.get(name, otherwise)
    try:
        return int(text)
    except ValueError:
        raise InvalidParameter(name, f'"{text}" is not an integer') from None


async def validate(request: web.Request) -> web.Response:
    submission = body.submission_in(await body.read_object(request))
    return web.json_response(await request.app[CLUSTER].validate(submission))


async def plan(request: web.Request) -> web.Response:
    submission = body.submission_in(await body.read_object(request))
    return web.json_response(await request.app[CLUSTER].plan(submission))


async def apply(request: web.Request) -> web.Response:
    submission = body.submission_in(await body.read_object(request))
    return web.json_response(await request.app[CLUSTER].apply(submission))


async def scale(request: web.Request) -> web.Response:
    desired = body.desired_count_in(await body.read_object(request))
    service = request.match_info["service"]
    await request.app[CLUSTER].scale(service, desired)
    return web.json_response({"serviceName": service, "desiredCount": desired})


async def weigh(request: web.Request) -> web.Response:
    told = await body.read_object(request)
    change = body.weight_change_in(request.match_info["listener"], told)
    return web.json_response(await request.app[CLUSTER].weigh(change))


async def protect(request: web.Request) -> web.Response:
    change = body.protection_change_in(await body.read_object(request))
    return web.json_response(await request.app[CLUSTER].protect(change))


async def down(request: web.Request) -> web.Response:
    await body.read_object(request)
    request.app[CLUSTER].down()
    return web.json_response({"status": "stopping"}, status=202)
