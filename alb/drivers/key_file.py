"""The keys for session cookies on disk: one small file, 0600. Floor 3.

Apart from everything else that is kept: not in the state file, not in snapshots.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alb.decide.key_rotation import ID_SIZE, SECRET_SIZE
from alb.ports import SessionKey


def read_keys(path: Path) -> tuple[SessionKey, ...]:
    """Return the keys; none where there is no file or it says something else.

    Raises OSError.
    """
    try:
        told = json.loads(path.read_bytes())
        return tuple(_key(one) for one in told["keys"])
    except FileNotFoundError:
        return ()
    except (ValueError, TypeError, KeyError):
        return ()


def _key(told: dict[str, Any]) -> SessionKey:
    """Return one key. Raises ValueError, TypeError or KeyError for what is none."""
    name, secret = bytes.fromhex(told["id"]), base64.b64decode(told["secret"])
    if (len(name), len(secret)) != (ID_SIZE, SECRET_SIZE):
        raise ValueError
    return SessionKey(told["id"], told["secret"], int(told["from_unix_s"]))


def write_keys(path: Path, keys: tuple[SessionKey, ...]) -> None:
    """Replace the file, whole or not at all. Raises OSError."""
    text = json.dumps({"keys": [asdict(key) for key in keys]}).encode()
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(beside, flags, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
