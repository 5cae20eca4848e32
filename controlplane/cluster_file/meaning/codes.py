"""Lists of status codes, as AWS writes them: "200", "200,202", "200-299". Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.record import Findings, Record


@dataclass(frozen=True, slots=True)
class Codes:
    """Which codes a field takes, and what one would look like."""

    low: int
    high: int
    example: str


def code_ranges(
    record: Record, name: str, codes: Codes, findings: Findings
) -> tuple[tuple[int, int], ...]:
    """Return the inclusive ranges that field `name` lists; tell of a mistake."""
    text = record.text(name)
    ranges: list[tuple[int, int]] = []
    for part in text.split(","):
        form = re.fullmatch(r"\s*([0-9]{3})(?:-([0-9]{3}))?\s*", part, re.ASCII)
        low, high = (int(form[1]), int(form[2] or form[1])) if form else (0, 0)
        if not codes.low <= low <= high <= codes.high:
            message = (
                f"must be codes of {codes.low}-{codes.high} such as {codes.example} "
                f"(got {quoted(text)})"
            )
            findings.error(record.at(name), record.path_of(name), message)
            break
        ranges.append((low, high))
    return tuple(ranges)
