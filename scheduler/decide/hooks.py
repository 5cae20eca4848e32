"""Lifecycle hooks of a deployment: which are due, what they answered. Floor 1: pure.

    stage, hooks of the file, answers --> HookRuns (committed) --> calls
                                      --> passed, waits, or failed

A hook is asked at the end of its stage, and the next stage begins when all of them have
SUCCEEDED. One that answers IN_PROGRESS is asked again after its callBackDelay. It may
be asked twice, when a control ends in between: what it does has to bear that.

Sources: ECS developer guide, "Lifecycle hooks for Amazon ECS service deployments";
API reference, DeploymentLifecycleHook. That a command which says nothing answers by
its exit status is ours.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from scheduler.configuration import (
    HookStage,
    HookTarget,
    LifecycleHook,
    LifecycleStage,
    TimeoutAction,
)
from scheduler.takeover import HookRun, HookStatus

MINUTE_S: Final = 60.0
CALLBACK_S: Final = 30.0
CALLBACK_MAX_S: Final = 86_400.0
WHY_MAX: Final = 200
STATUSES: Final = {
    one.value: one
    for one in (HookStatus.SUCCEEDED, HookStatus.FAILED, HookStatus.IN_PROGRESS)
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call came to."""

    status: HookStatus
    delay_s: float = CALLBACK_S
    """Of IN_PROGRESS: how long to wait before it is asked again."""
    details: str = ""
    """JSON that it wants to be told then."""
    why: str = ""


def answer_of(text: str) -> Answer:
    """Return what a hook said: JSON with ``hookStatus``, or nothing at all."""
    text = text.strip()
    if not text:
        return Answer(HookStatus.SUCCEEDED)
    said = _said(text) or _said(text.splitlines()[-1])
    if said is None:
        why = f"no hookStatus in its answer: {text[:WHY_MAX]}"
        return Answer(HookStatus.FAILED, why=why)
    status = STATUSES[said["hookStatus"]]
    if status is HookStatus.FAILED:
        return Answer(status, why="it answered FAILED")
    delay_s = _seconds(said.get("callBackDelay", CALLBACK_S))
    if delay_s is None:
        why = f"its callBackDelay is no number of seconds: {text[:WHY_MAX]}"
        return Answer(HookStatus.FAILED, why=why)
    details = said.get("hookDetails")
    return Answer(
        status,
        min(max(delay_s, 1.0), CALLBACK_MAX_S),
        json.dumps(details) if details is not None else "",
    )


def _said(text: str) -> Mapping[str, Any] | None:
    """Return the JSON object that the text is, if it has a ``hookStatus`` of ours."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    known = isinstance(said, dict) and str(said.get("hookStatus")) in STATUSES
    return said if known else None


def _seconds(told: Any) -> float | None:
    try:
        seconds = float(told)
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None


@dataclass(frozen=True, slots=True)
class Gate:
    """Where a deployment stands that would go on."""

    stage: LifecycleStage
    percent: float
    """Its part of production requests."""
    raises: bool
    """It would get more of them."""

    @property
    def stages(self) -> tuple[HookStage, ...]:
        """Return of which stages hooks are asked here."""
        if self.stage is not LifecycleStage.PRODUCTION_TRAFFIC_SHIFT:
            known = {one.value: one for one in HookStage}
            here = known.get(self.stage.value)
            return (here,) if here else ()
        after = (HookStage.PRODUCTION_TRAFFIC_SHIFT,) if self.percent else ()
        before = (HookStage.PRE_PRODUCTION_TRAFFIC_SHIFT,) if self.raises else ()
        return after + before


def key_of(deployment_id: str, run: HookRun) -> str:
    """Return the name of one call; it is the run's ``hookId`` with the attempt."""
    return f"{id_of(deployment_id, run)}/{run.attempt}"


def id_of(deployment_id: str, run: HookRun) -> str:
    return f"{deployment_id}/{run.stage.value}/{run.percent:g}/{run.number}"


def looked_at(
    runs: Sequence[HookRun],
    hooks: Sequence[LifecycleHook],
    gate: Gate,
    answers: Mapping[HookRun, Answer],
    now_unix_s: float,
) -> tuple[HookRun, ...]:
    """Return the runs at this gate, with what was answered and whose time is up."""
    here = {(run.number, run.stage): run for run in runs if run.percent == gate.percent}
    found = []
    for stage in gate.stages:
        for number, hook in enumerate(hooks):
            if stage not in hook.stages:
                continue
            run = here.get((number, stage)) or _begun(
                number, stage, hook, gate, now_unix_s
            )
            found.append(_answered(run, hook, answers.get(run), now_unix_s))
    return tuple(found)


def _begun(
    number: int, stage: HookStage, hook: LifecycleHook, gate: Gate, now_unix_s: float
) -> HookRun:
    pauses = hook.target is HookTarget.PAUSE
    status = HookStatus.AWAITING_ACTION if pauses else HookStatus.IN_PROGRESS
    return HookRun(
        number,
        stage,
        gate.percent,
        status,
        now_unix_s,
        call_at_unix_s=now_unix_s,
        details=hook.details,
    )


def _answered(
    run: HookRun, hook: LifecycleHook, answer: Answer | None, now_unix_s: float
) -> HookRun:
    if run.status not in _OPEN:
        return run
    if answer is not None and answer.status is HookStatus.IN_PROGRESS:
        run = replace(
            run,
            attempt=run.attempt + 1,
            call_at_unix_s=now_unix_s + answer.delay_s,
            details=answer.details or run.details,
        )
    elif answer is not None:
        return replace(run, status=answer.status, why=answer.why)
    if now_unix_s >= expires_at(run, hook):
        return replace(run, status=HookStatus.TIMED_OUT)
    return run


_OPEN: Final = frozenset({HookStatus.AWAITING_ACTION, HookStatus.IN_PROGRESS})


def expires_at(run: HookRun, hook: LifecycleHook) -> float:
    return run.began_at_unix_s + MINUTE_S * hook.timeout_in_minutes


def is_due(run: HookRun, now_unix_s: float) -> bool:
    """Tell whether it is to be called now, unless it is being called."""
    return run.status is HookStatus.IN_PROGRESS and now_unix_s >= run.call_at_unix_s


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the hooks at a gate say. Neither passed nor failed: it waits."""

    passed: bool = False
    failed: str = ""
    """Why the deployment has failed."""
    wake_at_unix_s: float | None = None


def verdict(
    runs: Sequence[HookRun], hooks: Sequence[LifecycleHook], now_unix_s: float
) -> Verdict:
    """Return whether the deployment may go on; one failure is enough to fail it."""
    wakes = []
    for run in runs:
        hook = hooks[run.number]
        late = run.status is HookStatus.TIMED_OUT
        if run.status is HookStatus.FAILED:
            return Verdict(failed=f"lifecycle hook at {run.stage.value}: {run.why}")
        if late and hook.timeout_action is TimeoutAction.ROLLBACK:
            minutes = hook.timeout_in_minutes
            why = f"no outcome within {minutes:g} minutes"
            return Verdict(failed=f"lifecycle hook at {run.stage.value}: {why}")
        if run.status in _OPEN:
            wakes.append(expires_at(run, hook))
            if run.call_at_unix_s > now_unix_s:
                wakes.append(run.call_at_unix_s)
    return Verdict(not wakes, wake_at_unix_s=min(wakes, default=None))


def continued(
    runs: Sequence[HookRun], action: TimeoutAction, hook_id: str, deployment_id: str
) -> tuple[HookRun, ...] | None:
    """Return the runs after somebody said how it goes on; None: nothing waits.

    An empty `hook_id` is all that wait.
    """
    status, why = HookStatus.SUCCEEDED, ""
    if action is TimeoutAction.ROLLBACK:
        status, why = HookStatus.FAILED, "rolled back by request"
    after = tuple(
        replace(run, status=status, why=why)
        if run.status is HookStatus.AWAITING_ACTION
        and hook_id in {"", id_of(deployment_id, run)}
        else run
        for run in runs
    )
    return None if after == tuple(runs) else after
