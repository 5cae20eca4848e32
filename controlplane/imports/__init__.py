"""Cluster files made of what others wrote: Compose, ECS task definitions, Traefik.

    texts --> given --> sections of a cluster file, and losses --> accepted text

Pure: files are handed in as texts, the environment as a mapping. What cannot be
carried over is never dropped silently: it is a `Loss` with its place and why.
"""

from __future__ import annotations

from controlplane.imports.accepted import Imported, accepted
from controlplane.imports.given import Loss
from controlplane.imports.surroundings import Surroundings

__all__ = ["Imported", "Loss", "Surroundings", "accepted"]
