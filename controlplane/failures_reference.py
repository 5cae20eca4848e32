"""The page of reasons: python -m controlplane.failures_reference

Made from `alb.errors`, so that it says what is counted and logged.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from alb.errors import Failure


def page() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Why a request got no answer of a target"
    yield ""
    yield "Generated from `alb.errors` by `python -m controlplane.failures_reference`."
    yield "The reason stands in JSON access logs (`reason`) and counts in"
    yield "`alb_failures_total`. A request that is not passed on at all has a reason in"
    yield "AWS's words for desync mitigation, or in their style, and counts in"
    yield "`alb_refusals_total`. A client that is gone is told nothing: its 460 or 400"
    yield "is only logged."
    yield ""
    yield "| reason | status | whose | what happened |"
    yield "|---|---|---|---|"
    for failure in Failure:
        whose = failure.blame.value
        yield f"| `{failure.name}` | {failure.status} | {whose} | {failure.reason} |"


if __name__ == "__main__":
    sys.stdout.write(page())
