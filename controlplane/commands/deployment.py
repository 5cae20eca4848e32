"""Wait for deployments: tell how they go on, and explain one that fails.

state, every half second --> a line when something has changed --> the outcome

Exit status 0 when every deployment was completed, 1 when one was not: it failed,
was rolled back, another took over, or the time was up. Control may be away for
a while meanwhile: its next life goes on with the deployment.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from controlplane.client import Control, Document, Unreachable
from controlplane.commands.terminal import complain, say

LOOK_S: Final = 0.5
AWAY_S: Final = 60.0
"""How long control may be unreachable before that is the outcome."""
TIMEOUT_S: Final = 600.0
"""As long as the SDKs' waiter ServicesStable waits: 40 times 15 seconds."""
DONE: Final = "SUCCESSFUL"
UNDER_WAY: Final = ("IN_PROGRESS", "ROLLBACK_IN_PROGRESS")
REASONS_MAX: Final = 3


def add_wait_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wait",
        action="store_true",
        help="until it is completed (exit status 0), or has failed (1)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=TIMEOUT_S,
        metavar="SECONDS",
        help=f"how long to wait ({TIMEOUT_S:g})",
    )


def outcome_of(
    control: Control, begun: Sequence[tuple[str, str]], args: argparse.Namespace
) -> int:
    """Wait, if asked to, for each (service, deployment id); return the exit status."""
    if not args.wait:
        return 0
    quiet = args.output == "json"
    deadline_s = time.monotonic() + args.timeout
    results = [
        _follow(control, service, deployment, deadline_s, quiet=quiet)
        for service, deployment in begun
    ]
    return 0 if all(results) else 1


def _follow(
    control: Control, service: str, deployment: str, deadline_s: float, *, quiet: bool
) -> bool:
    """Return whether the deployment was completed."""
    told = ""
    for state in states(control, deadline_s):
        found = _named(state, "services", "serviceName", service)
        one = _named(found, "serviceDeployments", "id", deployment)
        status = one.get("status")
        if status in UNDER_WAY:
            line = _progress(found, one)
            if line != told and not quiet:
                say(f"{service}: {line}")
            told = line
        elif status == DONE:
            if not quiet:
                say(f"{service}: completed")
            return True
        else:
            _explain(state, service, deployment, one)
            return False
    complain(f"{service}: not completed in time; it goes on ({told or 'not seen'})")
    return False


def states(control: Control, deadline_s: float) -> Iterator[Document]:
    """Yield what control says, until the deadline."""
    seen_s = time.monotonic()
    while time.monotonic() < deadline_s:
        try:
            state = control.get("/v1/state")
        except Unreachable:
            if time.monotonic() > seen_s + AWAY_S:
                raise
        else:
            seen_s = time.monotonic()
            yield state
        time.sleep(LOOK_S)


def _progress(service: Document, deployment: Document) -> str:
    current = _named(service, "deployments", "id", str(deployment.get("id")))
    counts = f"{current.get('runningCount', 0)} of {service.get('desiredCount')} run"
    parts = [counts]
    if failed := deployment.get("failedTasks"):
        parts.append(f"{failed} failed")
    if stage := deployment.get("lifecycleStage"):
        percent = deployment.get("requestedProductionTrafficWeight")
        parts.append(f"{stage}, {percent:g} % of production traffic")
    return ", ".join(parts)


def _explain(state: Document, service: str, deployment: str, one: Document) -> None:
    """Say what became of it, and what its tasks said last."""
    status = str(one.get("status", "it is not known any more"))
    failure = one.get("failure") or "another deployment took over"
    complain(f"{service}: deployment {deployment} {status}: {failure}")
    if to := one.get("rolledBackTo"):
        complain(f"{service}: rolled back to {to}")
    for reason in _reasons(state, deployment):
        complain(f"{service}: {reason}")


def _reasons(state: Document, deployment: str) -> Sequence[str]:
    """Return why tasks of the deployment stopped by themselves, the latest first."""
    found = [
        str(task.get("explanation") or task.get("stoppedReason"))
        for task in _listed(state, "tasks")
        if task.get("startedBy") == deployment
        and task.get("stoppedReason")
        and "Scaling activity" not in str(task.get("stoppedReason"))
    ]
    return list(dict.fromkeys(reversed(found)))[:REASONS_MAX]


def _named(document: Document, name: str, key: str, value: str) -> Document:
    """Return the object of that list with this value; an empty one of none."""
    items = _listed(document, name)
    return next((item for item in items if item.get(key) == value), {})


def _listed(document: Document, name: str) -> list[Document]:
    value = document.get(name)
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, Mapping)]
