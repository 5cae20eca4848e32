"""The certificate that a client gets is the best one for the name it asks for."""

from __future__ import annotations

import pytest

from alb.decide.certificates import choose, matches
from alb.model import CertificateOffer


def ec(*names: str, bits: int = 256, expired: bool = False) -> CertificateOffer:
    return CertificateOffer(names, "EC", bits, expired)


def rsa(*names: str, bits: int = 2048, expired: bool = False) -> CertificateOffer:
    return CertificateOffer(names, "RSA", bits, expired)


# fmt: off
CHOICES = [
    ("",               (0,),   [ec("a.test"), ec("b.test")], "no name asked for: the default"),
    ("c.test",         (0,),   [ec("a.test"), ec("b.test")], "a name that none has: the default"),
    ("b.test",         (1,),   [ec("a.test"), ec("b.test")], "the one that has the name"),
    ("B.Test",         (1,),   [ec("a.test"), ec("b.test")], "in any case"),
    ("b.test.",        (1,),   [ec("a.test"), ec("b.test")], "with the dot of the root"),
    ("x.b.test",       (1,),   [ec("a.test"), ec("*.b.test")], "a wildcard has one label"),
    ("b.test",         (0,),   [ec("a.test"), ec("*.b.test")], "and not none"),
    ("y.x.b.test",     (0,),   [ec("a.test"), ec("*.b.test")], "and not two"),
    ("x.b.test",       (2,),   [ec("a.test"), ec("*.b.test"), ec("x.b.test")], "the name itself before a wildcard"),
    ("x.b.test",       (1,),   [ec("a.test"), ec("x.b.test"), ec("*.b.test")], "in whatever order they stand"),
    ("a.test",         (1, 0), [rsa("a.test"), ec("a.test")], "one for each type of key, elliptic curves first"),
    ("a.test",         (0, 1), [ec("a.test"), rsa("a.test")], "in whatever order they stand"),
    ("a.test",         (1,),   [ec("a.test", expired=True), ec("a.test")], "one that has not expired first"),
    ("a.test",         (0,),   [ec("a.test", expired=True), ec("b.test")], "an expired one rather than another name's"),
    ("a.test",         (1,),   [rsa("a.test"), rsa("a.test", bits=4096)], "the longest key"),
    ("a.test",         (0,),   [rsa("a.test"), rsa("a.test")], "else the first"),
]
# fmt: on


@pytest.mark.parametrize(
    ("server_name", "chosen", "offers"),
    [row[:3] for row in CHOICES],
    ids=[row[3] for row in CHOICES],
)
def test_choice(
    server_name: str, chosen: tuple[int, ...], offers: list[CertificateOffer]
) -> None:
    assert chosen == choose(offers, server_name)


@pytest.mark.parametrize("name", ["", ".", ".b.test", "b.test", "*."])
def test_a_wildcard_stands_for_no_empty_label(name: str) -> None:
    assert not matches(("*.b.test",), name)
