"""Read the JSON of a change: bounded, an object, every field of its type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from controlplane.api.ports import ProtectionChange, Submission
from controlplane.errors import InvalidParameter
from controlplane.weights import WeightChange
from scheduler.decide.protection import EXPIRES_IN_MINUTES, EXPIRES_MINUTES
from scheduler.decide.protection import TASKS_MAX as PROTECTED_MAX

BODY_MAX: Final = 1024 * 1024
"""Bytes. A thousand rules are a tenth of it."""
TASKS_MAX: Final = 10_000
"""Of one service; ECS's quota is 5,000."""


async def read_object(request: web.Request) -> Mapping[str, object]:
    """Return the body. Raises InvalidParameter; 413 is raised by aiohttp."""
    text = await request.read()
    try:
        body = json.loads(text or b"{}")
    except (ValueError, RecursionError) as error:
        raise InvalidParameter("body", f"not JSON: {error}") from error
    if not isinstance(body, dict):
        raise InvalidParameter("body", "must be an object")
    return body


def submission_in(body: Mapping[str, object]) -> Submission:
    """Return {file, text, variables, directory}. Raises InvalidParameter."""
    variables = body.get("variables", {})
    if not isinstance(variables, dict) or not all(
        isinstance(value, str) for value in variables.values()
    ):
        raise InvalidParameter("variables", "must be an object of strings")
    directory = body.get("directory", "")
    if not isinstance(directory, str):
        raise InvalidParameter("directory", "must be a string")
    return Submission(_text(body, "file"), _text(body, "text"), variables, directory)


def desired_count_in(body: Mapping[str, object]) -> int:
    count = body.get("desiredCount")
    if not isinstance(count, int) or isinstance(count, bool):
        raise InvalidParameter("desiredCount", "must be an integer")
    if not 0 <= count <= TASKS_MAX:
        raise InvalidParameter("desiredCount", f"must be 0-{TASKS_MAX} (got {count})")
    return count


def weight_change_in(listener: str, body: Mapping[str, object]) -> WeightChange:
    """Return {rule, weights, ifVersion} for a listener. Raises InvalidParameter."""
    rule, weights = body.get("rule", ""), body.get("weights")
    if not isinstance(rule, str):
        raise InvalidParameter("rule", "must be a string")
    if not isinstance(weights, dict) or not all(map(_is_whole, weights.values())):
        raise InvalidParameter("weights", "must be an object of integers")
    version = body.get("ifVersion")
    if version is not None and not _is_whole(version):
        raise InvalidParameter("ifVersion", "must be an integer")
    assert version is None or isinstance(version, int)
    return WeightChange(listener, rule, weights, version)


def protection_change_in(body: Mapping[str, object]) -> ProtectionChange:
    """Return {tasks, protectionEnabled, expiresInMinutes}. Raises InvalidParameter."""
    tasks, enabled = body.get("tasks"), body.get("protectionEnabled")
    if not isinstance(tasks, list) or not all(isinstance(one, str) for one in tasks):
        raise InvalidParameter("tasks", "must be a list of task ids")
    if not 1 <= len(tasks) <= PROTECTED_MAX:
        message = f"must name 1-{PROTECTED_MAX} (got {len(tasks)})"
        raise InvalidParameter("tasks", message)
    if not isinstance(enabled, bool):
        raise InvalidParameter("protectionEnabled", "must be true or false")
    minutes = body.get("expiresInMinutes", EXPIRES_IN_MINUTES)
    if not _is_whole(minutes):
        raise InvalidParameter("expiresInMinutes", "must be an integer")
    assert isinstance(minutes, int)
    low, high = EXPIRES_MINUTES
    if not low <= minutes <= high:
        raise InvalidParameter(
            "expiresInMinutes", f"must be {low}-{high} (got {minutes})"
        )
    return ProtectionChange(tuple(tasks), minutes if enabled else None)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise InvalidParameter(name, "must be a string")
    return value
