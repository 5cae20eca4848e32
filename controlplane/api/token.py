"""The secret that a change over TCP shows: made once, readable by its owner only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

TOKEN_BYTES: Final = 32
TOKEN_LENGTH_MIN: Final = 32
"""Characters; a shorter file was cut off while it was written."""


class TokenExposed(Exception):
    """Others can read or replace the token: it protects nothing."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} must be a file of yours with mode 0600: remove it"


def read_or_make(path: Path) -> str:
    """Return the token in `path`, making it. The caller holds the directory's lock.

    Raises TokenExposed.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return _make(path)
    except OSError as error:  # a symbolic link, a file of someone else
        raise TokenExposed(path) from error
    with os.fdopen(fd) as file:
        found = os.fstat(fd)
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise TokenExposed(path)
        token = file.read().strip()
    return token if len(token) >= TOKEN_LENGTH_MIN else _make(path)


def _make(path: Path) -> str:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(token + "\n")
    part.replace(path)
    return token
