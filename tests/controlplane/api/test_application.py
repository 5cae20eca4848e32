"""The control API over real sockets: what it answers and what it refuses."""

import asyncio
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from controlplane.api.application import SECURITY_HEADERS, application
from controlplane.api.doors import open_unix
from controlplane.api.ports import LogsAsked, ProtectionChange
from controlplane.events import FOLLOWERS_MAX, Happening
from controlplane.weights import WeightChange
from scheduler.configuration import TimeoutAction

DEADLINE_S = 10.0
MIB = 1024 * 1024

Client = TestClient[web.Request, web.Application]
Owner = Mapping[str, str]
Cluster = Any  # the in-memory cluster of conftest.py, which tests cannot import

FILE = {"file": "alb.yaml", "text": "cluster: demo", "variables": {"A": "1"}}


async def raw(client: Client, request: bytes) -> bytes:
    """Send bytes as they are and return the answer's first line and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    async with asyncio.timeout(DEADLINE_S):
        writer.write(request)
        answer = await reader.read(65_536)
        writer.close()
        await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/healthz", "ok\n"),
        ("/readyz", "ok\n"),
        ("/v1/state", '{"cluster": "demo"}'),
        ("/v1/events", '{"events": []}'),
        ("/metrics", "# TYPE alb_up gauge\nalb_up 1.0\n"),
        ("/v1/services/web/logs", "web/1 one\nweb/2 two\n"),
    ],
)
async def test_reading_needs_no_token(client: Client, path: str, body: str) -> None:
    answer = await client.get(path)

    assert 200 == answer.status
    assert body == await answer.text()


async def test_readyz_says_why_not(client: Client, cluster: Cluster) -> None:
    cluster.not_ready = "worker 1 has not acknowledged version 1.7"

    answer = await client.get("/readyz")

    assert (503, "worker 1 has not acknowledged version 1.7\n") == (
        answer.status,
        await answer.text(),
    )


async def test_a_file_is_applied_by_the_token_s_owner_only(
    client: Client, cluster: Cluster, owner: Owner
) -> None:
    refused = await client.post("/v1/apply", json=FILE)
    assert 401 == refused.status
    assert "Bearer" == refused.headers["WWW-Authenticate"]
    assert [] == cluster.applied

    answer = await client.post("/v1/apply", json=FILE, headers=owner)

    assert 200 == answer.status
    assert {"plan": [], "warnings": []} == await answer.json()
    (applied,) = cluster.applied
    assert ("alb.yaml", {"A": "1"}) == (applied.file, applied.variables)


async def test_a_file_with_problems_changes_nothing_and_lists_them(
    client: Client, cluster: Cluster, owner: Owner
) -> None:
    bad = {**FILE, "text": "bad"}
    for path in ("/v1/apply", "/v1/plan", "/v1/validate"):
        answer = await client.post(path, json=bad, headers=owner)

        assert 422 == answer.status
        error = (await answer.json())["error"]
        assert "ValidationError" == error["code"]
        assert [
            {
                "path": "listeners[0].port",
                "message": "70000 is not a port",
                "line": 4,
                "column": 11,
                "severity": "error",
                "text": "alb.yaml:4:11: listeners[0].port: 70000 is not a port",
            }
        ] == error["problems"]
    assert [] == cluster.applied


async def test_a_full_disk_is_said(
    client: Client, cluster: Cluster, owner: Owner
) -> None:
    cluster.disk_full = True

    answer = await client.post("/v1/apply", json=FILE, headers=owner)

    assert (503, "CommitFailed") == (
        answer.status,
        (await answer.json())["error"]["code"],
    )


async def test_tasks_are_protected_for_two_hours_unless_told_otherwise(
    client: Client, cluster: Cluster, owner: Owner
) -> None:
    asked = {"tasks": ["a", "b"], "protectionEnabled": True}
    for more in ({}, {"expiresInMinutes": 5}, {"protectionEnabled": False}):
        answer = await client.post(
            "/v1/tasks/protection", json={**asked, **more}, headers=owner
        )
        assert 200 == answer.status

    assert [
        ProtectionChange(("a", "b"), minutes) for minutes in (120, 5, None)
    ] == cluster.protected


async def test_services_are_scaled_and_deployed(
    client: Client, cluster: Cluster, owner: Owner
) -> None:
    path = "/v1/services/web"

    scaled = await client.post(f"{path}/scale", json={"desiredCount": 5}, headers=owner)
    deployed = await client.post(f"{path}/deploy", json={}, headers=owner)

    assert {"serviceName": "web", "desiredCount": 5} == await scaled.json()
    told = {"serviceName": "web", "deploymentId": "ecs-svc/2"}
    assert told == await deployed.json()
    assert ({"web": 5}, ["web"]) == (cluster.desired, cluster.deployed)


async def test_a_service_is_rolled_back_if_there_is_something_to_go_back_to(
    client: Client, cluster: Cluster, owner: Owner
) -> None:
    path = "/v1/services/web/rollback"
    cluster.deployed = ["web"]

    done = await client.post(path, json={}, headers=owner)
    refused = await client.post(path, json={}, headers=owner)

    told = {"serviceName": "web", "deploymentId": "ecs-svc/1"}
    assert told == await done.json()
    assert (409, "there is nothing to roll back to") == (
        refused.status,
        (await refused.json())["error"]["message"],
    )


async def test_weights_are_changed(
    client: Client, cluster: Cluster, owner: Owner
) -> None:
    path = "/v1/listeners/http-80/weights"
    body = {"rule": "10", "weights": {"a": 9, "b": 1}, "ifVersion": 4}

    answer = await client.post(path, json=body, headers=owner)
    refused = await client.post(path, json=body)

    assert {"weights": {"a": 9, "b": 1}, "version": 2} == await answer.json()
    assert [WeightChange("http-80", "10", {"a": 9, "b": 1}, 4)] == cluster.weighed
    assert 401 == refused.status, "not without the token"


async def test_an_unknown_service_is_named_with_its_neighbour(
    client: Client, owner: Owner
) -> None:
    answer = await client.post("/v1/services/wbe/deploy", json={}, headers=owner)

    assert 404 == answer.status
    assert {
        "code": "ServiceNotFoundException",
        "message": 'no service named "wbe"; did you mean "web"?',
        "problems": [],
    } == (await answer.json())["error"]


# fmt: off
BAD_BODIES = [
    ("/v1/apply", b"{",                                "body: not JSON"),
    ("/v1/apply", b"[" * 100_000,                      "body: not JSON"),
    ("/v1/apply", b"\xff\xfe",                         "body: not JSON"),
    ("/v1/apply", b"[]",                               "body: must be an object"),
    ("/v1/apply", b"{}",                               "file: must be a string"),
    ("/v1/apply", b'{"file": "x"}',                    "text: must be a string"),
    ("/v1/apply", b'{"file": "x", "text": 1}',         "text: must be a string"),
    ("/v1/apply", b'{"file": "x", "text": "", "variables": []}',
                                                       "variables: must be an object"),
    ("/v1/apply", b'{"file": "x", "text": "", "variables": {"A": 1}}',
                                                       "variables: must be an object"),
    ("/v1/services/web/scale", b"{}",                      "desiredCount: must be"),
    ("/v1/tasks/protection", b'{"tasks": "a"}',            "tasks: must be a list of task ids"),
    ("/v1/tasks/protection", b'{"tasks": []}',             "tasks: must name 1-10 (got 0)"),
    ("/v1/tasks/protection", b'{"tasks": ["a"]}',          "protectionEnabled: must be true or false"),
    ("/v1/tasks/protection", b'{"tasks": ["a"], "protectionEnabled": true, "expiresInMinutes": "1"}',
                                                           "expiresInMinutes: must be an integer"),
    ("/v1/tasks/protection", b'{"tasks": ["a"], "protectionEnabled": true, "expiresInMinutes": 2881}',
                                                           "expiresInMinutes: must be 1-2880 (got 2881)"),
    ("/v1/services/web/scale", b'{"desiredCount": true}',  "must be an integer"),
    ("/v1/services/web/scale", b'{"desiredCount": 1.5}',   "must be an integer"),
    ("/v1/services/web/scale", b'{"desiredCount": "2"}',   "must be an integer"),
    ("/v1/services/web/scale", b'{"desiredCount": -1}',    "must be 0-10000 (got -1)"),
    ("/v1/services/web/scale", b'{"desiredCount": 10001}', "must be 0-10000"),
    ("/v1/listeners/80/weights", b"{}",                    "weights: must be an object of integers"),
    ("/v1/listeners/80/weights", b'{"weights": {"a": "1"}}', "weights: must be an object of integers"),
    ("/v1/listeners/80/weights", b'{"weights": {"a": true}}', "weights: must be an object of integers"),
    ("/v1/listeners/80/weights", b'{"weights": {}, "rule": 10}', "rule: must be a string"),
    ("/v1/listeners/80/weights", b'{"weights": {}, "ifVersion": "1"}', "ifVersion: must be an integer"),
]
# fmt: on


@pytest.mark.parametrize(("path", "body", "message"), BAD_BODIES)
async def test_a_body_that_means_nothing_is_said(
    client: Client, owner: Owner, path: str, body: bytes, message: str
) -> None:
    json_type = {"Content-Type": "application/json"}

    answer = await client.post(path, data=body, headers={**owner, **json_type})

    assert 400 == answer.status
    assert message in (await answer.json())["error"]["message"]


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/v1/events?since=x", "since"),
        ("/v1/services/web/logs?tail=x", "tail"),
        ("/v1/explain", "url"),
        ("/v1/explain?url=/&header=nocolon", "header"),
        ("/v1/explain?url=/&sourcePort=x", "sourcePort"),
    ],
)
async def test_a_query_that_means_nothing_is_said(
    client: Client, path: str, parameter: str
) -> None:
    answer = await client.get(path)

    assert 400 == answer.status
    assert (await answer.json())["error"]["message"].startswith(f"{parameter}: ")


async def test_bodies_are_bounded(client: Client, owner: Owner) -> None:
    big = io.BytesIO(json.dumps({**FILE, "text": "x" * MIB}).encode())
    json_type = {"Content-Type": "application/json"}

    answer = await client.post("/v1/apply", data=big, headers={**owner, **json_type})

    assert 413 == answer.status
    assert "problems" in (await answer.json())["error"]


async def test_explain_hands_on_the_question(client: Client) -> None:
    answer = await client.get(
        "/v1/explain",
        params=[
            ("url", "http://h/a?b=c"),
            ("method", "POST"),
            ("header", "X-A: 1: 2"),
            ("header", "X-A: 3"),
            ("sourceIp", "192.0.2.1"),
            ("sourcePort", "5000"),
            ("tlsVersion", "TLSv1.2"),
        ],
    )

    assert {
        "url": "http://h/a?b=c",
        "method": "POST",
        "headers": [["X-A", "1: 2"], ["X-A", "3"]],
        "sourceIp": "192.0.2.1",
        "sourcePort": 5000,
        "tls": ["TLSv1.2", "TLS_AES_256_GCM_SHA384"],
    } == await answer.json()


# fmt: off
FOREIGN = [
    ({"Host": "evil.example"},                "a rebound name"),
    ({"Host": "localhost.:{port}"},           "a trailing dot"),
    ({"Host": "127.0.0.1"},                   "no port"),
    ({"Origin": "http://evil.example"},       "a foreign page"),
    ({"Origin": "null"},                      "a sandboxed frame"),
    ({"Sec-Fetch-Site": "cross-site"},        "what a browser calls cross-site"),
    ({"Sec-Fetch-Site": "same-site"},         "another port of localhost"),
]
# fmt: on


@pytest.mark.parametrize(
    "headers", [row[0] for row in FOREIGN], ids=[row[1] for row in FOREIGN]
)
async def test_a_foreign_page_reads_and_changes_nothing(
    client: Client, cluster: Cluster, owner: Owner, headers: Mapping[str, str]
) -> None:
    foreign = {name: value.format(port=client.port) for name, value in headers.items()}
    for path in ("/", "/healthz", "/v1/state", "/metrics", "/nowhere"):
        assert 403 == (await client.get(path, headers=foreign)).status
    applied = await client.post("/v1/apply", json=FILE, headers={**owner, **foreign})
    assert 403 == applied.status
    assert [] == cluster.applied


@pytest.mark.parametrize(
    "head",
    [
        b"GET http://evil.example/v1/state HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n",
        b"GET /v1/state HTTP/1.0\r\n",
        b"GET /v1/state HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nHost: evil.example\r\n",
    ],
    ids=["absolute target", "no Host", "two Hosts"],
)
async def test_a_doubtful_head_is_refused(client: Client, head: bytes) -> None:
    port = client.port
    request = (head % port if b"%d" in head else head) + b"Connection: close\r\n\r\n"

    answer = await raw(client, request)

    assert answer.split(b" ")[1] in {b"400", b"403"}, answer
    assert b"demo" not in answer


async def test_a_form_cannot_post(client: Client, cluster: Cluster) -> None:
    """What a page can send without a preflight: forms and text, with no header."""
    for content_type in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ):
        answer = await client.post(
            "/v1/down", data=b"{}", headers={"Content-Type": content_type}
        )
        assert answer.status in {401, 415}
    assert not cluster.is_down


async def test_a_preflight_gets_no_permission(client: Client) -> None:
    answer = await client.options(
        "/v1/down",
        headers={
            "Origin": "http://evil.example",
            "Access-Control-Request-Method": "POST",
        },
    )

    assert 405 == answer.status
    assert not [name for name in answer.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize("path", ["/healthz", "/v1/state", "/nowhere", "/v1/apply"])
async def test_every_answer_carries_the_security_headers(
    client: Client, path: str
) -> None:
    answer = await client.get(path)

    for name, value in SECURITY_HEADERS.items():
        assert value == answer.headers[name]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/", 404),
        ("GET", "/v1/apply", 405),
        ("POST", "/v1/state", 405),
    ],
)
async def test_what_is_not_there_is_said_in_json(
    client: Client, owner: Owner, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path, headers=owner, json={})

    assert status == answer.status
    assert {"code", "message", "problems"} == set((await answer.json())["error"])


async def test_the_unix_socket_needs_no_token(tmp_path: Path, cluster: Cluster) -> None:
    runner = web.AppRunner(application(cluster, "t" * 43))
    await runner.setup()
    await web.SockSite(runner, open_unix(tmp_path / "control.sock")).start()
    connector = aiohttp.UnixConnector(str(tmp_path / "control.sock"))
    async with aiohttp.ClientSession("http://control", connector=connector) as session:
        answer = await session.post("/v1/down", json={})

        assert 202 == answer.status
    assert cluster.is_down
    await runner.cleanup()


def happening(message: str, unix_s: float) -> Happening:
    return Happening(unix_s, "service", "web", message)


async def test_events_are_listed_after_an_id(client: Client, cluster: Cluster) -> None:
    cluster.events.record([happening("one", 1.0), happening("two", 2.0)])

    answer = await client.get("/v1/events", params={"since": "1000000"})

    assert {
        "events": [
            {
                "id": 2_000_000,
                "time": 2.0,
                "source": "service",
                "subject": "web",
                "message": "two",
            }
        ]
    } == await answer.json()


async def test_events_are_followed_and_resumed(
    client: Client, cluster: Cluster
) -> None:
    cluster.events.record([happening("past", 1.0), happening("newer", 2.0)])
    stream = {"Accept": "text/event-stream", "Last-Event-ID": "1000000"}

    async with (
        asyncio.timeout(DEADLINE_S),
        client.get("/v1/events?follow=1", headers=stream) as answer,
    ):
        assert "text/event-stream" == answer.headers["Content-Type"]
        newer = await answer.content.readuntil(b"\n\n")
        cluster.events.record([happening("now\n\nid: 7", 3.0)])
        now = await answer.content.readuntil(b"\n\n")

    assert newer.startswith(b"id: 2000000\ndata: {")
    assert b"id: 3000000" == now.splitlines()[0]
    data = json.loads(now.splitlines()[1].removeprefix(b"data: "))
    assert "now\n\nid: 7" == data["message"], "a message cannot forge an event"


async def test_followers_are_bounded(client: Client, cluster: Cluster) -> None:
    cluster.events.record([happening("past", 1.0)])
    followers = [cluster.events.follow(0) for _ in range(FOLLOWERS_MAX)]
    for follower in followers:
        await anext(follower)

    answer = await client.get("/v1/events", headers={"Accept": "text/event-stream"})

    assert 503 == answer.status
    for follower in followers:
        await follower.aclose()


async def test_a_follower_who_leaves_is_forgotten(
    tmp_path: Path, cluster: Cluster
) -> None:
    """Served as in production: aiohttp's test server would cancel the handler."""
    runner = web.AppRunner(application(cluster, "t" * 43))
    await runner.setup()
    await web.SockSite(runner, open_unix(tmp_path / "control.sock")).start()
    connector = aiohttp.UnixConnector(str(tmp_path / "control.sock"))
    async with (
        asyncio.timeout(DEADLINE_S),
        aiohttp.ClientSession("http://control", connector=connector) as session,
        session.get("/v1/services/web/logs?follow=1") as answer,
    ):
        assert b"web/1 one\n" == await answer.content.readline()
        answer.close()
        await cluster.follow_ended.wait()
    await runner.cleanup()


async def test_logs_are_cut_to_their_tail(client: Client) -> None:
    answer = await client.get("/v1/services/web/logs?tail=1")

    assert "web/2 two\n" == await answer.text()


async def test_a_deployment_is_stopped_or_stopped_and_rolled_back(
    client: Client, cluster: Cluster, owner: Owner
) -> None:
    path = "/v1/services/web/stop-deployment"
    cluster.deployed = ["web"]
    stopped = await client.post(path, json={"stopType": "ABORT"}, headers=owner)
    assert "ecs-svc/2" == (await stopped.json())["deploymentId"]
    nothing = await client.post(path, json={"stopType": "ABORT"}, headers=owner)
    assert 409 == nothing.status
    cluster.deployed = ["web"]
    back = await client.post(path, json={}, headers=owner)
    assert "ecs-svc/1" == (await back.json())["deploymentId"]
    wrong = await client.post(path, json={"stopType": "HALT"}, headers=owner)
    assert (400, "stopType: must be ABORT or ROLLBACK") == (
        wrong.status,
        (await wrong.json())["error"]["message"],
    )


async def test_a_pause_is_told_how_it_goes_on(
    client: Client, cluster: Cluster, owner: Owner
) -> None:
    path = "/v1/services/web/continue-deployment"
    for told in ({}, {"action": "ROLLBACK", "hookId": "d/1"}):
        done = await client.post(path, json=told, headers=owner)
        assert 200 == done.status
    assert [
        (TimeoutAction.CONTINUE, ""),
        (TimeoutAction.ROLLBACK, "d/1"),
    ] == cluster.deployments.said
    for wrong in ({"action": "WAIT"}, {"hookId": 1}):
        refused = await client.post(path, json=wrong, headers=owner)
        assert 400 == refused.status


async def test_deployments_and_revisions_are_described(client: Client) -> None:
    for what, key in (
        ("deployments", "serviceDeployments"),
        ("revisions", "serviceRevisions"),
    ):
        found = await client.get(f"/v1/services/web/{what}")
        assert 1 == len((await found.json())[key])
        missing = await client.get(f"/v1/services/wbe/{what}")
        assert 404 == missing.status


async def test_logs_are_of_a_service_or_a_task_and_of_one_container_if_said(
    client: Client, cluster: Cluster
) -> None:
    await client.get("/v1/services/web/logs")
    await client.get("/v1/tasks/abc/logs?container=db&tail=3")

    assert [LogsAsked("web"), LogsAsked("abc", "db", tail=3)] == cluster.logs_asked
