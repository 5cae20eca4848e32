"""What came in X-Forwarded-For stays, the peer is added, and a flood is told."""

import pytest

from alb.decide.forwarded import has_too_many_addresses, x_forwarded_for


@pytest.mark.parametrize(
    ("existing", "expected"),
    [
        pytest.param(None, b"192.0.2.7", id="nothing came: the peer alone"),
        pytest.param(b"", b"192.0.2.7", id="an empty header is nothing"),
        pytest.param(b"a, b", b"a, b, 192.0.2.7", id="the peer stands last"),
    ],
)
def test_append(existing: bytes | None, expected: bytes) -> None:
    assert expected == x_forwarded_for(existing, b"192.0.2.7")


@pytest.mark.parametrize(("count", "refused"), [(1, False), (30, False), (31, True)])
def test_more_than_thirty_are_refused(count: int, *, refused: bool) -> None:
    assert refused == has_too_many_addresses(b", ".join([b"192.0.2.1"] * count))
