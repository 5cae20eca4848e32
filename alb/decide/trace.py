"""X-Amzn-Trace-Id: one name for a request on its whole way.

Floor 1: pure, over bytes. The unique part is drawn by the caller.

    nothing came          Root=1-EPOCH-UNIQUE
    a Root came           Self=1-EPOCH-UNIQUE;Root=...   (other fields stay)
    a Self came as well   it is replaced
    fields without Root   Root is put in front of them (also in place of a Self)

Source: ALB user guide, "Request tracing".
"""

from __future__ import annotations

from typing import Final

TRACE_ID_MAX_BYTES: Final = 7 * 1024
"""What is longer is not carried on; AWS rewrites it with a Root alone."""


def trace_id(existing: bytes | None, epoch_s: int, unique24hex: bytes) -> bytes:
    """Return the header value to send to the target.

    `epoch_s` is Unix time in whole seconds, `unique24hex` 24 hexadecimal digits.
    """
    if not existing or len(existing) > TRACE_ID_MAX_BYTES:
        return b"Root=1-%08x-%b" % (epoch_s, unique24hex)
    stamp = b"1-%08x-%b" % (epoch_s, unique24hex)
    fields = [field.strip(b" \t") for field in existing.split(b";")]
    others = [f for f in fields if f and not f.startswith(b"Self=")]
    rooted = any(field.startswith(b"Root=") for field in others)
    return b";".join([(b"Self=" if rooted else b"Root=") + stamp, *others])
