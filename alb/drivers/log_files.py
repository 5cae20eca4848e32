"""Log files as ALB writes them: gzip, a file for five minutes. Floor 3.

Each batch is a gzip member of its own, so that a file can be read whole at any
moment, whatever happens to its writer.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from alb.decide.names import balancer_id, log_file
from alb.model import LogFiles

PERIOD_S: Final = 300
_LEVEL: Final = 5


def append(
    lines: Sequence[bytes], files: LogFiles, kind: str, unique: str, unix_s: float
) -> None:
    """Append `lines` to the file of the five minutes that `unix_s` is in.

    `unique` tells this writer's files from others'. Blocks. Raises OSError, and
    then nothing of the batch is in the file.
    """
    ends = datetime.fromtimestamp((unix_s // PERIOD_S + 1) * PERIOD_S, UTC)
    name = log_file(kind, balancer_id(files.balancer), ends, "127.0.0.1", unique)
    path = Path(files.directory, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    member = gzip.compress(b"".join(lines), _LEVEL)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        before = os.fstat(descriptor).st_size
        try:
            _write_all(descriptor, member)
        except OSError:
            os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
