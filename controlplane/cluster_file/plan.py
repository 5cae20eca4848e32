"""Show a plan: one line per change, for a person or as JSON. Pure.

+ services[api]
~ services[web].desiredCount: 2 -> 4
- listeners[8081]
! services[web].desiredCount: runs 5, file says 2 (stays)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, assert_never

from controlplane.cluster_file.ownership import Change, ChangeKind

NO_CHANGES: Final = "no changes"


def render_plan(changes: Sequence[Change]) -> str:
    """Return the lines of a plan; without a change that acts it says so at the end."""
    lines = [_line(change) for change in changes]
    if not any(change.acts for change in changes):
        lines.append(NO_CHANGES)
    return "\n".join(lines)


def plan_document(changes: Sequence[Change]) -> list[dict[str, object]]:
    """Return a plan as JSON has it: path, kind, before, after."""
    return [
        {
            "path": change.path,
            "kind": change.kind.value,
            "before": change.before,
            "after": change.after,
        }
        for change in changes
    ]


def _line(change: Change) -> str:
    before, after = _shown(change.before), _shown(change.after)
    whole = change.before is None and change.after is None
    match change.kind:
        case ChangeKind.ADD:
            return f"+ {change.path}"
        case ChangeKind.REMOVE:
            return f"- {change.path}"
        case ChangeKind.CHANGE:
            return f"~ {change.path}: {before} -> {after}"
        case ChangeKind.DRIFT if whole:
            return f"! {change.path}: is not as the file says (stays)"
        case ChangeKind.DRIFT:
            return f"! {change.path}: runs {before}, file says {after} (stays)"
        case ChangeKind.KEPT:
            return f"! {change.path}: autoscaling keeps {before}, file says {after}"
        case _:
            assert_never(change.kind)


def _shown(value: object) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, str):
        return value or '""'
    return json.dumps(value, ensure_ascii=False)
