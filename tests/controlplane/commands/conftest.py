"""Every command is run in a place of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_place import STATE, VALID, Place
from tests.support.fake_control import FakeControl, Reply


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Place]:
    (tmp_path / "alb.yaml").write_text(VALID)
    (tmp_path / ".alb").mkdir()
    control = FakeControl()
    control.replies["GET /v1/state"] = Reply(STATE)
    with control.on(tmp_path / ".alb" / "control.sock"):
        yield Place(tmp_path, control, capsys)
