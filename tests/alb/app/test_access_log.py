"""Every request is told once in the access log, however it ended."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alb.app.logs import Logs
from alb.decide.names import balancer_id, log_file
from alb.drivers.log_files import append
from alb.model import Listener, LoadBalancerAttributes, LogFiles
from alb.state.access_log import WAITING_MAX, ListenerLog
from foundation.clock import SystemClock, VirtualClock
from tests.support.wires import TIMEOUTS, Wire, World

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
FIXED = b"GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LOGGED = replace(
    TIMEOUTS,
    access_log=LogFiles("nowhere", "front", json=True),
    connection_log=LogFiles("nowhere", "front"),
)


@pytest.fixture
def world() -> Iterator[World]:
    made = World(attributes=LOGGED)
    yield made
    made.close()


def told(world: World) -> list[dict[str, str]]:
    log = world.door.access_log
    assert log is not None
    return [json.loads(line) for line in log.lines.take()]


def forwarded(world: World) -> tuple[Wire, Wire]:
    client = world.client(GET)
    upstream = world.connected()
    return client, upstream


# fmt: off
Ending = Callable[[World], None]


def answered(world: World) -> None:
    forwarded(world)[1].deliver(OK)


def fixed(world: World) -> None:
    world.client(FIXED)


def nonsense(world: World) -> None:
    world.client(b"nonsense\r\n\r\n")


def client_left(world: World) -> None:
    forwarded(world)[0].lose()


def target_left(world: World) -> None:
    forwarded(world)[1].lose()


def target_left_inside(world: World) -> None:
    upstream = forwarded(world)[1]
    upstream.deliver(OK[:-1])
    upstream.lose()


def refused_everywhere(world: World) -> None:
    world.client(GET)
    while world.connects:
        world.refused()


def switched(world: World) -> None:
    client = world.client(GET[:-2] + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n")
    upstream = world.connected()
    upstream.deliver(b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
    upstream.lose()
    client.lose()


ENDINGS: list[tuple[Ending, dict[str, str]]] = [
    (answered,           {"elb_status_code": "200", "target_status_code": "200", "actions_executed": "forward", "reason": "-"}),
    (fixed,              {"elb_status_code": "200", "target:port": "-", "actions_executed": "fixed-response", "matched_rule_priority": "1"}),
    (nonsense,           {"elb_status_code": "400", "classification": "Severe", "request": "- http://127.0.0.1:8080- -"}),
    (client_left,        {"elb_status_code": "460", "target_processing_time": "-1", "reason": "CLIENT_GONE"}),
    (target_left,        {"elb_status_code": "502", "target_status_code": "-", "reason": "TARGET_CLOSED"}),
    (target_left_inside, {"elb_status_code": "200", "target_status_code": "200", "reason": "RESPONSE_TRUNCATED"}),
    (refused_everywhere, {"elb_status_code": "502", "request_processing_time": "-1", "target:port_list": "h:0 h:1"}),
    (switched,           {"elb_status_code": "101", "type": "ws"}),
]
# fmt: on


@pytest.mark.parametrize(
    ("ending", "fields"), ENDINGS, ids=[ending.__name__ for ending, _ in ENDINGS]
)
def test_each_ending_is_told_once(
    world: World, ending: Ending, fields: dict[str, str]
) -> None:
    ending(world)
    world.flush()

    (entry,) = told(world)
    assert fields == {name: entry[name] for name in fields}


def test_pipelined_requests_are_told_each(world: World) -> None:
    client = world.client(FIXED + GET + FIXED)
    world.connected().deliver(OK)
    world.flush()

    assert client.sent.count(b"HTTP/1.1 ") == 3
    assert [one["request"].split()[1][-6:] for one in told(world)] == [
        *("/fixed", ":8080/x"[-6:], "/fixed")
    ]


def test_bytes_are_those_that_passed(world: World) -> None:
    body = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    client = world.client(body)
    world.connected().deliver(OK)
    world.flush()

    (entry,) = told(world)
    assert (entry["received_bytes"], entry["sent_bytes"]) == (
        str(len(body)),
        str(len(client.sent)),
    )


def test_each_connection_is_told_and_joins_its_requests(world: World) -> None:
    answered(world)
    logs = {log.kind: log for log in world.door.logs()}

    (line,) = logs["conn_log_"].lines.take()
    (entry,) = told(world)

    assert line.split()[1:4] == [b"192.0.2.7", b"5", b"8080"]
    assert entry["conn_trace_id"].encode() in line


def test_a_log_that_is_switched_off_still_gives_what_it_holds(world: World) -> None:
    fixed(world)
    world.attributes = TIMEOUTS
    world.publish(*world.registered)
    world.door.take(world.table.listeners["http-8080"])
    fixed(world)

    logs = [log for log in world.door.logs() if not log.kind]
    assert [len(log.lines.take()) for log in logs] == [1]
    assert world.door.logs() == []


# --- files ------------------------------------------------------------------------------


def test_a_file_can_be_read_at_any_moment(tmp_path: Path) -> None:
    files = LogFiles(str(tmp_path), "front")
    unix_s = 1_795_404_619.0

    for number in range(3):
        append([b"line %d\n" % number], files, "", "x", unix_s + number)
        (file,) = tmp_path.rglob("*.log.gz")
        assert len(gzip.decompress(file.read_bytes()).splitlines()) == number + 1


def test_each_five_minutes_have_a_file(tmp_path: Path) -> None:
    files = LogFiles(str(tmp_path), "front")

    for unix_s in (1_795_404_599.9, 1_795_404_600.0, 1_795_404_899.9):
        append([b"x\n"], files, "", "x", unix_s)

    assert sorted(file.name.split("_")[-3] for file in tmp_path.rglob("*.gz")) == [
        *("20261123T0330Z", "20261123T0335Z")
    ]


def log_to(directory: Path) -> ListenerLog:
    files = LogFiles(str(directory), "front")
    listener = Listener(8080, World.DEFAULT, attributes=LoadBalancerAttributes())
    return ListenerLog("", files, listener, b"x")


async def test_what_cannot_be_written_is_dropped_and_counted(tmp_path: Path) -> None:
    (tmp_path / "AWSLogs").write_text("a file where a folder should be")
    log = log_to(tmp_path)
    logs = Logs("x", SystemClock())

    for _ in range(3):
        log.lines.add(b"line\n")
    await logs.flush([log])
    await logs.end([])

    assert (log.lines.dropped, log.lines.take()) == (3, [])


async def test_a_disk_that_hangs_costs_lines_and_never_waits(tmp_path: Path) -> None:
    clock = VirtualClock()
    ends = clock.epoch_unix_s // 300 * 300 + 300
    pipe = tmp_path / log_file(
        *("", balancer_id("front"), _utc(ends), "127.0.0.1", "x")
    )
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)  # opening it waits for a reader
    log = log_to(tmp_path)
    log.lines.add(b"first\n")
    hung = asyncio.ensure_future(Logs("x", clock).flush([log]))
    await asyncio.sleep(0)

    line = b"x" * 1023 + b"\n"
    for _ in range(WAITING_MAX // 1024 + 10):
        log.lines.add(line)

    assert not hung.done()
    assert log.lines.dropped == 10
    reader = os.open(pipe, os.O_RDONLY)  # the disk is back
    await hung
    assert gzip.decompress(os.read(reader, 4096)) == b"first\n"
    os.close(reader)


def _utc(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)
