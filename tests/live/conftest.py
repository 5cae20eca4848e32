"""The numbers of runs under load, in the report of each test."""

from __future__ import annotations

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
