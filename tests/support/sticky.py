"""A door with sticky groups, in memory; and browsers that keep cookies."""

from __future__ import annotations

import base64
import re

from alb.app.session_keys import keyring
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
from alb.policies import Concurrency, RetryPolicy
from alb.ports import SessionKey, SessionKeys
from alb.state.targets import TargetState
from tests.support.wires import TIMEOUTS, Wire, World, compiled

SECRET = base64.b64encode(b"0123456789abcdef").decode()
KEYS = SessionKeys((SessionKey("0000000a", SECRET, 0),))
LB_COOKIE = Stickiness(enabled=True, lb_cookie_duration_s=3600)
APP_COOKIE = Stickiness(
    enabled=True, type="app_cookie", app_cookie_name="sid", app_cookie_duration_s=3600
)
STICKY_HOUR = GroupStickiness(enabled=True, duration_s=3600)


class StickyWorld(World):
    """Groups by name with so many targets each; a target is ``group/number``."""

    retry = RetryPolicy()
    concurrency = Concurrency()

    def __init__(
        self,
        groups: dict[str, int],
        how: Stickiness = LB_COOKIE,
        *,
        weights: dict[str, int] | None = None,
        group_stickiness: GroupStickiness = GroupStickiness(),  # noqa: B008 - frozen
        spill_over: bool = False,
    ) -> None:
        self.how = how
        self.sizes = groups
        self.group_stickiness = group_stickiness
        self.spill_over = spill_over
        self.weights = weights or dict.fromkeys(groups, 1)
        super().__init__(attributes=TIMEOUTS)
        self.sessions.sealing = keyring(KEYS)

    @property
    def targets(self) -> list[TargetState]:
        groups = self.table.groups.values()
        return [target for group in groups for target in group.targets.values()]

    def publish(self, *targets: Target) -> None:
        """The door's first snapshot; `change` makes the next."""
        del targets
        self.change()

    def change(
        self, gone: tuple[str, ...] = (), draining: tuple[str, ...] = ()
    ) -> None:
        """Swap in a snapshot without some targets, or with some that drain."""
        forward = Forward(
            tuple(WeightedGroup(*one) for one in self.weights.items()),
            self.group_stickiness,
            self.spill_over,
        )
        listener = Listener(8080, forward, attributes=self.attributes)
        self._version += 1
        names = {
            group: [f"{group}/{n}" for n in range(self.sizes[group])]
            for group in self.sizes
        }
        contents = [
            GroupTargets(
                TargetGroup(
                    group,
                    stickiness=self.how,
                    retry=self.retry,
                    concurrency=self.concurrency,
                ),
                tuple(
                    Target(TargetId(name), "h", at, draining=name in draining)
                    for at, name in enumerate(members)
                    if name not in gone
                ),
            )
            for group, members in names.items()
        ]
        self.table.swap(
            Version(1, self._version), contents, [(listener, compiled(listener))], 0.0
        )
        if hasattr(self, "door"):
            (state,) = self.table.listeners.values()
            self.door.take(state)


class Browser:
    """Asks on a connection of its own each time, and keeps what it is told to."""

    def __init__(self, world: StickyWorld) -> None:
        self.world = world
        self.jar: dict[bytes, bytes] = {}
        self.answer = b""
        """The last response's head."""

    def ask(self, answer: bytes = b"", *, refused: int = 0, lines: bytes = b"") -> str:
        """Send one request; return the target that answered it.

        The first `refused` targets do not accept; `answer` are the lines of the
        response, `lines` those of the request.
        """
        client = self.send(lines)
        for _ in range(refused):
            self.world.refused()
        exchange, target = self.world.connects[0]
        del exchange
        wire = self.world.connected()
        wire.deliver(b"HTTP/1.1 200 OK%b\r\nContent-Length: 0\r\n\r\n" % answer)
        wire.lose()
        self.take(client)
        return str(target.id)

    def send(self, lines: bytes = b"") -> Wire:
        cookies = b"; ".join(b"=".join(one) for one in self.jar.items())
        cookie = b"Cookie: %b\r\n" % cookies if cookies else b""
        return self.world.client(
            b"GET / HTTP/1.1\r\nHost: a\r\n%b%b\r\n" % (cookie, lines)
        )

    def take(self, client: Wire) -> None:
        client.take()
        self.answer = client.sent.partition(b"\r\n\r\n")[0]
        for name, value in re.findall(rb"\r\nSet-Cookie: ([^=]+)=([^;]*)", self.answer):
            self.jar[name] = value

    @property
    def told(self) -> list[bytes]:
        """The names of the cookies that the last answer set."""
        return re.findall(rb"\r\nSet-Cookie: ([^=]+)=", self.answer)
