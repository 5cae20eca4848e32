"""`explain` says what a request would meet in its group: by workers' own code."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from alb.app.session_keys import keyring
from alb.model import (
    Algorithm,
    Forward,
    GroupStickiness,
    HealthState,
    Listener,
    LoadBalancer,
    LoadBalancerAttributes,
    Stickiness,
    TargetGroup,
    TargetHealth,
    TargetId,
    TargetObservation,
    WeightedGroup,
)
from alb.policies import Concurrency, RetryPolicy
from alb.ports import SessionKey, SessionKeys
from controlplane.api.ports import Question
from controlplane.errors import InvalidParameter
from controlplane.explain import explain
from controlplane.known import Known

NOW = 1_800_000_000
KEYS = (SessionKey("01234567", "A" * 22 + "==", 0),)
OTHERS = (SessionKey("89abcdef", "B" * 21 + "A==", 0),)
WEB = TargetGroup("web")
Json = dict[str, Any]


def seen(
    group: str = "web", state: HealthState = HealthState.HEALTHY, **more: Any
) -> TargetObservation:
    base = TargetObservation(
        group,
        TargetHealth(state),
        eligible_everywhere=True,
        removed_everywhere=False,
        in_flight=0,
        drained=False,
    )
    return replace(base, **more)


def known(
    targets: Mapping[str, TargetObservation],
    waiting: int = 0,
    keys: tuple[SessionKey, ...] = KEYS,
) -> Known:
    observed = {TargetId(name): each for name, each in targets.items()}
    return Known(observed, {"web": waiting}, keys, float(NOW))


def ask(
    group: TargetGroup,
    by: Known,
    *headers: tuple[str, str],
    method: str = "GET",
    url: str = "/",
    **listener: Any,
) -> Json:
    """Return what is done with a request that a single group is for."""
    one = Listener(8080, Forward((WeightedGroup("web"),)), **listener)
    return action_of(one, (group,), by, Question(url, method, headers))


def action_of(
    listener: Listener, groups: Sequence[TargetGroup], by: Known, question: Question
) -> Json:
    front = LoadBalancer("front", listeners=(listener,), groups=tuple(groups))
    return cast(Json, explain(front, by, question)["action"])


def in_group(action: Json) -> Json:
    (group,) = action["targetGroups"]
    return cast(Json, group)


TWO = {"a": seen(), "b": seen()}

# fmt: off
SHARES = [  # algorithm, what is known of a and b -> their shares
    (Algorithm(), TWO, (0.5, 0.5), "in turn, each as often"),
    (Algorithm(), {"a": seen(), "b": seen(ramp=0.25)}, (0.8, 0.2), "slow start gives a part of a share"),
    (Algorithm(), {"a": seen(), "b": seen(weight=0.25)}, (0.5, 0.5), "turns know no mitigation"),
    (Algorithm("weighted_random"), {"a": seen(), "b": seen(weight=0.25)}, (0.8, 0.2), "mitigation lowers a weight"),
    (Algorithm("weighted_random"), {"a": seen(weight=0.5), "b": seen(ramp=0.5)}, (0.5, 0.5), "and slow start"),
    (Algorithm("least_outstanding_requests"), TWO, (None, None), "who has the fewest is not known beforehand"),
    (Algorithm(), {"a": seen(), "b": seen(state=HealthState.UNHEALTHY)}, (1.0, 0.0), "who is unhealthy gets nothing"),
]
# fmt: on


@pytest.mark.parametrize(
    ("algorithm", "targets", "shares"),
    [row[:3] for row in SHARES],
    ids=[row[3] for row in SHARES],
)
def test_the_share_of_each_target(
    algorithm: Algorithm,
    targets: dict[str, TargetObservation],
    shares: tuple[float | None, float | None],
) -> None:
    group = replace(WEB, algorithm=algorithm, slow_start_s=30.0)

    told = in_group(ask(group, known(targets)))

    assert list(shares) == [
        share if share is None else pytest.approx(share)
        for share in (one["share"] for one in told["targets"])
    ]
    assert 30.0 == told["slowStartSeconds"]


def test_what_makes_a_share_smaller_is_told() -> None:
    targets = {"a": seen(ramp=0.5), "b": seen(weight=0.1), "c": seen()}

    a, b, c = in_group(ask(WEB, known(targets)))["targets"]

    assert (0.5, 0.1) == (a["slowStart"], b["anomalyMitigation"])
    assert not {"slowStart", "anomalyMitigation"} & c.keys()


def test_a_hash_and_a_single_target_decide() -> None:
    hashed = replace(WEB, algorithm=Algorithm("alb.consistent_hash", "header:x-user"))

    by_hash = in_group(ask(hashed, known(TWO), ("X-User", "u")))
    without = in_group(ask(hashed, known(TWO)))
    alone = in_group(ask(WEB, known({"a": seen()})))

    assert (by_hash["target"] in TWO, "the hash") == (True, by_hash["because"])
    assert "target" not in without
    assert ("a", "the only one that may be picked") == (
        alone["target"], alone["because"]
    )  # fmt: skip


def test_fail_open_and_nobody() -> None:
    down = seen(state=HealthState.UNHEALTHY)

    opened = ask(WEB, known({"a": down, "b": down}))
    nobody = ask(WEB, known({}))
    offline = ask(WEB, Known())

    assert (True, ["a", "b"]) == tuple(
        in_group(opened)[name] for name in ("failOpen", "eligibleTargets")
    )
    assert "request" in opened
    assert (503, "NO_TARGET") == (nobody["statusCode"], nobody["reason"])
    assert "request" not in nobody
    assert ([], False) == tuple(
        in_group(offline)[name] for name in ("targets", "failOpen")
    )
    assert "request" in offline, "whoever it is, this is what they get"


BUSY = seen(in_flight=2)

# fmt: off
CAPS = [  # a, waiting in a worker, queue -> status, reason, waits, full
    (seen(in_flight=1), 0, 0, None, None,       False, [False], "there is room"),
    (BUSY,              0, 0, 503,  "OVERFLOW", False, [True],  "no room and no queue"),
    (BUSY,              0, 3, None, None,       True,  [True],  "no room: it waits"),
    (BUSY,              2, 3, None, None,       True,  [True],  "behind two others"),
    (BUSY,              3, 3, 503,  "OVERFLOW", False, [True],  "no room in the queue either"),
    (seen(in_flight=1), 1, 3, None, None,       True,  [False], "others wait: first come, first served"),
]
# fmt: on


@pytest.mark.parametrize(
    ("a", "waiting", "queue", "status", "reason", "waits", "full"),
    [row[:7] for row in CAPS],
    ids=[row[7] for row in CAPS],
)
def test_a_cap_on_requests(  # noqa: PLR0913, PLR0917 - a table's columns
    a: TargetObservation,
    waiting: int,
    queue: int,
    status: int | None,
    reason: str | None,
    waits: bool,  # noqa: FBT001 - a table's column
    full: list[bool],
) -> None:
    group = replace(WEB, concurrency=Concurrency(2, queue, 5.0))

    action = ask(group, known({"a": a}, waiting))

    told = in_group(action)
    assert (status, reason) == (action.get("statusCode"), action.get("reason"))
    assert {
        "maxPerTarget": 2,
        "queueLength": queue,
        "queueTimeoutSeconds": 5.0,
        "waiting": waiting,
        "waits": waits,
    } == told["maxConcurrency"]
    assert full == [one["full"] for one in told["targets"]]
    assert ("request" in action) == (status is None)


RETRY = RetryPolicy(on_reset=True, on_status_codes=((502, 503),))
LENGTH = ("Content-Length", "9")

# fmt: off
RETRIES = [  # policy, method, headers -> after a reset, after which statuses
    (RETRY, "GET",  [],       True,  [[502, 503]], "what may be repeated"),
    (RETRY, "POST", [],       False, [],           "what may not"),
    (RETRY, "PUT",  [LENGTH], False, [[502, 503]], "a body that is kept"),
    (RETRY, "PUT",  [("Content-Length", "99999")], False, [], "one that is too long"),
    (replace(RETRY, non_idempotent=True), "POST", [LENGTH], False, [[502, 503]], "what is said to be safe"),
]
# fmt: on


@pytest.mark.parametrize(
    ("policy", "method", "headers", "on_reset", "statuses"),
    [row[:5] for row in RETRIES],
    ids=[row[5] for row in RETRIES],
)
def test_what_is_sent_again(
    policy: RetryPolicy,
    method: str,
    headers: list[tuple[str, str]],
    on_reset: bool,  # noqa: FBT001 - a table's column
    statuses: list[list[int]],
) -> None:
    group = replace(WEB, retry=policy)

    told = in_group(ask(group, known(TWO), *headers, method=method))["retries"]

    assert (3, on_reset, statuses) == (
        told["attempts"], told["onReset"], told["onStatusCodes"]
    )  # fmt: skip


def test_without_a_policy_only_what_was_not_sent_is_tried_elsewhere() -> None:
    assert {"attempts": 3} == in_group(ask(WEB, known(TWO)))["retries"]


# --- stickiness -----------------------------------------------------------------------


def cookie(about: str, text: str, *, age_s: int = 0, keys: Any = KEYS) -> str:
    """Return the value of a cookie that the node has made."""
    sealing = keyring(SessionKeys(keys))
    return sealing.seal(about.encode(), text.encode(), NOW - age_s).decode()


LB = Stickiness(enabled=True, lb_cookie_duration_s=60.0)
APP = Stickiness(
    enabled=True, type="app_cookie", app_cookie_name="sid", app_cookie_duration_s=60.0
)
GONE = {**TWO, "c": seen(state=HealthState.UNHEALTHY)}
SEALED = cookie("AWSALB web", "b")
OF_APP = cookie("AWSALBAPP-0 web", "b")

# fmt: off
HELD = [  # stickiness, the request's cookies -> cookie, held to, why
    (LB,  "",                            "AWSALB",     None, "did not come: the algorithm chooses", "no cookie"),
    (LB,  f"x=1; AWSALB={SEALED}",       "AWSALB",     "b",  "names b", "ours"),
    (LB,  f"AWSALBCORS={SEALED}",        "AWSALBCORS", "b",  "names b", "its twin"),
    (LB,  "AWSALB=made-up",              "AWSALB",     None, "is not one that this node made for it in the last 60 s", "somebody's"),
    (LB,  f"AWSALB={cookie('AWSALB api', 'b')}", "AWSALB", None, "is not one that this node made for it in the last 60 s", "another group's"),
    (LB,  f"AWSALB={cookie('AWSALB web', 'b', age_s=61)}", "AWSALB", None, "is not one that this node made for it in the last 60 s", "one that has ended"),
    (LB,  f"AWSALB={cookie('AWSALB web', 'x')}", "AWSALB", None, "names x, which is not registered any more", "of a target that left"),
    (LB,  f"AWSALB={cookie('AWSALB web', 'c')}", "AWSALB", None, "names c, which may not be picked now", "of one that is unhealthy"),
    (APP, f"AWSALBAPP-0={OF_APP}",       "AWSALBAPP-0", None, "came without sid: the algorithm chooses", "without the application's"),
    (APP, f"sid=1; AWSALBAPP-0={OF_APP}", "AWSALBAPP-0", "b", "names b", "with the application's"),
]
# fmt: on


@pytest.mark.parametrize(
    ("how", "cookies", "name", "to", "why"),
    [row[:5] for row in HELD],
    ids=[row[5] for row in HELD],
)
def test_what_a_cookie_decides(
    how: Stickiness, cookies: str, name: str, to: str | None, why: str
) -> None:
    group = replace(WEB, stickiness=how)
    headers = [("Cookie", cookies)] if cookies else []

    told = in_group(ask(group, known(GONE), *headers))

    sticky = told["stickiness"]
    assert (name, to, why) == (sticky["cookie"], sticky["heldTo"], sticky["why"])
    assert (how.type, 60.0) == (sticky["type"], sticky["durationSeconds"])
    assert (to, name if to else None) == (told.get("target"), told.get("because"))


def test_who_is_held_to_a_full_target_goes_to_another() -> None:
    group = replace(WEB, stickiness=LB, concurrency=Concurrency(1))
    by = known({"a": seen(), "b": seen(in_flight=1)})

    told = in_group(ask(group, by, ("Cookie", f"AWSALB={SEALED}")))

    assert "b" == told["stickiness"]["heldTo"]
    assert "target" not in told
    assert [False, True] == [one["full"] for one in told["targets"]]


def test_without_the_nodes_keys_no_cookie_is_read() -> None:
    group = replace(WEB, stickiness=LB)

    told = ask(group, known(TWO, keys=()), ("Cookie", f"AWSALB={SEALED}"))

    sticky = in_group(told)["stickiness"]
    assert sticky["why"].startswith("cannot be read here")
    assert ["AWSALB", "AWSALBCORS"] == [one["name"] for one in told["setCookies"]]


def test_cookies_that_would_be_set_are_told_without_their_values() -> None:
    lb, app = (replace(WEB, stickiness=how) for how in (LB, APP))

    by_lb = ask(lb, known(TWO))["setCookies"]
    by_app = ask(app, known(TWO))["setCookies"]
    both = ("Cookie", f"sid=1; AWSALBAPP-0={OF_APP}")
    goes_on = ask(app, known(TWO), both)["setCookies"]

    assert ["AWSALB", "AWSALBCORS"] == [one["name"] for one in by_lb]
    assert by_lb[1]["attributes"].endswith("GMT; Path=/; SameSite=None; Secure")
    (once,) = by_app
    assert ("AWSALBAPP-0", "when the target sets sid") == (once["name"], once["when"])
    (always,) = goes_on
    assert ("AWSALBAPP-0", False) == (always["name"], "when" in always)


API = TargetGroup("api")
BOTH = Forward((WeightedGroup("web", 3), WeightedGroup("api", 1)))
STAYS = replace(BOTH, stickiness=GroupStickiness(enabled=True, duration_s=60))
SPILLS = replace(STAYS, spill_over=True)
FULL = {**TWO, "c": seen("api")}

# fmt: off
GROUPS = [  # the action, who is there, the cookie -> held to, why, shares
    (STAYS,  FULL, "",                           None,  "did not come: weights choose", (0.75, 0.25), "no cookie"),
    (STAYS,  FULL, cookie("AWSALBTG", "api"),    "api", "names api", (0.0, 1.0), "ours"),
    (STAYS,  TWO,  cookie("AWSALBTG", "api"),    "api", "names api", (0.0, 1.0), "of a group without targets, that keeps its clients"),
    (SPILLS, TWO,  cookie("AWSALBTG", "api"),    None,  "names api, which has no targets and spills over", (1.0, 0.0), "unless it spills over"),
    (STAYS,  FULL, cookie("AWSALBTG", "other"),  None,  "names other, which is none of these groups", (0.75, 0.25), "of a group that was taken out"),
    (STAYS,  FULL, cookie("AWSALBTG", "api", keys=OTHERS), None, "is not one that this node made for it in the last 60 s", (0.75, 0.25), "another node's"),
]
# fmt: on


@pytest.mark.parametrize(
    ("action", "targets", "value", "to", "why", "shares"),
    [row[:6] for row in GROUPS],
    ids=[row[6] for row in GROUPS],
)
def test_which_group_a_cookie_holds_to(  # noqa: PLR0913, PLR0917 - a table's columns
    action: Forward,
    targets: dict[str, TargetObservation],
    value: str,
    to: str | None,
    why: str,
    shares: tuple[float, float],
) -> None:
    headers = [("Cookie", f"AWSALBTG={value}")] if value else []
    question = Question("/", "GET", headers)

    told = action_of(Listener(8080, action), (WEB, API), known(targets), question)

    held = told["groupStickiness"]
    assert ("AWSALBTG", to, why) == (held["cookie"], held["heldTo"], held["why"])
    assert list(shares) == [one["share"] for one in told["targetGroups"]]


def test_each_group_tells_how_a_request_would_fare_there() -> None:
    told = action_of(
        Listener(8080, BOTH), (WEB, API), known(TWO), Question("/", "GET", ())
    )

    web, api = told["targetGroups"]
    assert ("statusCode" in web, api["statusCode"]) == (False, 503)
    assert "request" in told, "three of four are sent"
    assert "statusCode" not in told


def test_one_who_is_held_to_an_empty_group_is_answered() -> None:
    told = action_of(
        Listener(8080, STAYS),
        (WEB, API),
        known(TWO),
        Question("/", "GET", [("Cookie", f"AWSALBTG={cookie('AWSALBTG', 'api')}")]),
    )

    assert (503, "NO_TARGET", "api") == (
        told["statusCode"], told["reason"], told["targetGroup"]
    )  # fmt: skip


# --- what is sent ---------------------------------------------------------------------


def test_tls_and_the_clients_port_are_told_as_they_were_asked() -> None:
    attributes = LoadBalancerAttributes(tls_headers=True, xff_client_port=True)
    listener = Listener(
        8443, Forward((WeightedGroup("web"),)), protocol="HTTPS", attributes=attributes
    )
    tls = ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256")
    question = Question("/", "GET", (), "192.0.2.9", 5000, tls)

    headers = dict(action_of(listener, (WEB,), known(TWO), question)["request"]["headers"])  # fmt: skip

    assert tls == (
        headers["x-amzn-tls-version"], headers["x-amzn-tls-cipher-suite"]
    )  # fmt: skip
    assert "192.0.2.9:5000" == headers["X-Forwarded-For"]


@pytest.mark.parametrize(
    "question",
    [
        Question("/", "GET", (), source_port=0),
        Question("/", "GET", (), source_port=65536),
        Question("/", "GET", (), tls=("TLSv1.3\r\nX: y", "A")),
        Question("/", "GET", (), tls=("TLSv1.3", "")),
    ],
)
def test_what_no_connection_has_is_refused(question: Question) -> None:
    listener = Listener(8443, Forward((WeightedGroup("web"),)), protocol="HTTPS")

    with pytest.raises(InvalidParameter):
        action_of(listener, (WEB,), known(TWO), question)


def test_asking_twice_gets_the_same_answer() -> None:
    group = replace(WEB, stickiness=LB, concurrency=Concurrency(2, 3), retry=RETRY)
    by = known(TWO, 1)

    assert ask(group, by) == ask(group, by)
