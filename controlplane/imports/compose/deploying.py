"""How many tasks, where, and how they are replaced: Compose's ``deploy``. Pure.

Source: Compose specification, "Deploy"; ECS API reference, CreateService.
"""

from __future__ import annotations

import re
from typing import Final

from controlplane.imports.compose.reading import Reading
from controlplane.imports.compose.resources import measure
from controlplane.imports.given import Fields, Text
from controlplane.imports.quantities import whole
from controlplane.imports.section import Section

_REASONS: Final = {
    "endpoint_mode": "requests are balanced by the load balancer",
    "rollback_config": "a rollback goes as a deployment does",
    "labels": "services have no labels here",
}
_RESTARTS: Final = "tasks of a service are always replaced"
_CONSTRAINT = re.compile(r"node\.([\w.]+)\s*(==|!=)\s*(\S+)")
_ATTRIBUTES: Final = {
    "platform.arch": "ecs.cpu-architecture",
    "platform.os": "ecs.os-type",
}


def deploy(reading: Reading) -> Fields:
    """Fill in the service. Returns ``deploy``, for its labels."""
    fields = Fields(reading.fields.take("deploy"), reading.service.losses)
    replicas = fields.text("replicas")
    scale = reading.fields.text("scale")
    count = reading.measured(replicas or scale, whole, "a number")
    _mode(reading, fields.text("mode"), 1 if count is None else count)
    measure(reading, fields.fields("resources"))
    _updates(reading, fields.fields("update_config"), count or 1)
    _placement(reading, fields.fields("placement"))
    _restarts(reading, fields)
    _profiles(reading)
    return fields


def told(fields: Fields) -> None:
    """Tell what of ``deploy`` is left, once its labels were taken."""
    fields.rest(_REASONS, "is not known in deploy")


def _mode(reading: Reading, mode: Text | None, count: int) -> None:
    service = reading.service
    name = mode.text if mode else "replicated"
    if mode and name == "global":
        service.put("schedulingStrategy", "DAEMON", mode)
        return
    if mode and name != "replicated":
        reading.losses.add(mode, "tasks that end are not jobs here; `alb run` runs one")
    service["desiredCount"] = count


def _profiles(reading: Reading) -> None:
    value = reading.fields.peek("profiles")
    names = {text.text for text in reading.fields.texts("profiles")}
    if value and names and not names & reading.around.profiles:
        shown = ", ".join(sorted(names))
        reading.service["desiredCount"] = 0
        note = f"desiredCount: runs with profile {shown} only, which is off"
        reading.service.notes.append(note)


def _updates(reading: Reading, fields: Fields, count: int) -> None:
    if not fields.keys:
        return
    configuration = Section(fields)
    order, parallelism = fields.text("order"), fields.text("parallelism")
    at_once = reading.measured(parallelism, whole, "a number")
    at_once = count if at_once == 0 else min(count, at_once or 1)
    share = -(-100 * at_once // count) if count else 100
    if order and order.text == "start-first":
        configuration["minimumHealthyPercent"] = 100
        configuration["maximumPercent"] = 100 + share
    else:
        configuration["minimumHealthyPercent"] = 100 - share
        configuration["maximumPercent"] = 100
    action = fields.text("failure_action")
    if action and action.text in {"rollback", "pause"}:
        breaker = {"enable": True, "rollback": action.text == "rollback"}
        configuration.put("deploymentCircuitBreaker", breaker, action)
    reading.service.put("deploymentConfiguration", configuration, fields)
    fields.rest(
        {
            "delay": "the next tasks start when those before are healthy",
            "monitor": "a deployment is watched until it is done",
            "max_failure_ratio": "the circuit breaker has thresholds of its own",
        },
        "is not known in update_config",
    )


def _placement(reading: Reading, fields: Fields) -> None:
    for text in fields.texts("constraints"):
        match = _CONSTRAINT.fullmatch(reading.now(text).strip())
        attribute = _attribute(match[1]) if match else ""
        if match is None or not attribute:
            fields.losses.add(text, "an instance does not have this attribute")
            continue
        expression = f"attribute:{attribute} {match[2]} {match[3]}"
        constraint = Section(text, type="memberOf", expression=expression)
        reading.service.add("placementConstraints", constraint, text)
    for item in fields.many("preferences"):
        spread = Fields(item, fields.losses).text("spread")
        attribute = _attribute(spread.text.removeprefix("node.")) if spread else ""
        if attribute:
            strategy = Section(item, type="spread", field=f"attribute:{attribute}")
            reading.service.add("placementStrategy", strategy, item)
        else:
            fields.losses.add(item, "only a label can be spread over")
    most = fields.text("max_replicas_per_node")
    if most and most.text == "1":
        only = Section(most, type="distinctInstance")
        reading.service.add("placementConstraints", only, most)
    elif most:
        fields.losses.add(most, "ECS knows one task per instance, or any number")
    fields.rest({}, "is not known in placement")


def _attribute(name: str) -> str:
    if name.startswith("labels."):
        return name.removeprefix("labels.")
    return _ATTRIBUTES.get(name, "")


def _restarts(reading: Reading, fields: Fields) -> None:
    policy = fields.fields("restart_policy")
    condition = policy.text("condition")
    if condition and condition.text != "any":
        policy.losses.add(condition, _RESTARTS)
    policy.rest({}, "tasks that fail again and again are started less often")
    restart = reading.fields.text("restart")
    if restart and restart.text not in {"always", "unless-stopped"}:
        reading.service.losses.add(restart, _RESTARTS)
