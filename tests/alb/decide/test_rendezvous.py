"""The same requests reach the same target, and as few as can be move."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb.decide.choosers import LeastOutstanding
from alb.decide.head import scan_request
from alb.decide.rendezvous import NO_SLOT, SLOTS, HashKey, Rendezvous
from alb.decide.request import RequestHead
from alb.model import TargetId
from tests.alb.decide.test_choosers import Server

SOME: Sequence[int] = range(0, SLOTS, 37)


def fleet(names: str) -> list[Server]:
    return [Server(TargetId(name)) for name in names]


def winners(names: str, skip: str = "", slots: Sequence[int] = SOME) -> list[str]:
    """Who gets each of some slots."""
    servers, chooser = fleet(names), Rendezvous(LeastOutstanding())
    skipped = frozenset(map(TargetId, skip))
    places = [chooser.choose(servers, skipped, 0.0, slot) for slot in slots]
    return [servers[at].id if at >= 0 else "-" for at in places]


names = st.lists(st.sampled_from("abcdefghij"), min_size=1, unique=True).map("".join)


@given(names, st.sampled_from("abcdefghij"), st.sampled_from("KLM"))
def test_nothing_moves_that_need_not(present: str, leaves: str, comes: str) -> None:
    before = winners(present)

    fewer = winners(present.replace(leaves, ""))
    more = winners(present + comes)

    for was, without, joined in zip(before, fewer, more, strict=True):
        assert was in {without, leaves}
        assert joined in {was, comes}


@given(names)
def test_the_order_of_targets_does_not_matter(present: str) -> None:
    assert winners(present) == winners(present[::-1])


def test_shares_are_even_and_what_leaves_is_shared_evenly() -> None:
    before = winners("abcde", slots=range(0, SLOTS, 7))
    after = winners("abcd", slots=range(0, SLOTS, 7))
    fifth = len(before) / 5

    shares = Counter(before)
    taken = Counter(now for was, now in zip(before, after, strict=True) if was == "e")

    assert all(abs(share - fifth) < fifth * 0.08 for share in shares.values())
    assert all(abs(share - fifth / 4) < fifth * 0.08 for share in taken.values())


@given(names, st.sampled_from("abcdefghij"))
def test_whoever_is_skipped_is_stood_in_for_as_if_it_had_left(
    present: str, skipped: str
) -> None:
    left = present.replace(skipped, "")

    assert winners(present, skipped) == winners(left)


def test_changed_targets_are_seen() -> None:
    chooser = Rendezvous(LeastOutstanding())
    for present in ("abc", "", "xyz", "c"):
        servers = fleet(present)
        places = [chooser.choose(servers, (), 0.0, slot) for slot in SOME]
        ids = [servers[at].id if at >= 0 else "-" for at in places]
        assert ids == winners(present)


def test_requests_without_what_is_hashed_are_spread() -> None:
    servers, chooser = fleet("abc"), Rendezvous(LeastOutstanding())

    places = [chooser.choose(servers, (), 0.0, NO_SLOT) for _ in range(6)]

    assert places == [0, 1, 2, 0, 1, 2]


def head(target: str = "/", *lines: str) -> RequestHead:
    text = "\r\n".join([f"GET {target} HTTP/1.1", "Host: a", *lines, "\r\n"])
    found = scan_request(text.encode())
    assert found is not None
    return found[0]


# fmt: off
ALIKE = [  # (hashed on, one request, another, whether they share a slot)
    ("header:X-User",  head("/", "x-user: ann"),    head("/b", "X-USER: ann"),      True,  "by a header, whatever its name's case"),
    ("header:x-user",  head("/", "x-user: ann"),    head("/", "x-user: bob"),       False, "by its value"),
    ("cookie:id",      head("/", "Cookie: a=b; id=7"), head("/", "Cookie: id=7; c=d"), True, "by a cookie among others"),
    ("cookie:id",      head("/", "Cookie: a=b", "Cookie: id=7"), head("/", "Cookie: id=7"), True, "in whatever line"),
    ("cookie:id",      head("/", "Cookie: id=7"),   head("/", "Cookie: id=8"),      False, "by the cookie's value"),
    ("path-and-query", head("/a?b=c"),              head("/a?b=c", "x: y"),         True,  "by path and query"),
    ("path-and-query", head("/a?b=c"),              head("/a?b=d"),                 False, "the query counts"),
    ("source-ip",      head("/a"),                  head("/b"),                     True,  "by the client's address"),
]
# fmt: on


@pytest.mark.parametrize(
    ("on", "one", "other", "alike"),
    [row[:-1] for row in ALIKE],
    ids=[f"{row[0]}: {row[-1]}" for row in ALIKE],
)
def test_what_is_hashed(
    on: str, one: RequestHead, other: RequestHead, *, alike: bool
) -> None:
    key = HashKey(on)

    slots = [key.slot(each, "192.0.2.1") for each in (one, other)]

    assert all(0 <= slot < SLOTS for slot in slots)
    assert (slots[0] == slots[1]) is alike


def test_clients_differ_by_their_address() -> None:
    key = HashKey("source-ip")

    assert key.slot(head(), "192.0.2.1") != key.slot(head(), "192.0.2.2")


@pytest.mark.parametrize("on", ["header:x-user", "cookie:id"])
def test_a_request_without_it_has_no_slot(on: str) -> None:
    bare = head("/", "Cookie: other=id", "x-user:")

    assert HashKey(on).slot(bare, "192.0.2.1") == NO_SLOT
