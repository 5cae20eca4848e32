"""What came in X-Forwarded-For, the peer, and what the mode makes of both."""

import pytest

from alb.decide.forwarded import forwarded_line, has_too_many_addresses, peer_address

PEER = b"192.0.2.7"

# fmt: off
LINES = [
    ("append",   None,     b"192.0.2.7",       "nothing came: the peer alone"),
    ("append",   b"",      b"192.0.2.7",       "an empty header is nothing"),
    ("append",   b"a, b",  b"a, b, 192.0.2.7", "the peer stands last"),
    ("preserve", b"a, b",  b"a, b",            "as it came"),
    ("preserve", b"",      b"",                "even if it is empty"),
    ("preserve", None,     None,               "nothing came, nothing is added"),
    ("remove",   b"a, b",  None,               "what came is left out"),
    ("remove",   None,     None,               "and nothing is added"),
]
# fmt: on


@pytest.mark.parametrize(
    ("mode", "existing", "value"),
    [row[:3] for row in LINES],
    ids=[f"{row[0]}: {row[3]}" for row in LINES],
)
def test_the_line_that_is_sent(
    mode: str, existing: bytes | None, value: bytes | None
) -> None:
    line = b"" if value is None else b"\r\nX-Forwarded-For: " + value

    assert line == forwarded_line(existing, PEER, mode)


# fmt: off
PEERS = [
    ("192.0.2.7",   False, b"192.0.2.7"),
    ("2001:db8::1", False, b"2001:db8::1"),
    ("192.0.2.7",   True,  b"192.0.2.7:5678"),
    ("2001:db8::1", True,  b"[2001:db8::1]:5678"),
]
# fmt: on


@pytest.mark.parametrize(("ip", "with_port", "told"), PEERS)
def test_the_peer_with_and_without_its_port(
    ip: str, told: bytes, *, with_port: bool
) -> None:
    assert told == peer_address(ip, 5678, with_port=with_port)


@pytest.mark.parametrize(("count", "refused"), [(1, False), (30, False), (31, True)])
def test_more_than_thirty_are_refused(count: int, *, refused: bool) -> None:
    assert refused == has_too_many_addresses(b", ".join([b"192.0.2.1"] * count))
