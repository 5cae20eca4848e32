"""The numbers of runs under load, in the report of each test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.evidence import Load, Note


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Note:
    """Write the numbers of a run into the test's report (`-rA`, --junitxml)."""

    def write(load: Load) -> None:
        numbers = load.numbers()
        request.node.user_properties.extend(numbers.items())
        told = ", ".join(f"{name} {value}" for name, value in numbers.items())
        request.node.add_report_section("call", "load", told)

    return write


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """Write down one number, or the seed, of a run."""

    def write(name: str, value: object) -> None:
        request.node.user_properties.append((name, value))
        request.node.add_report_section("call", name, str(value))

    return write
