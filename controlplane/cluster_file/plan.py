"""Show a plan: one line per change, for a person or as JSON. Pure.

+ services[api]
~ services[web].desiredCount: 2 -> 4
- listeners[8081]
! services[web].desiredCount: runs 5, file says 2 (stays)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import assert_never

from controlplane.cluster_file.ownership import Change, ChangeKind


def plan_document(changes: Sequence[Change]) -> list[dict[str, object]]:
    """Return a plan as JSON has it: path, kind, before, after, and its line as text."""
    return [
        {
            "path": change.path,
            "kind": change.kind.value,
            "before": change.before,
            "after": change.after,
            "text": line_of(change),
        }
        for change in changes
    ]


def line_of(change: Change) -> str:
    """Return what a person reads of one change."""
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
