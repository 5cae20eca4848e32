"""One node for a whole module: starting processes for each test tells nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.node import Handler, Node, Origin, run_node


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    state_dir: Path = tmp_path_factory.mktemp("node")
    async with run_node(state_dir, workers=1) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def origins(node: Node) -> AsyncIterator[Callable[..., object]]:
    """Start targets that end with the test."""
    started: list[Origin] = []

    async def start(handler: Handler | None = None) -> Origin:
        origin = await Origin(handler).start()
        started.append(origin)
        return origin

    yield start
    node.hang_up()
    for origin in started:
        origin.drop()
