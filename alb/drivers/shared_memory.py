"""Memory that processes of one node map, handed on as a descriptor. Floor 3.

It has no name: whoever was not given the descriptor cannot find it, and it is
gone with the last process that maps it.
"""

from __future__ import annotations

import mmap
import os
import tempfile


def create(size: int) -> int:
    """Return the descriptor of `size` bytes of zeros; children inherit it if told."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("alb-counts")
    else:  # a file that nobody finds does as well
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor


def attach(descriptor: int, size: int) -> memoryview:
    """Return the memory behind `descriptor`. Raises OSError, ValueError if smaller."""
    return memoryview(mmap.mmap(descriptor, size))
