"""The page made of the rows: python -m tests.parity.page > docs/reference/alb-parity.md"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator

from tests.parity import alb_listeners, alb_observed, alb_requests, alb_targets
from tests.parity.rows import Row, Section, State

SECTIONS: tuple[Section, ...] = (
    *alb_listeners.SECTIONS,
    *alb_requests.SECTIONS,
    *alb_targets.SECTIONS,
    *alb_observed.SECTIONS,
)


def page() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Application Load Balancer: what is here, row by row"
    yield ""
    yield "Generated from `tests/parity`: `python -m tests.parity.page`. A row that is"
    yield "*live* names the test that shows it; where it differs from AWS it says how."
    yield ""
    states = Counter(row.state for section in SECTIONS for row in section.rows)
    yield ", ".join(f"{states[state]} {state.value}" for state in State) + "."
    for section in SECTIONS:
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
    sys.stdout.write(page())
