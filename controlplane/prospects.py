"""What a request would meet in one target group: who may be picked, and how often.

Told of a group on the stage (`rehearsal`), so by the state that workers choose by.
Absent: the turn, which only a worker knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from alb.decide.cookies import CookieName
from alb.decide.rendezvous import NO_SLOT
from alb.decide.retry import (
    ATTEMPTS_MAX,
    Attempted,
    Retries,
    may_follow_reset,
    may_follow_status,
)
from alb.model import (
    GroupTargets,
    HealthState,
    Target,
    TargetId,
    TargetObservation,
)
from alb.state.counters import ListenerCounters
from alb.state.groups import GroupState
from alb.state.sessions import (
    APP_COOKIES,
    GROUP_COOKIES,
    TARGET_COOKIES,
    Session,
)
from alb.state.table import ForwardTo
from controlplane.api.ports import Document
from controlplane.known import Known
from controlplane.reasons import Asked
from controlplane.rehearsal import NOW_S, Played, Stage

FULL_SHARE: Final = 1.0


@dataclass(frozen=True, slots=True)
class Held:
    """What a cookie that came, or did not, decides: a group or a target, or nothing."""

    by: str = ""
    """The cookie's name."""
    to: str = ""
    why: str = ""

    def told(self) -> dict[str, object]:
        return {"cookie": self.by, "heldTo": self.to or None, "why": self.why}


def held_group(stage: Stage, act: ForwardTo, asked: Asked) -> Held:
    """Return which group the client's cookie holds it to."""
    session = _session(stage, asked)
    came = _came(GROUP_COOKIES, asked)
    if not came:
        return Held("AWSALBTG", "", "did not come: weights choose")
    opened = session.named_group(act)
    if opened is None:
        return Held(came, "", _unread(act.action.stickiness.duration_s, stage))
    name = opened.decode()
    group = act.groups.get(name)
    if name not in {one.target_group for one in act.action.groups} or group is None:
        return Held(came, "", f"names {name}, which is none of these groups")
    if not act.serves(group):
        return Held(came, "", f"names {name}, which has no targets and spills over")
    return Held(came, name, f"names {name}")


def held_target(stage: Stage, group: GroupState, asked: Asked) -> Held:
    """Return which target of a sticky group the client's cookies hold it to."""
    how = group.stickiness
    names = APP_COOKIES if how.type == "app_cookie" else TARGET_COOKIES
    came = _came(names, asked)
    if not came:
        return Held(names[0].name.decode(), "", "did not come: the algorithm chooses")
    if how.type == "app_cookie" and not group.app_cookie.values(asked.head.block):
        missing = how.app_cookie_name
        return Held(came, "", f"came without {missing}: the algorithm chooses")
    name = _session(stage, asked).named_target(group)
    if name is None:
        return Held(came, "", _unread(how.duration_s, stage))
    if name not in group.targets:
        return Held(came, "", f"names {name}, which is not registered any more")
    if group.eligible_target(name) is None:
        return Held(came, "", f"names {name}, which may not be picked now")
    return Held(came, name, f"names {name}")


def _unread(duration_s: float, stage: Stage) -> str:
    if not stage.keys_are_known:
        return "cannot be read here: the node's keys are not at hand"
    return f"is not one that this node made for it in the last {duration_s:.0f} s"


def _came(names: Iterable[CookieName], asked: Asked) -> str:
    """Return the first of these cookies that the request brings, if any."""
    for name in names:
        if name.values(asked.head.block):
            return name.name.decode()
    return ""


def _session(stage: Stage, asked: Asked) -> Session:
    return Session(stage.sessions, asked.head, ListenerCounters())


def prospect(
    stage: Stage, content: GroupTargets, asked: Asked, known: Known, played: Played
) -> dict[str, object]:
    """Tell of one group, which the file has with its fixed targets; `played` is how
    the request fares if it goes there."""
    wanted = content.group
    group = stage.table.groups[wanted.name]
    told: dict[str, object] = {
        "algorithm": wanted.algorithm.type,
        "hashedOn": wanted.algorithm.hash_on if group.hash_key else None,
        "eligibleTargets": [t.id for t in group.eligible if known.observed],
        "failOpen": group.fails_open and bool(group.eligible and known.observed),
        "targets": _targets(group, content.targets, known),
    }
    if played.status:
        told |= {"statusCode": played.status, "reason": played.reason}
    held = Held()
    if group.sticky:
        how = group.stickiness
        held = held_target(stage, group, asked)
        told["stickiness"] = {
            "type": how.type,
            "durationSeconds": how.duration_s,
            **({"appCookieName": how.app_cookie_name} if how.app_cookie_name else {}),
            **held.told(),
        }
    because = _why(group, asked, played, held) if known.observed else ""
    if because:
        told |= {"target": played.target, "because": because}
    if wanted.slow_start_s:
        told["slowStartSeconds"] = wanted.slow_start_s
    if group.limit is not None:
        told["maxConcurrency"] = _cap(group, known, played)
    told["retries"] = _retries(group.retries, played.attempted)
    return told


def _why(group: GroupState, asked: Asked, played: Played, held: Held) -> str:
    """Say why it can be none but that target; nothing where it may be another's turn,
    or no target's."""
    if played.target is None:
        return ""
    if played.target == held.to:
        return held.by
    if len(group.eligible) == 1:
        return "the only one that may be picked"
    key = group.hash_key
    if key is not None and key.slot(asked.head, asked.peer_ip) != NO_SLOT:
        return "the hash"
    return ""


def _targets(
    group: GroupState, fixed: Iterable[Target], known: Known
) -> list[Document]:
    observed = known.observed or {}
    shares = group.shares(NOW_S)
    eligible = {target.id for target in group.eligible}
    cap = 0 if group.limit is None else group.limit.policy.max_per_target
    told: list[Document] = []
    for target_id, seen in observed.items():
        if seen.group == group.name:
            share = shares.get(target_id) if target_id in eligible else 0.0
            told.append(
                {
                    **_seen(target_id, seen),
                    "eligible": target_id in eligible,
                    "share": share,
                    "full": bool(cap) and seen.in_flight >= cap,
                }
            )
    told += [
        {"id": target.id, "state": None, "eligible": None}
        for target in fixed
        if target.id not in observed
    ]
    return told


def _seen(target_id: TargetId, seen: TargetObservation) -> dict[str, object]:
    told: dict[str, object] = {
        "id": target_id,
        "state": seen.health.state.value,
        "reason": seen.health.reason.value,
        "description": seen.health.description,
        "inFlight": seen.in_flight,
    }
    if seen.ramp < FULL_SHARE:
        told["slowStart"] = seen.ramp
    if seen.weight < FULL_SHARE:
        told["anomalyMitigation"] = seen.weight
    return told


def _cap(group: GroupState, known: Known, played: Played) -> Document:
    assert group.limit is not None
    policy = group.limit.policy
    return {
        "maxPerTarget": policy.max_per_target,
        "queueLength": policy.queue_length,
        "queueTimeoutSeconds": policy.queue_timeout_s,
        "waiting": known.waiting.get(group.name, 0),
        "waits": played.waits,
    }


def _retries(retries: Retries | None, attempted: Attempted | None) -> Document:
    """Say what is sent again, as of this request."""
    told: dict[str, object] = {"attempts": ATTEMPTS_MAX}
    if retries is None or attempted is None:
        return told
    policy = retries.policy
    statuses = [
        [low, high]
        for low, high in policy.on_status_codes
        if may_follow_status(retries, attempted, low)
    ]
    return {
        **told,
        "onReset": may_follow_reset(retries, attempted),
        "onStatusCodes": statuses,
        "budgetPercent": policy.budget_percent,
        "budgetMinimum": policy.budget_minimum,
    }


def registered(content: GroupTargets, known: Known) -> GroupTargets:
    """Return a group with its targets as far as they are known, by identity alone.

    Where nobody was asked, and the file names none, one stands for all of them.
    """
    if known.observed is None:
        somebody = Target(TargetId(""), "", 0)
        return GroupTargets(content.group, content.targets or (somebody,))
    return GroupTargets(
        content.group,
        tuple(
            Target(id_, "", 0, draining=seen.health.state is HealthState.DRAINING)
            for id_, seen in known.observed.items()
            if seen.group == content.group.name
        ),
    )
