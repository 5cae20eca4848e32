"""Which target, and which group, a request's cookies hold it to. Floor 2.

    request --> Session --> group, target it stays with --> the answer's cookies

A cookie names a registration, never an address, and says when it was sealed. One
that cannot be read, has lasted too long, or names what may not be picked now
leads to a new choice and a new cookie; so a session that had to move has moved.
The duration begins anew with every answer.

Absent: what is not sticky. Such a request has no `Session`.

Source: ALB user guide, "Sticky sessions"; ELB CloudWatch metrics.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from typing import Final, Protocol

from alb.decide.cookies import (
    LIFETIME_S,
    CookieName,
    set_cookie,
    set_cookie_pair,
)
from alb.decide.request import RequestHead
from alb.model import TargetId
from alb.state.counters import ListenerCounters
from alb.state.groups import GroupState
from alb.state.table import ForwardTo
from alb.state.targets import TargetState

TARGET_COOKIE: Final = b"AWSALB"
GROUP_COOKIE: Final = b"AWSALBTG"
APP_COOKIE: Final = b"AWSALBAPP-0"
"""ALB has four, for long values; ours never needs a second."""
COOKIE_INVALID: Final = b"AWSALBTGCookieInvalid"
"""AWS's error reason."""
_EXPIRES_EVERY_S: Final = 60

TARGET_COOKIES: Final = (CookieName(TARGET_COOKIE), CookieName(b"AWSALBCORS"))
GROUP_COOKIES: Final = (CookieName(GROUP_COOKIE), CookieName(b"AWSALBTGCORS"))
APP_COOKIES: Final = (CookieName(APP_COOKIE),)


class Sealing(Protocol):
    """What makes values that only we can make. See decide.sealing.Keyring."""

    def seal(self, about: bytes, text: bytes, unix_s: int) -> bytes: ...

    def open(self, about: bytes, value: bytes, since_unix_s: int) -> bytes | None: ...


class Sessions:
    """What one worker needs to keep sessions. Without keys every choice is new."""

    def __init__(self, unix_s: Callable[[], float]) -> None:
        self.unix_s = unix_s
        self.sealing: Sealing | None = None
        self._expires = b""
        self._expires_of = -1

    def expires(self, unix_s: int) -> bytes:
        """Return when a cookie that is set now ends, to the minute."""
        at = unix_s - unix_s % _EXPIRES_EVERY_S
        if at != self._expires_of:
            self._expires_of = at
            self._expires = formatdate(at + LIFETIME_S, usegmt=True).encode()
        return self._expires


class Session:
    """One request's place in a session."""

    group_cookie_invalid = False
    """A cookie for a group came that we did not make, or not like this."""
    _forward: ForwardTo | None = None
    """Set where the group is kept too."""
    _target_id: TargetId | None = None
    _is_read = False
    _continues = False
    """The application's cookie came, and ours behind it."""
    _is_new = False

    def __init__(
        self, sessions: Sessions, head: RequestHead, counters: ListenerCounters
    ) -> None:
        self._sessions = sessions
        self._head = head
        self._counters = counters
        self._unix_s = int(sessions.unix_s())

    # --- what came ----------------------------------------------------------------

    def choose(self, act: ForwardTo) -> GroupState | None:
        """Return the group that this client was sent to before, else by weight.

        A group that weighs 0 now keeps the clients it has; so does one that has no
        targets, unless what it cannot serve is to spill over.
        """
        self._forward = act
        name = self.named_group(act)
        if name is None:
            return act.choose()
        for weighted in act.action.groups:
            if weighted.target_group.encode() == name:
                group = act.groups.get(weighted.target_group)
                if group is not None and act.serves(group):
                    return group
        return act.choose()

    def named_group(self, act: ForwardTo) -> bytes | None:
        """Return the group that the client's cookie names, of `act` or not."""
        duration_s = int(act.action.stickiness.duration_s)
        return self._open(GROUP_COOKIES, GROUP_COOKIE, duration_s)

    def target(
        self, group: GroupState, now_s: float, tried: frozenset[TargetId]
    ) -> TargetState | None:
        """Return the target that this client stays with; None: choose one."""
        if not group.sticky:
            return None
        target_id = self.named_target(group)
        if target_id is not None and target_id not in tried:
            target = group.eligible_target(target_id)
            if target is not None and target.avoid_until_s <= now_s:
                return target
        self._count_new(group)
        return None

    def named_target(self, group: GroupState) -> TargetId | None:
        """Return the target that the client's cookies name, there still or not."""
        if not self._is_read:
            self._is_read = True
            self._target_id = self._read_target(group)
        return self._target_id

    def _read_target(self, group: GroupState) -> TargetId | None:
        how = group.stickiness
        duration_s = int(how.duration_s)
        if how.type != "app_cookie":
            text = self._open(TARGET_COOKIES, _about(TARGET_COOKIE, group), duration_s)
        elif group.app_cookie.values(self._head.block):
            text = self._open(APP_COOKIES, _about(APP_COOKIE, group), duration_s)
            self._continues = text is not None
        else:
            text = None
        return None if text is None else TargetId(text.decode())

    def _open(
        self, names: tuple[CookieName, ...], about: bytes, duration_s: int
    ) -> bytes | None:
        """Return what the first good one of these cookies says."""
        sealing = self._sessions.sealing
        if sealing is None:
            return None
        for name in names:
            for value in name.values(self._head.block):
                text = sealing.open(about, value, self._unix_s - duration_s)
                if text is not None:
                    return text
                if about == GROUP_COOKIE:
                    self.group_cookie_invalid = True
        return None

    def _count_new(self, group: GroupState) -> None:
        if self._is_new:
            return
        self._is_new = True
        if group.stickiness.type == "app_cookie":
            self._counters.app_cookie_non_sticky += 1
        else:
            self._counters.non_sticky += 1

    # --- what goes back -----------------------------------------------------------

    def cookies(self, group: GroupState, target: TargetId, lines: bytes) -> bytes:
        """Return the lines that keep this client with `target`, each behind its CRLF.

        `lines` are the response's own, in which the application may set its cookie.
        """
        sealing = self._sessions.sealing
        if sealing is None:
            return b""
        now = self._unix_s
        expires = self._sessions.expires(now)
        told = b""
        if self._forward is not None:
            name = group.name.encode()
            value = sealing.seal(GROUP_COOKIE, name, now)
            told = set_cookie_pair(GROUP_COOKIE, value, expires)
        if not group.sticky:
            return told
        if target != self._target_id:
            self._count_new(group)  # its own had no room, or did not answer well
        text = target.encode()
        if group.stickiness.type != "app_cookie":
            value = sealing.seal(_about(TARGET_COOKIE, group), text, now)
            return told + set_cookie_pair(TARGET_COOKIE, value, expires)
        if self._continues or group.app_cookie.is_set_in(lines):
            value = sealing.seal(_about(APP_COOKIE, group), text, now)
            return told + set_cookie(APP_COOKIE, value, expires)
        return told


def _about(cookie: bytes, group: GroupState) -> bytes:
    return b"%b %b" % (cookie, group.name.encode())
