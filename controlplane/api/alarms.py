"""Alarms over the API, in CloudWatch's shapes.

GET  /v1/alarms[?alarmNamePrefix=P&stateValue=S]    DescribeAlarms
GET  /v1/alarms/{alarm}            one of them, with its recent datapoints
GET  /v1/alarms/{alarm}/history    DescribeAlarmHistory
POST /v1/alarms/{alarm}/state      SetAlarmState
POST /v1/alarms/{alarm}/actions    EnableAlarmActions, DisableAlarmActions
"""

from __future__ import annotations

import json
from typing import Final

from aiohttp import web

from autoscaler.model import AlarmState
from controlplane.api import body
from controlplane.api.ports import Alarms, StateWish
from controlplane.errors import InvalidParameter

ALARMS = web.AppKey("alarms", Alarms)
REASON_MAX: Final = 1023
REASON_DATA_MAX: Final = 4000
"""Characters, as the API reference of SetAlarmState has them."""
STATES: Final = tuple(state.value for state in AlarmState)


def add_routes(app: web.Application, alarms: Alarms) -> None:
    app[ALARMS] = alarms
    app.router.add_get("/v1/alarms", listed)
    app.router.add_get("/v1/alarms/{alarm}", described)
    app.router.add_get("/v1/alarms/{alarm}/history", history)
    app.router.add_post("/v1/alarms/{alarm}/state", set_state)
    app.router.add_post("/v1/alarms/{alarm}/actions", enable)


async def listed(request: web.Request) -> web.Response:
    state = request.query.get("stateValue", "")
    if state not in {"", *STATES}:
        raise InvalidParameter("stateValue", f"must be one of {', '.join(STATES)}")
    prefix = request.query.get("alarmNamePrefix", "")
    return web.json_response(request.app[ALARMS].listed(prefix, state))


async def described(request: web.Request) -> web.Response:
    return web.json_response(request.app[ALARMS].described(request.match_info["alarm"]))


async def history(request: web.Request) -> web.Response:
    return web.json_response(request.app[ALARMS].history(request.match_info["alarm"]))


async def set_state(request: web.Request) -> web.Response:
    told = await body.read_object(request)
    state = told.get("stateValue")
    if state not in STATES:
        raise InvalidParameter("stateValue", f"must be one of {', '.join(STATES)}")
    reason = _text(told.get("stateReason"), "stateReason", REASON_MAX)
    data = _text(told.get("stateReasonData", ""), "stateReasonData", REASON_DATA_MAX)
    if data and not _is_json(data):
        raise InvalidParameter("stateReasonData", "must be JSON")
    alarm = request.match_info["alarm"]
    await request.app[ALARMS].set_state(alarm, StateWish(str(state), reason, data))
    return web.json_response(request.app[ALARMS].described(alarm))


async def enable(request: web.Request) -> web.Response:
    enabled = (await body.read_object(request)).get("actionsEnabled")
    if not isinstance(enabled, bool):
        raise InvalidParameter("actionsEnabled", "must be true or false")
    alarm = request.match_info["alarm"]
    await request.app[ALARMS].enable(alarm, enabled=enabled)
    return web.json_response(request.app[ALARMS].described(alarm))


def _text(value: object, name: str, longest: int) -> str:
    if not isinstance(value, str):
        raise InvalidParameter(name, "must be a string")
    if len(value) > longest:
        message = f"must be at most {longest} characters (got {len(value)})"
        raise InvalidParameter(name, message)
    return value


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
