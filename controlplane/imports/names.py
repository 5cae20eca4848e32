"""Names that AWS takes, made of names that others took. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import Final

ELB_MAX: Final = 32
ECS_MAX: Final = 255
HASH_MAX: Final = 6


def ecs_name(text: str) -> str:
    """Return a name of clusters, families, services and containers."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", text) or "unnamed"
    return _shortened(name, text, ECS_MAX)


def elb_name(text: str) -> str:
    """Return a name of load balancers and target groups."""
    name = re.sub(r"[^A-Za-z0-9-]+", "-", text).strip("-") or "unnamed"
    return _shortened(name, text, ELB_MAX).strip("-")


def _shortened(name: str, text: str, longest: int) -> str:
    if len(name) <= longest:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:HASH_MAX]
    return f"{name[: longest - HASH_MAX - 1]}-{digest}"


class Names:
    """Names that were given out, so that two things do not get the same."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    def target_group(self, text: str) -> str:
        """Return the name for `text`: the same for the same."""
        name, number = elb_name(text), 2
        while self._owners.setdefault(name, text) != text:
            name = elb_name(f"{text[: ELB_MAX - 4]}-{number}")
            number += 1
        return name
