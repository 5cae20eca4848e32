"""`alb demo`: see `controlplane.demo`."""

from __future__ import annotations

from controlplane.demo.main import add_arguments, main

__all__ = ["add_arguments", "main"]
