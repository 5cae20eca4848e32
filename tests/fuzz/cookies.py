"""Cookies as clients send and forge them: a session is held by what was sealed, alone.

Besides what is drawn, inputs are made of values that were sealed: for this group,
for another, for another purpose, by another key, long ago. Bytes that are none of
these open nothing, however close they come.
"""

from __future__ import annotations

import base64
import functools
import itertools
import random
from collections.abc import Iterator
from typing import Final

from alb.decide.cookies import TRIED_MAX, CookieName
from alb.decide.head import scan_request
from alb.decide.request import RequestHead
from alb.decide.sealing import Keyring
from alb.errors import Refused
from alb.model import (
    Forward,
    GroupStickiness,
    GroupTargets,
    Listener,
    Stickiness,
    Target,
    TargetGroup,
    TargetId,
    Version,
    WeightedGroup,
)
from alb.ports import SessionKey
from alb.state.counters import ListenerCounters
from alb.state.sessions import (
    APP_COOKIE,
    GROUP_COOKIE,
    TARGET_COOKIE,
    Session,
    Sessions,
)
from alb.state.table import ForwardTo, Table
from tests.support.wires import compiled

NOW: Final = 1_700_000_000
HOUR_S: Final = 3600
OURS: Final = (b"AWSALB", b"AWSALBCORS", b"AWSALBTG", b"AWSALBTGCORS", b"AWSALBAPP-0")
NAMES: Final = (*OURS, b"s.d*")
"""The application's own has letters that expressions are made of."""
_FIELDS: Final = {b"c": b"\r\nCookie:", b"C": b"\r\nCOOKIE: "}
_CONTROLS: Final = bytes({*range(32), 127} - {*b"\t\n"})
GONE: Final = "web/9"
"""A target that the group does not have."""


def _ring(name: str, secret: bytes) -> Keyring:
    key = SessionKey(name, base64.b64encode(secret).decode(), 0)
    return Keyring((key,), random.Random(name).randbytes)  # noqa: S311 - a test's


_RING: Final = _ring("0000000a", b"0123456789abcdef")
_STRANGER: Final = _ring("0000000a", b"another one's 16")
_TARGETS: Final = {"web": ("web/0", "web/1"), "app": ("app/0", "app/1")}
SEALED: Final = {
    _RING.seal(about, text, at): (about, text, at)
    for about, text, at in (
        *(
            (b"AWSALB web", text, NOW - 5)
            for text in (b"web/0", b"web/1", GONE.encode())
        ),
        (b"AWSALB web", b"web/0", NOW - HOUR_S - 1),
        (b"AWSALB app", b"app/0", NOW),
        *((b"AWSALBAPP-0 app", b"app/%d" % n, NOW - HOUR_S) for n in (0, 1)),
        (b"AWSALBAPP-0 web", b"web/0", NOW),
        *((GROUP_COOKIE, name, NOW) for name in (b"web", b"app", b"none")),
        (GROUP_COOKIE, b"app", NOW - HOUR_S - 1),
    )
}
"""What each value says, and since when."""
_FORGED: Final = _STRANGER.seal(b"AWSALB web", b"web/0", NOW)


@functools.cache
def _forward() -> ForwardTo:
    table = Table(0)
    action = Forward(
        (WeightedGroup("web"), WeightedGroup("app")),
        GroupStickiness(enabled=True, duration_s=HOUR_S),
    )
    listener = Listener(80, action)
    how = {
        "web": Stickiness(enabled=True, lb_cookie_duration_s=HOUR_S),
        "app": Stickiness(
            enabled=True,
            type="app_cookie",
            app_cookie_name="s.d*",
            app_cookie_duration_s=HOUR_S,
        ),
    }
    contents = [
        GroupTargets(
            TargetGroup(group, stickiness=how[group]),
            tuple(Target(TargetId(name), "h", 1) for name in names),
        )
        for group, names in _TARGETS.items()
    ]
    table.swap(Version(1, 1), contents, [(listener, compiled(listener))], 0.0)
    (state,) = table.listeners.values()
    act = state.acts[-1]
    assert isinstance(act, ForwardTo)
    return act


def cookies(data: bytes) -> None:
    assert (_RING.open(b"AWSALB web", data, 0) is None) != (
        SEALED.get(data, (b"",))[0] == b"AWSALB web"
    )
    head = _head(data)
    if head is None:
        return
    for name in NAMES:
        assert CookieName(name).values(head.block) == _values(head, name)
    act = _forward()
    session, held = _session(head), _held_by(head, GROUP_COOKIE, b"AWSALBTG")
    group = session.choose(act)
    assert group is not None
    assert held not in (b"web", b"app") or group.name.encode() == held
    for each in act.groups.values():
        _stays(head, each.name)


def _head(data: bytes) -> RequestHead | None:
    """Read a head of these lines: one that begins with a ``c`` has cookies in it."""
    lines = [
        _FIELDS.get(line[:1], b"\r\nX: ") + line[1:]
        for line in data.translate(None, _CONTROLS).split(b"\n")
    ]
    try:
        found = scan_request(b"GET / HTTP/1.1\r\nHost: a%b\r\n\r\n" % b"".join(lines))
    except Refused:
        return None
    return None if found is None else found[0]


def _values(head: RequestHead, name: bytes) -> list[bytes]:
    """The values of a cookie, by RFC 6265 read plainly."""
    found: list[bytes] = []
    for header, line in head.pairs():
        pairs = line.split(b";") if header == b"cookie" else []
        found += [
            pair.lstrip(b" \t")[len(name) + 1 :].strip(b" \t")
            for pair in pairs
            if pair.lstrip(b" \t").startswith(name + b"=")
        ]
    return found[:TRIED_MAX]


def _held_by(head: RequestHead, about: bytes, name: bytes) -> bytes | None:
    """What the first value says that was sealed for this and has not ended."""
    twin = [] if name == APP_COOKIE else _values(head, name + b"CORS")
    for value in (*_values(head, name), *twin):
        said = SEALED.get(value)
        if said is not None and said[0] == about and said[2] >= NOW - HOUR_S:
            return said[1]
    return None


def _stays(head: RequestHead, name: str) -> None:
    """Held to what was sealed if it is there; the answer's cookies hold to the same."""
    group = _forward().groups[name]
    if name == "web":
        held = _held_by(head, b"AWSALB web", TARGET_COOKIE)
    else:
        came = _values(head, b"s.d*")
        held = _held_by(head, b"AWSALBAPP-0 app", APP_COOKIE) if came else None
    session = _session(head)
    target = session.target(group, 0.0, frozenset())
    present = {one.encode() for one in _TARGETS[name]}
    assert (None if target is None else target.id.encode()) == (
        held if held in present else None
    )
    chosen = TargetId(f"{name}/1")
    told = session.cookies(group, chosen, b"\r\nSet-Cookie: s.d*=1")
    kept = b"; ".join([b"s.d*=1", *_set(told)])
    again = _head(b"c" + kept)
    assert again is not None, "what we set can be sent back"
    stayed = _session(again).target(group, 0.0, frozenset())
    assert stayed is not None
    assert stayed.id == chosen


def _set(lines: bytes) -> Iterator[bytes]:
    for line in lines.split(b"\r\n")[1:]:
        name, _, rest = line.partition(b": ")
        assert name == b"Set-Cookie"
        yield rest.partition(b";")[0]


def _session(head: RequestHead) -> Session:
    sessions = Sessions(lambda: float(NOW))
    sessions.sealing = _RING
    return Session(sessions, head, ListenerCounters())


WORDS: Final = (
    *(b"\nc", b"\nC", b"\nc\t", b"\nx", b"; ", b";", b" ", b"\t", b"=", b'"', b"a=1; "),
    *(b"a ", b"A", b"_", b"%3D", b"s", b"*", b"\xff", _FORGED),
    *(name + b"=" for name in NAMES),
    *SEALED,
    *(value[:-1] for value in SEALED),
    *(b"\nca=1; %b=%b;\n" % pair for pair in itertools.product(NAMES, SEALED)),
)
