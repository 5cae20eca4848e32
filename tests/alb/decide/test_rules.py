"""The rule that answers is the one that reading them in order would find."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alb.decide.path_index import STRIDE
from alb.decide.rules import (
    DEFAULT_RULE,
    block_steps,
    compile_rules,
    compile_steps,
    index_steps,
)
from alb.decide.steps import at_once
from alb.model import (
    Condition,
    FixedResponse,
    HostHeader,
    HttpHeader,
    HttpRequestMethod,
    Listener,
    PathPattern,
    QueryPair,
    QueryString,
    Rule,
    SourceIp,
)
from tests.support.examples import examples
from tests.support.one_by_one import Asked, one_by_one

ANSWER = FixedResponse(200)


def rule(priority: int, *conditions: Condition) -> Rule:
    return Rule(priority, conditions, FixedResponse(200, message_body=str(priority)))


def listener(*rules: Rule) -> Listener:
    return Listener(80, FixedResponse(404), rules)


def chosen(asked: Asked, *rules: Rule) -> int:
    """The priority of the rule that answers; 0 is the default."""
    compiled = compile_rules(listener(*rules))
    found = compiled.match(*asked)
    return 0 if found == DEFAULT_RULE else compiled.rules[found].priority


HOST, PATH, METHOD = HostHeader, PathPattern, HttpRequestMethod


def query(*pairs: tuple[str | None, str]) -> QueryString:
    return QueryString(tuple(QueryPair(value, key) for key, value in pairs))


# fmt: off
CONDITIONS = [
    (PATH(("/a",)),         Asked(path=b"/a"),          True,  "a literal path"),
    (PATH(("/a",)),         Asked(path=b"/A"),          False, "whose case matters"),
    (PATH(("/a/*",)),       Asked(path=b"/a/b/c"),      True,  "a prefix"),
    (PATH(("/a/*",)),       Asked(path=b"/a"),          False, "which must be there"),
    (PATH(("/a/*",)),       Asked(path=b"/x/../a/b"),   True,  "the path that counts is the resolved one"),
    (PATH(("/a/*",)),       Asked(path=b"/%61/b"),      True,  "and the decoded one"),
    (PATH(("/%61b",)),      Asked(path=b"/ab"),         True,  "a pattern may be escaped too"),
    (PATH(("/*%2A",)),      Asked(path=b"/x*"),         True,  "an escaped star in a pattern is a star"),
    (PATH(("/*%2A",)),      Asked(path=b"/xy"),         False, "and no wildcard"),
    (PATH(("/a", "/b/*")),  Asked(path=b"/b/c"),        True,  "any value will do"),
    (PATH(("*.php",)),      Asked(path=b"/x/y.php"),    True,  "a wildcard in front"),
    (PATH(("/?",)),         Asked(path=b"/x"),          True,  "a single letter"),
    (PATH(("/a",)),         Asked(path=b"/", query=b"/a"), False, "the query is no path"),
    (HOST(("a.example",)),  Asked(host=b"a.example"),   True,  "a literal host"),
    (HOST(("A.Example",)),  Asked(host=b"a.example"),   True,  "in any case"),
    (HOST(("a.example",)),  Asked(host=b"a.example."),  True,  "with the dot that a full name may end in"),
    (HOST(("*.example",)),  Asked(host=b"b.a.example"), True,  "a domain and all below"),
    (HOST(("*.example",)),  Asked(host=b"example"),     False, "but not itself"),
    (HOST(("*.b.example",)), Asked(host=b"a.b.example"), True, "of any depth"),
    (HOST(("*.b.example",)), Asked(host=b"a.c.example"), False, "nor a sibling"),
    (HOST(("*ample",)),     Asked(host=b"example"),     True,  "a star need not stand at a dot"),
    (HOST(("a?.example",)), Asked(host=b"a1.example"),  True,  "a wildcard inside"),
    (HOST(("a?.example",)), Asked(host=b"a.example"),   False, "that must be something"),
    (HOST(("x", "*.y")),    Asked(host=b"a.y"),         True,  "any value will do for hosts"),
    (PATH((), ("^/v[0-9]/",)), Asked(path=b"/v1/x"),    True,  "an expression"),
    (PATH((), ("^/v[0-9]/",)), Asked(path=b"/%76%31//"), True, "over the path as it is decoded"),
    (PATH((), ("^/V[0-9]/",)), Asked(path=b"/v1/x"),    False, "whose case matters"),
    (PATH((), ("b$",)),     Asked(path=b"/a", query=b"b"), False, "and no query"),
    (PATH((), ("x", "^/a.*c$")), Asked(path=b"/a%0Ac"), True,  "ends of lines hide nothing"),
    (HOST((), ("^a[0-9]\\.",)), Asked(host=b"a1.example"), True, "a host by an expression"),
    (HOST((), ("^A[0-9]\\.",)), Asked(host=b"a1.example"), True, "in any case"),
    (HOST((), ("example$",)), Asked(host=b"example", host_field=b"example:81"), True, "without its port"),
    (HOST((), (":81$",)),   Asked(host=b"example", host_field=b"EXAMPLE:81"), True, "or with it"),
    (HOST((), (":81$",)),   Asked(host=b"example", host_field=b"example:82"), False, "if it is that one"),
    (HttpHeader("X-Kind", (), ("^a+$",)), Asked(headers=[(b"x-kind", b"AAA")]), True, "a header by an expression, in any case"),
    (HttpHeader("X-Kind", (), ("^a+$",)), Asked(headers=[(b"x-kind", b"ab"), (b"x-kind", b"a")]), True, "each occurrence for itself"),
    (HttpHeader("X-Kind", (), ("",)),     Asked(headers=[(b"x-other", b"a")]), False, "which must be there"),
    (METHOD(("GET", "PUT")), Asked(method=b"PUT"),      True,  "a method"),
    (METHOD(("GET",)),      Asked(method=b"get"),       False, "whose case matters, too"),
    (METHOD(("G*",)),       Asked(method=b"GET"),       False, "and that has no wildcards"),
    (HttpHeader("X-Kind", ("a*",)), Asked(headers=[(b"x-kind", b"ABC")]), True, "a header in any case"),
    (HttpHeader("X-Kind", ("a*",)), Asked(headers=[(b"x-kind", b"b")]), False, "of another value"),
    (HttpHeader("X-Kind", ("*",)),  Asked(headers=[(b"x-other", b"a")]), False, "of another name"),
    (HttpHeader("X-Kind", ("b",)), Asked(headers=[(b"x-kind", b"a"), (b"x-kind", b"b")]), True, "each occurrence counts"),
    (HttpHeader("X-Kind", ("a, b",)), Asked(headers=[(b"x-kind", b"a"), (b"x-kind", b"b")]), False, "for itself"),
    (query(("v", "1")),     Asked(query=b"a=2&v=1"),    True,  "a pair of the query"),
    (query(("v", "1")),     Asked(query=b"v=2"),        False, "of that value"),
    (query(("v", "1")),     Asked(query=b"w=1"),        False, "of that key"),
    (query(("V", "One")),   Asked(query=b"v=oNE"),      True,  "in any case"),
    (query((None, "1")),    Asked(query=b"w=1"),        True,  "no key is any key"),
    (query(("v", "*")),     Asked(query=b"v"),          True,  "a key alone has an empty value"),
    (query(("v", "1*")),    Asked(query=b"v=12"),       True,  "with wildcards"),
    (query(("v?", "1")),    Asked(query=b"v2=1"),       True,  "in the key too"),
    (query(("v", r"1\*")),  Asked(query=b"v=1*"),       True,  "or escaped ones"),
    (query(("v", r"1\*")),  Asked(query=b"v=12"),       False, "which are literal"),
    (query(("v", "a b")),   Asked(query=b"%76=a%20b"),  True,  "escapes are decoded"),
    (query(("v", "a b")),   Asked(query=b"v=a+b"),      True,  "a plus is a space"),
    (SourceIp(("192.0.2.0/24",)),   Asked(peer_ip="192.0.2.200"), True,  "a block of addresses"),
    (SourceIp(("192.0.2.0/24",)),   Asked(peer_ip="192.0.3.1"),   False, "and none beside it"),
    (SourceIp(("192.0.2.7",)),      Asked(),                      True,  "a single address"),
    (SourceIp(("0.0.0.0/0",)),      Asked(peer_ip="2001:db8::1"), False, "versions differ"),
    (SourceIp(("2001:db8::/32",)),  Asked(peer_ip="2001:db8::1"), True,  "IPv6 blocks"),
    (SourceIp(("fe80::/10",)),      Asked(peer_ip="fe80::1%eth0"), True, "a scope is no part of an address"),
    (SourceIp(("192.0.2.0/24",)),   Asked(peer_ip="::ffff:192.0.2.7"), True, "IPv4 in IPv6 is IPv4"),
    (SourceIp(("0.0.0.0/0",)),      Asked(peer_ip=""),            False, "a peer without address is in no block"),
    (SourceIp(("192.0.2.0/24",)),
     Asked(peer_ip="198.51.100.1", headers=[(b"x-forwarded-for", b"192.0.2.7")]), False, "what a header claims is no peer"),
]
# fmt: on


@pytest.mark.parametrize(
    ("condition", "asked", "expected"),
    [row[:3] for row in CONDITIONS],
    ids=[row[3] for row in CONDITIONS],
)
def test_condition(condition: Condition, asked: Asked, *, expected: bool) -> None:
    assert (5 if expected else 0) == chosen(asked, rule(5, condition))


def test_without_rules_the_default_answers() -> None:
    assert chosen(Asked()) == 0


def test_a_rule_without_conditions_takes_everything() -> None:
    assert chosen(Asked(), rule(3)) == 3


def test_all_conditions_must_hold() -> None:
    both = rule(1, HOST(("a.example",)), PATH(("/x",)))

    assert chosen(Asked(host=b"a.example", path=b"/x"), both) == 1
    assert chosen(Asked(host=b"a.example", path=b"/y"), both) == 0
    assert chosen(Asked(host=b"b.example", path=b"/x"), both) == 0


def test_conditions_of_one_kind_must_all_hold_too() -> None:
    twice = rule(1, HOST(("*.example",)), HOST(("a.*",)), PATH(("/x*",)), PATH(("*y",)))

    assert chosen(Asked(host=b"a.example", path=b"/xy"), twice) == 1
    assert chosen(Asked(host=b"b.example", path=b"/xy"), twice) == 0
    assert chosen(Asked(host=b"a.example", path=b"/xz"), twice) == 0


def test_the_lowest_priority_wins_however_they_are_written() -> None:
    rules = [rule(30, PATH(("/a",))), rule(10, PATH(("/*",))), rule(20, PATH(("/a",)))]

    assert chosen(Asked(path=b"/a"), *rules) == 10


def test_a_match_points_at_the_action_and_none_at_the_default() -> None:
    compiled = compile_rules(listener(rule(1, PATH(("/a",)))))

    assert [FixedResponse(200, message_body="1"), FixedResponse(404)] == [
        compiled.actions[compiled.match(*Asked(path=path))] for path in (b"/a", b"/b")
    ]


def test_a_thousand_rules_compile_in_small_steps() -> None:
    rules = [rule(n + 1, PATH((f"/{n}", f"/{n}/*"))) for n in range(1000)]

    indexed = 3 * len(rules)  # a rule, its path and its prefix
    steps = sum(1 for _ in compile_steps(listener(*rules)))
    assert steps >= len(rules) + indexed // STRIDE


def some(values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(values, min_size=1, max_size=3).map(tuple)


path_values = st.text("ab/*?", max_size=4).map("/{}".format) | st.text(
    "ab*", max_size=3
)
host_values = st.text("ab.*?", min_size=1, max_size=4)
regex_values = st.lists(
    st.sampled_from(["a", "^a", "b$", "a.b", "^/(a|b)*$", "[^a]b?", "B"]),
    min_size=1,
    max_size=2,
).map(tuple)
conditions: st.SearchStrategy[Condition] = st.one_of(
    st.builds(PathPattern, some(path_values)),
    st.builds(PathPattern, some(path_values)),
    st.builds(HostHeader, some(host_values)),
    st.builds(HttpRequestMethod, some(st.sampled_from(["GET", "PUT"]))),
    st.builds(HttpHeader, st.just("X-A"), some(st.text("ab*", max_size=2))),
    st.builds(
        lambda key, value: QueryString((QueryPair(value, key),)),
        st.none() | st.text("ab*", max_size=2),
        st.text("ab*", max_size=2),
    ),
    st.builds(PathPattern, st.just(()), regex_values),
    st.builds(HostHeader, st.just(()), regex_values),
    st.builds(HttpHeader, st.just("X-A"), st.just(()), regex_values),
    st.builds(SourceIp, some(st.sampled_from(["192.0.2.0/25", "192.0.2.128/25"]))),
)
rule_lists = st.lists(
    st.builds(
        Rule,
        st.integers(1, 50_000),
        st.lists(conditions, max_size=2).map(tuple),
        st.just(ANSWER),
    ),
    max_size=8,
    unique_by=lambda r: r.priority,
)
requests = st.builds(
    Asked,
    method=st.sampled_from([b"GET", b"PUT"]),
    host=st.text("ab.", max_size=5).map(str.encode),
    path=st.text("ab/.", max_size=5).map(lambda text: b"/" + text.encode()),
    query=st.text("ab=&", max_size=5).map(str.encode),
    headers=st.lists(
        st.tuples(
            st.sampled_from([b"x-a", b"x-b"]), st.sampled_from([b"A", b"ab", b""])
        ),
        max_size=2,
    ),
    peer_ip=st.sampled_from(["192.0.2.1", "192.0.2.129", "2001:db8::1"]),
    host_field=st.sampled_from([b"", b"A:1", b"b"]),
)


@settings(max_examples=examples(400), deadline=None)
@given(rules=rule_lists, asked=st.lists(requests, min_size=1, max_size=8))
def test_the_index_chooses_as_reading_one_by_one_does(
    rules: list[Rule], asked: list[Asked]
) -> None:
    compiled = compile_rules(listener(*rules))
    priorities = [*(r.priority for r in compiled.rules), 0]

    assert [one_by_one(each, rules) for each in asked] == [
        priorities[compiled.match(*each)] for each in asked
    ]


@settings(max_examples=examples(300), deadline=None)
@given(
    variants=st.lists(rule_lists, min_size=1, max_size=3),
    served=st.lists(st.sets(st.integers(0, 30)), min_size=2, max_size=5),
    asked=st.lists(requests, min_size=1, max_size=4),
)
def test_rules_that_follow_others_choose_as_if_they_were_the_first(
    variants: list[list[Rule]], served: list[set[int]], asked: list[Asked]
) -> None:
    pool = [at_once(block_steps([rule])) for rules in variants for rule in rules]
    compiled = None
    for present in served:
        by_priority = {
            pool[at % len(pool)].rules[0].priority: pool[at % len(pool)]
            for at in present
            if pool
        }
        blocks = tuple(block for _, block in sorted(by_priority.items()))
        compiled = at_once(index_steps(blocks, ANSWER, compiled))
        rules = [block.rules[0] for block in blocks]
        priorities = [*(rule.priority for rule in rules), 0]
        assert [one_by_one(each, rules) for each in asked] == [
            priorities[compiled.match(*each)] for each in asked
        ]


@settings(max_examples=examples(200), deadline=None)
@given(
    patterns=st.lists(st.text("ab/*", max_size=5), min_size=1, max_size=20),
    paths=st.lists(st.text("ab/", max_size=7), min_size=1, max_size=10),
)
def test_nested_prefixes_keep_priority_exact(
    patterns: list[str], paths: list[str]
) -> None:
    rules = [rule(n + 1, PATH((f"/{p}",))) for n, p in enumerate(patterns)]
    asked = [Asked(path=b"/" + path.encode()) for path in paths]

    assert [one_by_one(each, rules) for each in asked] == [
        chosen(each, *rules) for each in asked
    ]


def test_several_conditions_may_read_the_query() -> None:
    both = rule(1, query(("a", "1")), query(("b", "2")))

    assert chosen(Asked(query=b"a=1&b=2"), both) == 1
    assert chosen(Asked(query=b"a=1"), both) == 0
