"""The benchmark of a hundred tasks starts them, and leaves nothing behind."""

from __future__ import annotations

import pytest

from bench.tasks import Engine, median_ratio, scaled
from tests.support.engines import Engine as OwnEngine


def test_the_median_of_the_rounds_ratios_counts() -> None:
    assert 1.5 == median_ratio([(10.0, 15.0), (10.0, 90.0), (20.0, 20.0)])


@pytest.mark.needs("docker")
@pytest.mark.timeout(180)
def test_a_few_tasks_are_measured_both_ways(engine: OwnEngine) -> None:
    measured = Engine(engine.endpoint)
    measured.import_image()

    assert measured.run_loop(2) > 0
    assert scaled(measured, 2) > 0

    mine = "ancestor=alb-bench/httpd:1"
    assert "" == engine.docker("ps", "--all", "--quiet", "--filter", mine)
    engine.docker("image", "rm", "--force", "alb-bench/httpd:1")
