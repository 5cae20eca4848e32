"""What an alarm does when it changes its state, besides scaling. Floor 0: values only.

Source: CloudWatch API (PutMetricAlarm: OKActions, AlarmActions,
InsufficientDataActions, ActionsEnabled). Where AWS names a topic by its ARN, here
stands what is called itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from foundation.surroundings import shown_url


@dataclass(frozen=True, slots=True)
class Webhook:
    """POST the alarm's message, as JSON, to `url`."""

    url: str

    @property
    def name(self) -> str:
        """As people may see it."""
        return shown_url(self.url)


@dataclass(frozen=True, slots=True)
class Command:
    """Run a program, without a shell, with the alarm in its environment."""

    argv: tuple[str, ...]

    @property
    def name(self) -> str:
        return " ".join(self.argv)


Action = Webhook | Command


@dataclass(frozen=True, slots=True)
class AlarmActions:
    """What runs when an alarm goes into each of its states."""

    ok: tuple[Action, ...] = ()
    alarm: tuple[Action, ...] = ()
    insufficient_data: tuple[Action, ...] = ()
    enabled: bool = True


NO_ACTIONS: Final = AlarmActions()


@dataclass(frozen=True, slots=True)
class Notice:
    """One action that has to run, written down with the decision to run it.

    It is removed once the action has ended, one way or the other: a restart runs
    what was not known to have ended again, under the same key.
    """

    key: str
    """Unique, and the same however often it is sent."""
    alarm: str
    state: str
    reason: str
    action: Action
    message: str
    """JSON, in the shape of what CloudWatch sends to a topic."""
    unix_s: float
