"""Find out what a deployment's tags mean before its first task is made. Floor 4.

One engine is asked, where the first task would go; when it does not answer, the
others too, and the first answer counts. Where it cannot be told, that is how a
task fails to start: with the engine's words, counted and throttled like others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from scheduler.app.look import Look
from scheduler.decide import images
from scheduler.decide.actions import Resolve
from scheduler.definition import ContainerDefinition
from scheduler.errors import ContainerError, HostNotReached, OutcomeUnknown
from scheduler.model import Deployment, RuntimeKind

PATIENCE_S: Final = 5.0
"""How long one engine may take before the others are asked too."""
RETRY_S: Final = 2.0
"""Between two questions to an engine that did not answer."""


def are_known(look: Look, deployment: Deployment, first: str) -> bool | ContainerError:
    """Return whether tasks may be made; `first` is where the first one would go.

    Not while engines are asked; an error when the images cannot be had.
    """
    wanted = images.to_resolve(deployment.task_definition)
    engines = _engines(look, first)
    if deployment.images is not None or not wanted or first not in engines:
        return True
    for instance in engines:
        outcome = look.observed.outcomes.get(_key(deployment, instance))
        if outcome is not None and outcome.error is None:
            found = images.resolved(deployment.task_definition, dict(outcome.resolved))
            look.draft.put_deployment(replace(deployment, images=found))
            return True
    since = max(deployment.updated_at_unix_s, deployment.failed_at_unix_s)
    late = look.now_unix_s >= since + PATIENCE_S
    look.wake_at(None if late else since + PATIENCE_S)
    for instance in engines if late else engines[:1]:
        refusal = _ask(look, deployment, instance, wanted)
        if refusal is not None:
            return refusal
    return False


def _ask(
    look: Look,
    deployment: Deployment,
    instance: str,
    wanted: tuple[ContainerDefinition, ...],
) -> ContainerError | None:
    """Ask an engine; return its refusal, if it has refused since the last failure."""
    key = _key(deployment, instance)
    if key in look.observed.busy:
        return None
    outcome = look.observed.outcomes.get(key)
    if outcome is not None and outcome.at_unix_s > deployment.failed_at_unix_s:
        if not isinstance(outcome.error, HostNotReached | OutcomeUnknown):
            return outcome.error
        if look.now_unix_s < outcome.at_unix_s + RETRY_S:
            look.wake_at(outcome.at_unix_s + RETRY_S)
            return None
    look.actions.append(Resolve(key, instance, wanted))
    return None


def _engines(look: Look, first: str) -> list[str]:
    """Return the engines that can be asked, `first` first."""
    observed = look.observed
    found = [
        name
        for name, instance in observed.instances.items()
        if instance.runtime is RuntimeKind.DOCKER
        and look.takes_tasks(name)
        and observed.is_connected(name)
    ]
    return sorted(found, key=lambda name: name != first)


def _key(deployment: Deployment, instance: str) -> str:
    return f"{deployment.id}@{instance}"
