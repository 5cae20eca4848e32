"""Ask control how things are, and turn its answer into what the demo shows.

The document is the one that `alb status --output json` prints; see
`controlplane.views`. Times are unix seconds.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from controlplane.client import Control, Document, Event
from controlplane.demo.main import State
from controlplane.demo.verdict import Scaling
from controlplane.demo.view import ServiceRow

ASK_S: Final = 0.8
EVENTS_KEPT: Final = 100
NOTHING_SCALED: Final = frozenset({"Failed", "Unfulfilled"})
REPETITIONS: Final = (
    "did not scale",
    "Successfully set desired count",
    "updated desired count",
    "minimum 1 datapoint for INSUFFICIENT_DATA -> OK",
)
TASK_ID: Final = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{24}\b")
"""Shown by their first digits, as `alb status` does."""


class Watch:
    """Looks again and again; remembers the events it was told."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._since = 0
        self._events: deque[Event] = deque(maxlen=EVENTS_KEPT)

    async def look(self) -> State:
        """Return how things are now. Raises ClientError."""
        return await asyncio.to_thread(self._look)

    def _look(self) -> State:
        document = self._control.get("/v1/state", ASK_S)
        self._events.extend(self._control.events(self._since, ASK_S))
        if self._events:
            self._since = self._events[-1].id
        return state_of(document, tuple(self._events))


def state_of(document: Document, events: Sequence[Event]) -> State:
    """Return what the demo needs of /v1/state and of the events so far."""
    return State(
        services=tuple(_rows(document)),
        events=tuple(
            (event.unix_s, sentence(event)) for event in events if is_news(event)
        ),
        scalings=tuple(_scalings(document)),
    )


def is_news(event: Event) -> bool:
    """Leave out what says again what another event has said."""
    return not any(words in event.message for words in REPETITIONS)


def sentence(event: Event) -> str:
    """Return an event as a line; ECS's own already begin with their subject."""
    text = TASK_ID.sub(r"\1", event.message)
    return text if text.startswith("(") else f"{event.subject}: {text}"


def _rows(document: Document) -> Iterator[ServiceRow]:
    """Yield the services, each with its alarms."""
    alarms = list(objects(document, "alarms"))
    for service in objects(document, "services"):
        name = str(service["serviceName"])
        mine = [alarm for alarm in alarms if alarm["resource"] == name]
        high = _alarm(mine, "Greater")
        low = _alarm(mine, "Less")
        yield ServiceRow(
            name=name,
            desired=int(number(service, "desiredCount")),
            running=int(number(service, "runningCount")),
            healthy=int(number(service, "healthyCount")),
            cpu_percent=_known(high, "value"),
            threshold_high=_known(high, "threshold") or 0.0,
            threshold_low=_known(low, "threshold") or 0.0,
            alarms=tuple((str(one["name"]), str(one["state"])) for one in mine),
        )


def _alarm(alarms: Sequence[Document], comparison: str) -> Document:
    """Return the alarm that compares so; an empty one when there is none."""
    for alarm in alarms:
        if str(alarm["comparisonOperator"]).startswith(comparison):
            return alarm
    return {}


def _scalings(document: Document) -> Iterator[Scaling]:
    for activity in objects(document, "scalingActivities"):
        if activity["statusCode"] not in NOTHING_SCALED:
            yield Scaling(
                at_s=number(activity, "startTime"),
                service=str(activity["resource"]),
                before=int(number(activity, "fromCapacity")),
                after=int(number(activity, "toCapacity")),
                by_alarm=bool(activity.get("policy")),
            )


def objects(document: Document, name: str) -> Iterator[Document]:
    """Yield the objects listed under `name`."""
    listed = document[name]
    assert isinstance(listed, list), f"{name} is not a list"
    for one in listed:
        assert isinstance(one, Mapping), f"{name} lists something else than objects"
        yield one


def number(document: Document, name: str) -> float:
    value = document[name]
    assert isinstance(value, int | float), f"{name} is not a number"
    return value


def _known(document: Document, name: str) -> float | None:
    return None if document.get(name) is None else number(document, name)
