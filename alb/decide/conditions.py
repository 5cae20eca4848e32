"""What a rule asks of a request: each condition as a test over its facts.

Floor 1: pure. Conditions that the index of `rules` has already answered (a path
or host it looked up) do not come here; these are asked one by one.

    host-header, path-pattern    wildcards; host without case, path with
    http-header                  wildcards, without case, each occurrence
    regexValues of these three   anywhere in it, the cases as above
    query-string                 wildcards, decoded, without case; ``\\*`` is a star
    http-request-method          exact
    source-ip                    CIDR of the TCP peer

Source: ALB user guide, "Listener rule condition types".
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from alb.decide.regex import any_regex
from alb.decide.uri import canonical_query, query_pairs, unescape
from alb.decide.wildcard import Pattern, Test, any_of, parse
from alb.model import (
    HostHeader,
    HttpHeader,
    PathPattern,
    QueryPair,
    QueryString,
    SourceIp,
)

PEERS_REMEMBERED = 4096


class Facts:
    """What rules look at: `path` normalised, `host` and header names lower case.

    `host_field` is the host as it was sent, with its port. A plain slotted class
    because one is made per request that needs it.
    """

    __slots__ = (
        "_pairs",
        "headers",
        "host",
        "host_field",
        "method",
        "path",
        "peer_ip",
        "query",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - these are the facts of a request
        self,
        method: bytes,
        host: bytes,
        path: bytes,
        query: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        peer_ip: str,
        host_field: bytes,
    ) -> None:
        self.method = method
        self.host = host
        self.path = path
        self.query = query
        self.headers = headers
        self.peer_ip = peer_ip
        self.host_field = host_field
        self._pairs: list[tuple[bytes, bytes]] | None = None

    @property
    def pairs(self) -> list[tuple[bytes, bytes]]:
        """The pairs of the query, read when first asked for."""
        if self._pairs is None:
            self._pairs = query_pairs(self.query)
        return self._pairs


Check = Callable[[Facts], object]
"""Tells, by a true or false value, whether one condition holds."""


def host_patterns(values: Iterable[str]) -> tuple[Pattern, ...]:
    return tuple(parse(value, bytes.lower) for value in values)


def path_patterns(values: Iterable[str]) -> tuple[Pattern, ...]:
    return tuple(parse(value, unescape) for value in values)


def host_check(patterns: Iterable[Pattern]) -> Check:
    test = any_of(patterns)
    return lambda facts: test(facts.host)


def path_check(patterns: Iterable[Pattern]) -> Check:
    test = any_of(patterns)
    return lambda facts: test(facts.path)


def whole_host_check(condition: HostHeader) -> Check:
    """An expression sees the name, and what was sent where that says more: a port."""
    if not condition.regex_values:
        return host_check(host_patterns(condition.values))
    test = any_regex(condition.regex_values, any_case=True)

    def check(facts: Facts) -> object:
        if test(facts.host):
            return True
        return facts.host_field != facts.host and test(facts.host_field)

    return check


def whole_path_check(condition: PathPattern) -> Check:
    if not condition.regex_values:
        return path_check(path_patterns(condition.values))
    test = any_regex(condition.regex_values, any_case=False)
    return lambda facts: test(facts.path)


def method_check(values: Iterable[str]) -> Check:
    methods = frozenset(value.encode() for value in values)
    return lambda facts: facts.method in methods


def header_check(condition: HttpHeader) -> Check:
    wanted = condition.name.lower().encode()
    if condition.regex_values:
        test = any_regex(condition.regex_values, any_case=True)
    else:
        test = any_of(parse(value, bytes.lower) for value in condition.values)

    def check(facts: Facts) -> bool:
        for name, value in facts.headers:
            if name == wanted and test(value.lower()):
                return True
        return False

    return check


def query_check(condition: QueryString) -> Check:
    tests = tuple(_pair_tests(pair) for pair in condition.values)

    def check(facts: Facts) -> bool:
        for key, value in facts.pairs:
            for key_test, value_test in tests:
                if (key_test is None or key_test(key)) and value_test(value):
                    return True
        return False

    return check


def _pair_tests(pair: QueryPair) -> tuple[Test | None, Test]:
    key = None if pair.key is None else _query_test(pair.key)
    return key, _query_test(pair.value)


def _query_test(text: str) -> Test:
    return any_of([parse(text, canonical_query, escapes=True)])


class _Block(NamedTuple):
    """A CIDR block: addresses of `version` whose bits above `shift` are `network`."""

    version: int
    shift: int
    network: int


def source_check(condition: SourceIp) -> Check:
    """Raises ValueError on what is no CIDR block; configuration was checked before."""
    blocks = tuple(_block(value) for value in condition.values)

    def check(facts: Facts) -> bool:
        version, address = _address(facts.peer_ip)
        for block in blocks:
            if block.version == version and address >> block.shift == block.network:
                return True
        return False

    return check


def _block(cidr: str) -> _Block:
    network = ipaddress.ip_network(cidr, strict=False)
    shift = network.max_prefixlen - network.prefixlen
    return _Block(network.version, shift, int(network.network_address) >> shift)


@functools.lru_cache(maxsize=PEERS_REMEMBERED)
def _address(peer_ip: str) -> tuple[int, int]:
    """Return (version, number); a v4 address in v6 clothes is v4. No address: (0, 0).

    Remembered because a peer sends many requests and parsing costs microseconds.
    """
    try:
        address = ipaddress.ip_address(peer_ip.partition("%")[0])
    except ValueError:
        return 0, 0
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.version, int(address)
