"""Connections to targets that end once all is sent, or once nobody reads it. Floor 4.

A tunnel that has ended may have something left for its target. Who was on both sides
of it is gone, so the deadline is kept here.
"""

from __future__ import annotations

from asyncio import Transport


class Partings:
    """Those of one listener in one worker."""

    def __init__(self) -> None:
        self._unsent: dict[Transport, tuple[int, float]] = {}
        """How much was left when it last became less, and since when."""

    @property
    def going_on(self) -> bool:
        return bool(self._unsent)

    def end(self, transport: Transport, now_s: float) -> None:
        """Close it behind what is written."""
        transport.close()
        unsent = transport.get_write_buffer_size()
        if unsent:
            self._unsent[transport] = (unsent, now_s)

    def cut(self) -> None:
        """End all of them now, whatever is left."""
        for transport in [*self._unsent]:
            transport.abort()
        self._unsent.clear()

    def sweep(self, now_s: float, within_s: float) -> None:
        """Cut those whose target has read nothing for that long."""
        for transport, (before, since_s) in [*self._unsent.items()]:
            unsent = transport.get_write_buffer_size()
            if not unsent:
                del self._unsent[transport]
            elif unsent < before:
                self._unsent[transport] = (unsent, now_s)
            elif now_s - since_s > within_s:
                del self._unsent[transport]
                transport.abort()
