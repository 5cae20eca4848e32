"""The request path that is tested is the one that was asked for."""

from __future__ import annotations

import os
from importlib.machinery import EXTENSION_SUFFIXES

from alb.app import exchange
from controlplane.commands.version import request_path


def test_the_request_path_is_compiled_where_that_is_tested_and_only_there() -> None:
    assert exchange.__file__ is not None
    compiled = exchange.__file__.endswith(tuple(EXTENSION_SUFFIXES))

    assert compiled == bool(os.environ.get("ALB_COMPILED"))
    assert request_path() == ("compiled" if compiled else "python")
