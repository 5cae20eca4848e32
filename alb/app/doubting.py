"""Tells the prober, through the keeper, whom a worker could not reach. Floor 4."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from alb.drivers.link import Link
from alb.ports import Doubted
from alb.state.doubts import Doubts
from alb.state.targets import TargetState


class Doubting:
    """One worker's doubts: those of one turn of its loop are told together."""

    def __init__(self, link: Callable[[], Link], now_s: Callable[[], float]) -> None:
        """`link` returns that to the keeper of the moment."""
        self._link = link
        self._now_s = now_s
        self._doubts = Doubts()

    def __call__(self, target: TargetState) -> None:
        if self._doubts.add(target, self._now_s()):
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._link().send(Doubted(self._doubts.take()))
