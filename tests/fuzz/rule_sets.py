"""Rule sets and a request, told by lines: what is compiled means what it says.

A line's first letter says what it holds: a value of a condition (``h`` host, ``p``
path, ``q`` query, ``x`` header, ``m`` method, ``s`` source; in capitals: expressions),
a transform (``u`` of the URL, ``n`` of the host), ``&`` the next condition, ``.`` the
end of a rule, ``>`` the request and ``+`` a header of it. The rules choose as reading one by one does, on every
path that some server may take for this one; what a transform makes is one request.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from alb.decide.head import scan_request
from alb.decide.request import RequestHead
from alb.decide.rewrite import SUCCESS, Rewrite, replacement_flaw_of, template_of
from alb.decide.rules import CompiledRules, block_steps, index_steps
from alb.decide.spelling import other_readings
from alb.decide.steps import at_once
from alb.decide.uri import canonical_target, normalise_path
from alb.errors import Refused
from alb.model import (
    Condition,
    FixedResponse,
    HostHeader,
    HostHeaderRewrite,
    HttpHeader,
    HttpRequestMethod,
    PathPattern,
    QueryPair,
    QueryString,
    Rule,
    SourceIp,
    Transform,
    UrlRewrite,
)
from foundation.regex import flaw_of
from tests.support.one_by_one import Asked, one_by_one, read_as, same_ends

RULES_MAX: Final = 12
TEXT_MAX: Final = 24
"""Letters of a value: the slow reading is slow."""
NETWORKS: Final = ("192.0.2.0/25", "192.0.2.128/25", "2001:db8::/32", "0.0.0.0/0")
PEERS: Final = ("192.0.2.7", "192.0.2.200", "2001:db8::7", "198.51.100.1")
_REQUEST: Final = b"%b HTTP/1.1\r\nHost: %b\r\nX-A: %b\r\nX-A: b\r\n\r\n"
_TOLD_ALIKE: Final = re.compile(r"[-abAB/.^$*+?|()\[\]01;]*")
_TOLD_OTHERWISE: Final = re.compile(r"\(\?|\)[*+?]|\[\[|\[.*[$].*\]|[*+?]{2}")
"""Groups that repeat keep what another library does not; flags are of each its own."""


def rule_sets(data: bytes) -> None:
    rules, head, peer_ip = _read(data)
    if head is None:
        return
    compiled = _compiled(rules)
    priorities = [*(rule.priority for rule in compiled.rules), 0]
    asked = Asked(
        *(head.method, head.host, head.path, head.query, head.pairs(), peer_ip),
        head.host_field,
    )
    position = compiled.match_request(head, head.pairs(), peer_ip)
    chosen = one_by_one(asked, rules)
    assert priorities[position] == chosen
    if rules and normalise_path(head.path) is not head.path:
        others = {read_as(path, asked, rules) for path in other_readings(head.path)}
        assert head.is_disputed == (not others <= {chosen})
    transforms = compiled.rules[position].transforms if position >= 0 else ()
    if transforms:
        _rewritten(transforms, head)


def _compiled(rules: list[Rule]) -> CompiledRules:
    """Compile a block for each rule, behind others of which half go and half stay."""
    blocks = sorted(
        (at_once(block_steps([rule])) for rule in rules),
        key=lambda block: block.rules[0].priority,
    )
    default = FixedResponse(404)
    before = at_once(index_steps(tuple(blocks[1::2]), default))
    more = at_once(block_steps([Rule(1 << 20, (), default)]))
    before = at_once(index_steps((*blocks[1::2], more), default, before))
    return at_once(index_steps(tuple(blocks), default, before))


# --- reading ----------------------------------------------------------------------


def _read(data: bytes) -> tuple[list[Rule], RequestHead | None, str]:
    rules: list[Rule] = []
    conditions: list[list[str]] = [[]]
    request, header = "", ""
    for line in data.decode("ascii", "ignore").split("\n"):
        if line[:1] == ".":
            rules.append(_rule(len(rules), conditions))
            conditions = [[]]
        elif line[:1] == "&":
            conditions.append([])
        elif line[:1] == ">":
            request = request or line[1:400]
        elif line[:1] == "+":
            header = line[1:]
        else:
            conditions[-1].append(line)
    start, _, host = request.partition("@")
    peer_ip = PEERS[len(header) % len(PEERS)]
    try:
        found = scan_request(
            _REQUEST % (start.encode(), host.encode(), header.encode())
        )
    except Refused:
        return rules[:RULES_MAX], None, peer_ip
    return rules[:RULES_MAX], found and found[0], peer_ip


def _rule(number: int, conditions: Iterable[list[str]]) -> Rule:
    read = [_condition(lines) for lines in conditions]
    return Rule(
        number * 7919 % 50_000 + 1,
        tuple(one for one in read if one is not None),
        FixedResponse(200),
        transforms=_transforms([line for lines in conditions for line in lines]),
    )


def _condition(lines: Sequence[str]) -> Condition | None:
    """The condition of the first line's kind, with every value of it."""
    kinds = [line[0] for line in lines if line[:1] in _MADE]
    if not kinds:
        return None
    kind = kinds[0]
    values = [line[1 : TEXT_MAX + 1] for line in lines if line[:1] == kind]
    if kind.isupper():
        values = [value for value in values if _is_plain(value)]
    return _MADE[kind](tuple(values[:4])) if values else None


def _pair(text: str) -> QueryPair:
    key, mark, value = text.rpartition("=")
    return QueryPair(value, key if mark else None)


_MADE: Final[Mapping[str, Callable[[tuple[str, ...]], Condition]]] = {
    "h": HostHeader,
    "H": lambda values: HostHeader((), values),
    "p": PathPattern,
    "P": lambda values: PathPattern((), values),
    "x": lambda values: HttpHeader("X-A", values),
    "X": lambda values: HttpHeader("X-A", (), values),
    "q": lambda values: QueryString(tuple(_pair(value) for value in values)),
    "m": HttpRequestMethod,
    "s": lambda values: SourceIp(
        tuple(NETWORKS[len(value) % len(NETWORKS)] for value in values)
    ),
}


def _transforms(lines: Iterable[str]) -> tuple[Transform, ...]:
    """At most one of each kind, of which control would have found no fault."""
    found: dict[str, Transform] = {}
    for line in lines:
        regex, _, replace = line[1 : 2 * TEXT_MAX].partition(">")
        if line[:1] not in ("u", "n") or not _is_plain(regex):
            continue
        if replacement_flaw_of(replace, re.compile(same_ends(regex)).groups) is None:
            made = UrlRewrite if line[0] == "u" else HostHeaderRewrite
            found.setdefault(line[0], made(regex, replace))
    return tuple(found.values())


def _is_plain(regex: str) -> bool:
    """Whether every library tells the same of it, and rules take it."""
    if not _TOLD_ALIKE.fullmatch(regex) or _TOLD_OTHERWISE.search(regex):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(same_ends(regex))
    except (re.error, FutureWarning):
        return False
    return flaw_of(regex) is None


# --- transforms -------------------------------------------------------------------


def _rewritten(transforms: Sequence[Transform], head: RequestHead) -> None:
    before = (head.host, head.host_field, head.target)
    host = target = None
    for one in transforms:
        if isinstance(one, HostHeaderRewrite):
            host = _replaced(one, head.host.removesuffix(b"."), re.IGNORECASE)
        elif head.target != b"*":
            target = _replaced(one, canonical_target(head.target), 0)
    done = Rewrite(transforms).apply(head, head.host)
    if done.failed:
        assert (host, target) != (None, None)
        assert before == (head.host, head.host_field, head.target), "half of it is done"
        return
    assert (host, target) == (done.host, done.target)
    assert (done.status == SUCCESS) == ((host, target) != (None, None))
    again = scan_request(
        b"%b %b HTTP/1.1\r\nHost: %b\r\n\r\n"
        % (head.method, head.target, head.host_field)
    )
    assert again is not None
    assert again[0].target == head.target
    assert again[0].host == head.host
    assert b".." not in again[0].path.split(b"/") or target is None


def _replaced(one: Transform, text: bytes, case: int) -> bytes | None:
    found = re.search(same_ends(one.regex), text, case | re.DOTALL)
    if found is None:
        return None
    template = template_of(one.replace, found.re.groups)
    new = b"".join(
        piece if isinstance(piece, bytes) else found[piece] or b"" for piece in template
    )
    return text[: found.start()] + new + text[found.end() :]


_LINES: Final = (
    *(b"p/a/*", b"p/a", b"p*b?", b"p/%61*", b"p*", b"p/A/b", b"p/a/b*", b"p/a?b*"),
    *(b"ha.b", b"h*.b", b"h*.a.b", b"h*", b"hA.?", b"H^a|b$", b"Hb:1", b"h?*.b"),
    *(b"P^/a/(b*)$", b"P/[^a]", b"X^B", b"xb*", b"x*", b"X", b"xB", b"xa?"),
    *(b"qa=*", b"q*=b", b"qb", b"q\\*=\\?", b"qA=b b", b"q*", b"q*\\**=*"),
    *(b"mGET", b"mPUT", b"s", b"s1", b"s12", b"&", b"&", b".", b".", b".", b".", b"."),
    *(b"u^/a/(b*)(.*)>/x/$1$2", b"u(a)|(b)>$2/../$1", b"ua>$0%2e%2e", b"u>/", b"u/>/"),
    *(
        b"n^a[.](b*)>x.$1",
        b"n.>",
        b"na>a b",
        b"n(b)>$1:1",
        b"nb$>c",
        b"uA>b",
        b"uB$>$0",
    ),
    *(b">GET /a/b?a=b@a.b", b">GET /a@A.b:1", b">PUT /%61/../a//b?A=%62@c.a.b."),
    *(b">OPTIONS *@a", b">GET /@b", b">GET /a/bb?*=?&b@a.b.", b">GET /a;x/..;/a/b@a.b"),
    *(b">GET /a//../b?A=b+b&x*y=1@a", b"+ab", b"+B", b"+abc", b"+a\tb"),
)
WORDS: Final = (
    *(b"\n%b\n" % line for line in _LINES),
    *(b"\n%b" % line for line in _LINES),
    *(b"a", b"b", b"A", b"*", b"?", b"/", b".", b"%", b"%2f", b";", b"\n", b"=", b"@b"),
    *(b"/..;/a", b"//", b"\\", b"&b=*", b"ab", b"/b", b"\n."),
)
