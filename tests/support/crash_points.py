"""Kill control at every call of a story, start it again, and see the same end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from tests.support.cluster import Cluster, Crashed
from tests.support.virtual import run

WITHIN_S = 300.0


@dataclass(frozen=True, slots=True)
class Story:
    """`begun` makes a cluster at rest, `begin` what happens; then it has `tasks`."""

    begun: Callable[[], Awaitable[Cluster]]
    begin: Callable[[Cluster], Awaitable[None]]
    ended: Callable[[Cluster], bool]
    tasks: int

    async def tell(
        self, cluster: Cluster, see: Callable[[Cluster], None] | None = None
    ) -> None:
        async with cluster.running():
            await self.begin(cluster)
            await cluster.until(lambda: self.ended(cluster), within_s=WITHIN_S)
            if see is not None:
                see(cluster)

    def points(self) -> list[float]:
        """n.5: the call was never made; n: it took effect, and nobody heard of it."""
        return [half / 2 for half in range(1, 2 * run(self._calls()) + 1)]

    async def dies_at(self, point: float, see: Callable[[Cluster], None]) -> None:
        """Control dies there; `see` what is so when the next has ended the story."""
        cluster = await self.begun()
        cluster.calls.crash_at = cluster.calls.count + point
        with pytest.raises(ExceptionGroup) as death:
            await self.tell(cluster)
        assert death.value.subgroup(Crashed)

        cluster.restart()
        await self.tell(cluster, see)
        assert len(cluster.balancer.targets) == self.tasks
        left = [name for one in cluster.hosts.values() for name in one.containers]
        assert len(left) == self.tasks

    async def _calls(self) -> int:
        cluster = await self.begun()
        before = cluster.calls.count
        await self.tell(cluster)
        return cluster.calls.count - before
