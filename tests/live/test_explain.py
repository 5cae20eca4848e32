"""What `explain` says would be sent is what a target of a real node receives, byte by
byte, but for the time and number of a trace; and cookies decide what it says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from alb.decide.tls_policies import DEFAULT_POLICY
from alb.model import (
    Forward,
    GroupStickiness,
    HostHeaderRewrite,
    Listener,
    LoadBalancer,
    LoadBalancerAttributes,
    PathPattern,
    Rule,
    Stickiness,
    TargetGroup,
    UrlRewrite,
    WeightedGroup,
)
from controlplane.api.ports import Question
from controlplane.explain import explain
from controlplane.known import known_of
from controlplane.state_dir import StateDir
from foundation.clock import SystemClock
from tests.support.certificates import careless, kept
from tests.support.node import QUICK, Node, Origin, free_port, run_node, to, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

OUR_TRACE = re.compile(rb"(X-Amzn-Trace-Id: (?:Root|Self)=)1-[0-9a-f]{8}-[0-9a-f]{24}")
GROUP = TargetGroup("web", QUICK)
Headers = Sequence[tuple[str, str]]


@dataclass
class Front:
    """A node behind a listener, what it was told, and who answers."""

    node: Node
    origin: Origin
    balancer: LoadBalancer = field(default_factory=lambda: LoadBalancer("test"))

    async def serve(self, listener: Listener, *groups: TargetGroup) -> None:
        self.balancer = LoadBalancer("test", listeners=(listener,), groups=groups)
        self.node.balancer.configure(self.balancer)
        if listener.is_secure:
            self.node.port = listener.port
            self.node.certify(kept("app.example"))
        for group in groups:
            self.node.register(f"{group.name}-t", group.name, self.origin.port)
        await self.node.ready()
        await self.node.healthy(*(f"{group.name}-t" for group in groups))

    def explained(self, question: Question) -> dict[str, Any]:
        state_dir = StateDir(self.node.state_dir)
        known = known_of(self.node.balancer, state_dir, SystemClock().unix_s())
        return cast(dict[str, Any], explain(self.balancer, known, question)["action"])

    async def sent(
        self, method: str, path: str, headers: Headers, body: bytes = b""
    ) -> tuple[tuple[int, tuple[str, str]], bytes, bytes]:
        """Send it for real; return whence and by which TLS, what the target got, and
        what came back."""
        listener = self.balancer.listeners[0]
        tls = careless() if listener.is_secure else None
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", listener.port, ssl=tls
        )
        lines = [f"{method} {path} HTTP/1.1", *(f"{n}: {v}" for n, v in headers)]
        heads = len(self.origin.heads)
        writer.write("\r\n".join([*lines, "\r\n"]).encode() + body)
        async with asyncio.timeout(10):
            answer = await reader.readuntil(b"\r\n\r\n")
        port = writer.get_extra_info("sockname")[1]
        session = writer.get_extra_info("ssl_object")
        settled = ("", "")
        if session is not None:
            settled = (session.version(), session.cipher()[0])
        writer.close()
        await until(lambda: len(self.origin.heads) > heads, "it arrived")
        return (port, settled), self.origin.heads[heads], answer


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def front(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Front]:
    state_dir: Path = tmp_path_factory.mktemp("node")
    async with run_node(state_dir, workers=1) as node:
        origin = await Origin().start()
        yield Front(node, origin)
        origin.drop()


PLAIN = LoadBalancerAttributes()
TRANSFORMS = (UrlRewrite("^/a/(.*)$", "/b/$1"), HostHeaderRewrite("^app", "in.$0"))
RULES = (Rule(1, (PathPattern(("/a/*",)),), to("web"), "", TRANSFORMS),)
AGENT = ("User-Agent", "curl/8")

# fmt: off
SENT = [  # protocol, attributes, method, path, headers, why
    ("HTTP", PLAIN, "GET",  "/x?q=1", [AGENT], "a plain request"),
    ("HTTP", PLAIN, "POST", "/x", [("Content-Type", "a/b"), ("Content-Length", "0")], "a length of nothing"),
    ("HTTP", PLAIN, "POST", "/x", [("Transfer-Encoding", "chunked")], "a body in chunks"),
    ("HTTP", PLAIN, "GET",  "/x", [("Connection", "upgrade"), ("Upgrade", "websocket")], "an upgrade"),
    ("HTTP", PLAIN, "GET",  "/x", [("Connection", "close, A"), ("A", "b"), ("Keep-Alive", "1")], "what is for one connection"),
    ("HTTP", PLAIN, "GET",  "/x", [("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-Proto", "https")], "who forwarded before"),
    ("HTTP", PLAIN, "GET",  "/x", [("X-Amzn-Trace-Id", "Root=1-67891233-abcdef012345678912345678;A=b")], "a trace that goes on"),
    ("HTTP", PLAIN, "GET",  "/a/%61/../x?y", [AGENT], "transforms of host and path"),
    ("HTTP", PLAIN, "GET",  "/c d", [AGENT], "a space in the path"),
    ("HTTP", PLAIN, "GET",  "/x", [("X", "ä"), ("Empty", "")], "octets beyond ASCII"),
    ("HTTP", replace(PLAIN, preserve_host_header=True), "GET", "/x", [AGENT], "the host as it came"),
    ("HTTP", replace(PLAIN, xff_client_port=True), "GET", "/x", [AGENT], "the client's port"),
    ("HTTP", replace(PLAIN, xff_header_processing="preserve"), "GET", "/x", [("X-Forwarded-For", "10.0.0.1")], "XFF as it came"),
    ("HTTP", replace(PLAIN, xff_header_processing="remove"), "GET", "/x", [("X-Forwarded-For", "10.0.0.1")], "no XFF"),
    ("HTTP", replace(PLAIN, drop_invalid_header_fields=True), "GET", "/x", [("a_b", "c"), AGENT], "names that are not valid"),
    ("HTTPS", PLAIN, "GET", "/x", [AGENT], "HTTPS"),
    ("HTTPS", replace(PLAIN, tls_headers=True), "GET", "/x", [("X-Amzn-Tls-Version", "mine"), AGENT], "TLS told in headers"),
]
# fmt: on


@pytest.mark.parametrize(
    ("protocol", "attributes", "method", "path", "headers"),
    [row[:5] for row in SENT],
    ids=[row[5] for row in SENT],
)
async def test_the_head_is_what_a_target_receives(  # noqa: PLR0913, PLR0917 - a table's columns
    front: Front,
    protocol: str,
    attributes: LoadBalancerAttributes,
    method: str,
    path: str,
    headers: Headers,
) -> None:
    listener = Listener(
        free_port(),
        to("web"),
        RULES,
        attributes=attributes,
        protocol=protocol,
        ssl_policy=DEFAULT_POLICY if protocol == "HTTPS" else "",
    )
    await front.serve(listener, GROUP)
    headers = [("Host", f"App.example:{listener.port}"), *headers]
    chunked = ("Transfer-Encoding", "chunked") in headers

    body = b"0\r\n\r\n" if chunked else b""
    (port, tls), received, _ = await front.sent(method, path, headers, body)
    asked = f"{'https' if listener.is_secure else 'http'}://app.example:{listener.port}"
    question = Question(asked + path, method, headers, "127.0.0.1", port, tls)
    action = front.explained(question)

    told = action["request"]["head"].encode("latin-1")
    assert OUR_TRACE.sub(rb"\g<1>1-TIME-UNIQUE", received) == told


STICKY = replace(GROUP, stickiness=Stickiness(enabled=True))
API = replace(STICKY, name="api")
HELD = Forward(
    (WeightedGroup("web"), WeightedGroup("api")),
    stickiness=GroupStickiness(enabled=True, duration_s=3600),
)
SET = re.compile(rb"\r\nSet-Cookie: ([^=]+)=([^;]*);([^\r]*)")
EXPIRES = re.compile(r"Expires=[^;]*")


async def test_cookies_are_told_as_they_are_set_and_as_they_hold(front: Front) -> None:
    listener = Listener(free_port(), HELD)
    await front.serve(listener, STICKY, API)
    host = ("Host", f"app.example:{listener.port}")
    url = f"http://app.example:{listener.port}/"

    _, _, answer = await front.sent("GET", "/", [host])
    first = front.explained(Question(url, "GET", [host]))
    set_here = SET.findall(answer)
    jar = "; ".join(f"{name.decode()}={value.decode()}" for name, value, _ in set_here)
    held = front.explained(Question(url, "GET", [host, ("Cookie", jar)]))
    _, received, again = await front.sent("GET", "/", [host, ("Cookie", jar)])

    assert "AWSALBTG did not come: weights choose" == " ".join(
        first["groupStickiness"][name] for name in ("cookie", "why")
    )
    group = held["groupStickiness"]["heldTo"]
    (web,) = [one for one in held["targetGroups"] if one["targetGroup"] == group]
    assert group == held["targetGroup"]
    assert (f"{group}-t", "AWSALB") == (web["target"], web["because"])
    assert f"{group}-t" == web["stickiness"]["heldTo"]
    shown = {
        (one["name"], EXPIRES.sub("", one["attributes"])) for one in held["setCookies"]
    }
    assert shown == {
        (name.decode(), EXPIRES.sub("", rest.decode().strip()))
        for name, _, rest in SET.findall(again)
    }
    told = held["request"]["head"].encode("latin-1")
    assert OUR_TRACE.sub(rb"\g<1>1-TIME-UNIQUE", received) == told
