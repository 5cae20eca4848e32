"""What hosts say of themselves, as ECS names it."""

import pytest

from scheduler.drivers.host import own_attributes


@pytest.mark.parametrize(
    ("told", "architecture"),
    [("x86_64", "x86_64"), ("amd64", "x86_64"), ("aarch64", "arm64"), ("arm64", "arm64")],
)  # fmt: skip
def test_architectures_have_ecs_names(told: str, architecture: str) -> None:
    assert {
        "ecs.os-type": "linux",
        "ecs.os-family": "LINUX",
        "ecs.cpu-architecture": architecture,
    } == own_attributes("Linux", told)
