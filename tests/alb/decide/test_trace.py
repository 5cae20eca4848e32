"""X-Amzn-Trace-Id as AWS documents it."""

import pytest

from alb.decide.trace import TRACE_ID_MAX_BYTES, trace_id

OURS = b"1-67891233-abcdef012345678912345678"
THEIRS = b"1-5759e988-bd862e3fe1be46a994272793"
LONG = b"Root=" + b"a" * TRACE_ID_MAX_BYTES

# fmt: off
CASES = [
    (None,                       b"Root=" + OURS,                         "nothing came: a new root"),
    (b"",                        b"Root=" + OURS,                         "an empty header is nothing"),
    (b"Root=" + THEIRS,          b"Self=" + OURS + b";Root=" + THEIRS,    "a root stays, we stand in front"),
    (b"Root=x; Parent=y",        b"Self=" + OURS + b";Root=x;Parent=y",   "other fields stay"),
    (b"Self=z;Root=x;App=y",     b"Self=" + OURS + b";Root=x;App=y",      "the last hop's own field is replaced"),
    (b"Root=x;Self=a;;Self=b",   b"Self=" + OURS + b";Root=x",            "however many there are"),
    (b"App=y",                   b"Root=" + OURS + b";App=y",             "without a root we are it"),
    (b"Self=z;App=y",            b"Root=" + OURS + b";App=y",             "also in place of the last hop"),
    (LONG,                       b"Root=" + OURS,                         "what is too long is not carried on"),
    (LONG[:-5],                  b"Self=" + OURS + b";" + LONG[:-5],      "but the limit itself is"),
]
# fmt: on


@pytest.mark.parametrize(
    ("existing", "expected"), [row[:2] for row in CASES], ids=[row[2] for row in CASES]
)
def test_trace_id(existing: bytes | None, expected: bytes) -> None:
    assert expected == trace_id(existing, 0x67891233, b"abcdef012345678912345678")
