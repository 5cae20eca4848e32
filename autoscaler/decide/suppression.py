"""Decide whether a composite alarm's actions run now, wait, or are held back. Floor 1.

    its state changed --> WaitPeriod --------\
    suppressor in ALARM --> held back         }--> actions of the state it is in then
    suppressor left ALARM --> ExtensionPeriod /

A suppressor that goes into ALARM ends a wait; a state that changes begins a new one,
also in an extension. Actions run only for a change that had none yet.

Source: CloudWatch user guide, "Suppressing composite alarm actions", its examples.
"""

from __future__ import annotations

from typing import NamedTuple

from autoscaler.model import AlarmState, CompositeAlarm, SuppressedBy, Suppression


class Ruling(NamedTuple):
    """What holds actions back from now on, and the change to act on, if any."""

    suppression: Suppression | None
    act_from: AlarmState | None = None
    """The state before the change whose actions run now."""


def rule_on(
    alarm: CompositeAlarm,
    held: Suppression | None,
    changed_from: AlarmState | None,
    suppressor: AlarmState | None,
    now_unix_s: float,
) -> Ruling:
    """Return what becomes of `alarm`'s actions. Never raises.

    `held` is what held them back until now, `changed_from` the state that it has
    just left, if it has, and `suppressor` the suppressor's state.
    """
    before = changed_from
    if before is None and held is not None:
        before = held.before
    if not alarm.suppressor:
        return Ruling(None, before)
    if suppressor is AlarmState.ALARM:
        return Ruling(Suppression(SuppressedBy.ALARM, None, before))
    if changed_from is not None:
        by, until_s = SuppressedBy.WAIT_PERIOD, now_unix_s + alarm.wait_s
    elif held is None:
        return Ruling(None)
    elif held.by is SuppressedBy.ALARM:
        by, until_s = SuppressedBy.EXTENSION_PERIOD, now_unix_s + alarm.extension_s
    else:
        by, until_s = held.by, _until_s(alarm, held, now_unix_s)
    if until_s <= now_unix_s:
        return Ruling(None, before)
    return Ruling(Suppression(by, until_s, before))


def _until_s(alarm: CompositeAlarm, held: Suppression, now_unix_s: float) -> float:
    """Return when the period ends: never later than a whole one, whatever the clock."""
    waits = held.by is SuppressedBy.WAIT_PERIOD
    latest_s = now_unix_s + (alarm.wait_s if waits else alarm.extension_s)
    return latest_s if held.until_unix_s is None else min(held.until_unix_s, latest_s)
