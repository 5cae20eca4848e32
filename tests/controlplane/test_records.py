"""A restart needs no file: what was applied is in the state file, whole."""

from pathlib import Path

import pytest

from controlplane import records
from controlplane.cluster_file import ClusterFile, load
from controlplane.records import Applied
from controlplane.store import Store
from foundation.journal import Put

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
VARIABLES = {"ALB_PYTHON": "python3"}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
async def test_an_applied_file_is_found_as_it_was(config: Path, tmp_path: Path) -> None:
    text = config.read_text()  # noqa: ASYNC240 - a test may wait for its disk
    content: ClusterFile = load(config.name, text, VARIABLES)
    applied = Applied(
        config.name, "/somewhere", text, content, VARIABLES, ("172.17.0.1",), content
    )

    async def opened() -> Store:
        path = tmp_path / "cluster.db"
        return await Store.open(path, records.codec(), new_uid="u")

    store = await opened()
    await store.commit([Put(records.APPLIED, "file", applied)])
    await store.close()
    again = await opened()
    await again.close()

    assert {"file": applied} == again.load()[records.APPLIED]
