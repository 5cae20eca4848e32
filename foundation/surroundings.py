"""What may be told to others of where we run and whom we call.

What a program is started with and what people read is written down by others; neither
may carry a secret that was meant for us alone.
"""

from __future__ import annotations

import os
from typing import Final

INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER")
"""Variables of ours that what we start gets: those that no secret stands in."""


def inherited() -> dict[str, str]:
    """Return what a program that we start sees of our own environment."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


def shown_url(url: str) -> str:
    """Return a URL as people may see it: what follows the host is often a secret."""
    scheme, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    host = place.rpartition("@")[2].partition("?")[0]
    return f"{scheme}://{host}{slash}{'…' if path else ''}"
