"""The keeper's part in sessions: it makes the keys, keeps them and tells them. Floor 4.

The keeper outlives workers and control, and its successor finds the file. What a
disk does not take is held in memory: sessions then last as long as this node.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from alb.decide.key_rotation import ID_SIZE, LEAD_S, SECRET_SIZE, is_due, rotated
from alb.drivers.key_file import read_keys, write_keys
from alb.ports import SessionKey, SessionKeys
from alb.state.sessions import Sealing
from foundation.clock import Clock

FILE_NAME: Final = "session.keys"
LOOK_S: Final = 60.0

_log = logging.getLogger("alb.keeper")


def keyring(keys: SessionKeys) -> Sealing:
    """Return what seals by these keys."""
    from alb.decide.sealing import Keyring  # noqa: PLC0415 - 9 MiB and 50 ms that only sticky groups cost

    return Keyring(keys.keys, os.urandom)


class KeptKeys:
    """The keys of one node. `message` is what workers are told."""

    def __init__(self, state_dir: Path, clock: Clock) -> None:
        self._path = state_dir / FILE_NAME
        self._clock = clock
        try:
            keys = read_keys(self._path)
        except OSError as problem:
            _log.warning("session keys were not read: %s", problem)
            keys = ()
        self.message = SessionKeys(keys)
        self.renew()

    def renew(self) -> bool:
        """Make a key if it is time to; return whether it was."""
        unix_s = int(self._clock.unix_s())
        keys = self.message.keys
        if not is_due(keys, unix_s):
            return False
        fresh = SessionKey(
            os.urandom(ID_SIZE).hex(),
            base64.b64encode(os.urandom(SECRET_SIZE)).decode(),
            unix_s + LEAD_S if keys else unix_s,
        )
        self.message = SessionKeys(rotated(keys, fresh, unix_s))
        try:
            write_keys(self._path, self.message.keys)
        except OSError as problem:
            _log.warning("session keys were not written: %s", problem)
        return True

    async def keep(self, tell: Callable[[SessionKeys], None]) -> None:
        """Renew for ever; `tell` workers of every change."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self.renew():
                tell(self.message)
