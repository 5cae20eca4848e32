"""Who is to be checked, and when.

Floor 1: pure. Targets of a group that some action forwards to are checked at a
fixed rate, each with a phase of its own, so that a thousand targets make no
storm. A target that has never answered is asked more often, because it is
usually just starting; such early checks can only make it healthy.

    registered  e e e e C e e e e C ...     e early: counts when passed
    healthy     ........C.........C ...     C counted, one per interval
    in doubt    ........C..h h h h  ...     h in haste: see decide.haste

ALB itself has no early checks: with its intervals a new target waits for up to
half a minute. Ours waits a quarter of a second. Nor does it say that it looks sooner
at a target that it could not connect to; ours does. The beat stays what it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from alb.decide.haste import (
    AT_EASE,
    QUICK_S,
    SPREAD_S,
    Haste,
    begun,
    followed,
    goes_out,
    one_more,
)
from alb.decide.health import (
    CHECKING,
    DRAINING,
    NOT_IN_USE,
    NotMade,
    ProbeOutcome,
    ProbeState,
    adopted,
    observe,
    passes,
)
from alb.model import (
    Action,
    Forward,
    GroupTargets,
    HealthCheck,
    HealthState,
    Target,
    TargetHealth,
    TargetId,
)

EARLY_EVERY_S: Final = 0.25
"""Pause between checks of a target that has never answered."""


@dataclass(frozen=True, slots=True)
class Probed:
    """Check this address. Whatever else a registration says does not matter."""

    host: str
    port: int
    check: HealthCheck
    group: str = ""
    """The group's name, for the log."""


Assignment = Probed | TargetHealth
"""Check the target, or its health is settled without a check."""


def assignments(each: GroupTargets, *, in_use: bool) -> Mapping[TargetId, Assignment]:
    """Return what to do about every target of a group; `in_use`: see `groups_named`."""
    return {
        target.id: _assignment(target, each, in_use=in_use) for target in each.targets
    }


def _assignment(target: Target, of: GroupTargets, *, in_use: bool) -> Assignment:
    if target.draining:
        return DRAINING
    if not in_use:
        return NOT_IN_USE
    check = of.group.health_check
    return Probed(target.host, check.port or target.port, check, of.group.name)


def groups_named(actions: Iterable[Action]) -> frozenset[str]:
    """Return the groups that an action forwards to, also those that weigh 0 there.

    A group that none names is not in use, and its targets are not checked.
    """
    return frozenset(
        group.target_group
        for action in actions
        if isinstance(action, Forward)
        for group in action.groups
    )


@dataclass(frozen=True, slots=True)
class Watch:
    """One target's checks: the next is at `next_s`, the next that counts at `due_s`."""

    state: ProbeState
    due_s: float
    next_s: float
    haste: Haste = AT_EASE
    checked_s: float = -math.inf
    """When the last check ended."""


def begin(
    known: TargetHealth | None, interval_s: float, now_s: float, draw: float
) -> Watch:
    """Return the first watch of a target; `draw` in [0, 1) gives its phase.

    A target whose health is known keeps it and waits for its turn. A new one is
    checked at once, and counted half an interval later at the soonest.
    """
    state = adopted(known)
    if state.health.state is HealthState.INITIAL:
        return Watch(state, now_s + interval_s * (0.5 + draw), now_s)
    due_s = now_s + interval_s * draw
    return Watch(state, due_s, due_s)


def doubt(watch: Watch, check: HealthCheck, now_s: float, draw: float) -> Watch:
    """Return the watch once somebody could not reach the target, as of now.

    Its next check comes at once, or QUICK_S behind the last; `draw` in [0, 1) is for
    the many that fail together. Only of a healthy target is there any doubt: others
    are looked at in their own way.
    """
    if watch.haste.pause_s or watch.state.health.state is not HealthState.HEALTHY:
        return watch
    soonest_s = max(now_s, watch.checked_s + QUICK_S) + SPREAD_S * draw
    return _hastened(replace(watch, haste=begun(watch.haste)), check, soonest_s)


def _hastened(watch: Watch, check: HealthCheck, soonest_s: float) -> Watch:
    """Make the next check then, if it is not due before and there may be one more."""
    if soonest_s >= watch.due_s:
        return watch
    haste = one_more(watch.haste, check, soonest_s)
    if haste is None:
        return replace(watch, haste=replace(watch.haste, pause_s=0.0))
    return replace(watch, next_s=soonest_s, haste=haste)


def advance(
    watch: Watch, outcome: ProbeOutcome, check: HealthCheck, now_s: float
) -> Watch:
    """Return the watch after the check at `watch.next_s` had this outcome."""
    in_turn = watch.next_s >= watch.due_s
    due_s = next_due_s(watch.due_s, check.interval_s, now_s) if in_turn else watch.due_s
    if watch.state.health.state is HealthState.INITIAL:
        state = _before_judgement(watch, outcome, check, counted=in_turn)
        if state.health.state is HealthState.INITIAL:
            return Watch(state, due_s, min(due_s, now_s + EARLY_EVERY_S))
        return Watch(state, due_s, due_s, checked_s=now_s)
    state = observe(watch.state, outcome, check)
    went_out = goes_out(watch.state, state)
    if went_out and not in_turn and not watch.haste.has_failed:
        state, went_out = watch.state, False
    haste = watch.haste
    if not isinstance(outcome, NotMade):
        passed = passes(outcome, check)
        haste = followed(haste, state, check, went_out=went_out, passed=passed)
    # a check in haste and one in turn must not both meet the same blip
    next_s = due_s if in_turn else max(due_s, now_s + QUICK_S)
    following = Watch(state, due_s, next_s, haste, now_s)
    if not haste.pause_s:
        return following
    return _hastened(following, check, now_s + haste.pause_s)


def _before_judgement(
    watch: Watch, outcome: ProbeOutcome, check: HealthCheck, *, counted: bool
) -> ProbeState:
    """Return the state of a target that has not been judged: it is judged in turn,
    or by a check that passes."""
    if counted or passes(outcome, check):
        return observe(watch.state, outcome, check)
    if isinstance(outcome, NotMade):
        return watch.state
    return ProbeState(CHECKING, watch.state.against)


def next_due_s(due_s: float, interval_s: float, now_s: float) -> float:
    """Return when, at a fixed rate, the check after `due_s` is due; later than now.

    The time a check takes does not move the next. Turns that were missed are not
    made up for.
    """
    missed = max(0, math.floor((now_s - due_s) / interval_s))
    return due_s + (missed + 1) * interval_s
