"""Tell of alarms and command them by name: what people and programs ask of them."""

from __future__ import annotations

from collections.abc import Mapping

from autoscaler.app.autoscaler import Autoscaler
from autoscaler.app.by_hand import Wish
from autoscaler.model import AlarmState, AlarmView, CompositeAlarm
from controlplane.alarm_shapes import (
    alarm_document,
    datapoint_document,
    history_document,
)
from controlplane.api.ports import Document, StateWish
from controlplane.errors import AlarmNotFound


class AlarmCommands:
    """Implements `api.ports.Alarms`."""

    def __init__(self, scaler: Autoscaler) -> None:
        self._scaler = scaler

    def listed(self, prefix: str, state: str) -> Document:
        views = [
            view
            for name, view in sorted(self._scaler.alarms().items())
            if name.startswith(prefix) and state in {"", view.state.value}
        ]
        composite = [isinstance(view.definition, CompositeAlarm) for view in views]
        documents = [alarm_document(view) for view in views]
        pairs = list(zip(documents, composite, strict=True))
        return {
            "MetricAlarms": [document for document, is_it in pairs if not is_it],
            "CompositeAlarms": [document for document, is_it in pairs if is_it],
        }

    def described(self, alarm: str) -> Document:
        """Raises AlarmNotFound."""
        view = self._find(alarm)
        return {
            **alarm_document(view),
            "Datapoints": [datapoint_document(one) for one in view.datapoints],
        }

    def history(self, alarm: str) -> Document:
        """Raises AlarmNotFound."""
        view = self._find(alarm)
        composite = isinstance(view.definition, CompositeAlarm)
        kind = "CompositeAlarm" if composite else "MetricAlarm"
        items = reversed(self._scaler.alarm_history(alarm))
        return {"AlarmHistoryItems": [history_document(one, kind) for one in items]}

    async def set_state(self, alarm: str, wish: StateWish) -> None:
        """Raises AlarmNotFound, CommitFailed."""
        self._find(alarm)
        state = AlarmState(wish.state)
        await self._scaler.set_alarm_state(
            alarm, Wish(state, wish.reason, wish.reason_data)
        )

    async def enable(self, alarm: str, *, enabled: bool) -> None:
        """Raises AlarmNotFound, CommitFailed."""
        self._find(alarm)
        await self._scaler.enable_alarm_actions(alarm, enabled=enabled)

    def _find(self, name: str) -> AlarmView:
        known: Mapping[str, AlarmView] = self._scaler.alarms()
        if name not in known:
            raise AlarmNotFound(name, known)
        return known[name]
