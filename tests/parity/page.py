"""The pages made of the rows: python -m tests.parity.page ecs > docs/reference/…

Each page is one list of sections; who adds rows adds them to a section's file.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.parity import (
    alb_listeners,
    alb_observed,
    alb_requests,
    alb_targets,
    autoscaling_alarms,
    autoscaling_metrics,
    autoscaling_policies,
    ecs_instances,
    ecs_placement,
    ecs_services,
    ecs_tasks,
)
from tests.parity.rows import Row, Section, State


@dataclass(frozen=True, slots=True)
class Page:
    """One document, `docs/reference/NAME-parity.md`."""

    name: str
    of: str
    sections: tuple[Section, ...]

    @property
    def command(self) -> str:
        return f"python -m tests.parity.page {self.name}"

    @property
    def file(self) -> str:
        return f"docs/reference/{self.name}-parity.md"

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(row for section in self.sections for row in section.rows)


ALB: Final = Page(
    "alb",
    "Application Load Balancer",
    (
        *alb_listeners.SECTIONS,
        *alb_requests.SECTIONS,
        *alb_targets.SECTIONS,
        *alb_observed.SECTIONS,
    ),
)
ECS: Final = Page(
    "ecs",
    "Elastic Container Service",
    (
        *ecs_instances.SECTIONS,
        *ecs_tasks.SECTIONS,
        *ecs_services.SECTIONS,
        *ecs_placement.SECTIONS,
    ),
)
AUTOSCALING: Final = Page(
    "autoscaling",
    "CloudWatch and Application Auto Scaling",
    (
        *autoscaling_metrics.SECTIONS,
        *autoscaling_alarms.SECTIONS,
        *autoscaling_policies.SECTIONS,
    ),
)
PAGES: Final = {page.name: page for page in (ALB, ECS, AUTOSCALING)}


def text(page: Page) -> str:
    return "\n".join(_lines(page)) + "\n"


def _lines(page: Page) -> Iterator[str]:
    yield f"# {page.of}: what is here, row by row"
    yield ""
    yield f"Generated from `tests/parity`: `{page.command}`. A row that is"
    yield "*live* names the test that shows it; where it differs from AWS it says how."
    yield ""
    states = Counter(row.state for row in page.rows)
    yield ", ".join(f"{states[state]} {state.value}" for state in State) + "."
    for section in page.sections:
        yield ""
        yield f"## {section.title}"
        yield ""
        yield f"Source: {section.source}."
        yield ""
        yield "| | state | differs, or why not | test |"
        yield "|---|---|---|---|"
        yield from map(_line, section.rows)


def _line(row: Row) -> str:
    path, _, name = row.test.partition("::")
    shown = f"[{name}](../../tests/{path})" if row.test else ""
    cells = (row.what, row.state.value, row.note, shown)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.stdout.write(text(PAGES[sys.argv[1]]))
