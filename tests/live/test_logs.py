"""The access log on disk: a line for each request, whatever ends the worker."""

from __future__ import annotations

import gzip
import os
import signal
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

from alb.model import LoadBalancerAttributes, LogFiles
from tests.support.node import QUICK, Origin, run_node, until

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def lines(directory: Path, files: str) -> list[bytes]:
    """Return the lines of all log files whose names match."""
    found = [gzip.decompress(file.read_bytes()) for file in directory.rglob(files)]
    return b"".join(found).splitlines()


def asked(directory: Path) -> Counter[bytes]:
    """Return the last parts of the paths in the access log."""
    told = lines(directory, "[0-9]*.log.gz")
    return Counter(line.split(b'"')[1].split()[1].rpartition(b"/")[2] for line in told)


def connected(directory: Path) -> int:
    """Return how many lines the connection log has."""
    return len(lines(directory, "conn_log_*.log.gz"))


async def test_every_check_stands_in_the_health_check_log(tmp_path: Path) -> None:
    files = LogFiles(str(tmp_path / "logs"), "front")
    logged = LoadBalancerAttributes(health_check_log=files)
    well = await Origin().start()
    gone = await Origin().start()
    gone.drop()

    def told(port: int) -> list[list[bytes]]:
        rows = [one.split() for one in lines(tmp_path, "health_check_log_*.log.gz")]
        return [row for row in rows if row[3] == b"127.0.0.1:%d" % port]

    async with run_node(tmp_path / "state", workers=2) as node:
        await node.serve({"web": [well.port, gone.port]}, attributes=logged)
        await until(lambda: len(told(well.port)) > 2, "checks that passed are told")
        await until(lambda: len(told(gone.port)) > 2, "checks that failed are told")

    assert {(*row[4:],) for row in told(well.port)} == {(b"web", b"PASS", b"200", b"-")}
    refused = (b"web", b"FAIL", b"-", b"ConnectionReset")
    assert {(*row[4:],) for row in told(gone.port)} == {refused}
    well.drop()


async def test_a_target_is_checked_once_an_interval_by_however_many_workers(
    tmp_path: Path,
) -> None:
    files = LogFiles(str(tmp_path / "logs"), "front")
    origin = await Origin().start()

    def times() -> list[datetime]:
        told = lines(tmp_path, "health_check_log_*.log.gz")
        return sorted(datetime.fromisoformat(one.split()[1].decode()) for one in told)

    async with run_node(tmp_path / "state", workers=4) as node:
        logged = LoadBalancerAttributes(health_check_log=files)
        await node.serve({"web": [origin.port]}, attributes=logged)
        await until(lambda: len(times()) > 8, "it was checked a few times")

    first, second, *_, last = times()
    assert second - first < QUICK.interval_s * timedelta(seconds=2), "soon, once known"
    intervals = (last - second) / timedelta(seconds=QUICK.interval_s)
    assert len(times()) - 2 <= intervals + 2
    origin.drop()


async def test_every_request_stands_in_the_log_once(tmp_path: Path) -> None:
    files = LogFiles(str(tmp_path / "logs"), "front")
    logged = LoadBalancerAttributes(access_log=files, connection_log=files)
    origin = await Origin().start()
    wanted = Counter({b"%d" % number: 1 for number in range(40)})

    async with run_node(tmp_path / "state", workers=2) as node:
        await node.serve({"web": [origin.port]}, attributes=logged)
        for number in range(20):
            assert b" 200 " in await node.ask(GET % number)
        await until(lambda: asked(tmp_path).total() == 20, "they were written")
        await until(lambda: connected(tmp_path) == 20, "their connections too")
        for worker in node.balancer.statistics().workers:
            os.kill(worker.pid, signal.SIGKILL)
        await until(
            lambda: node.balancer.statistics().worker_exits == 2, "both are replaced"
        )
        for number in range(20, 40):
            assert b" 200 " in await node.ask(GET % number)

    assert asked(tmp_path) == wanted, "the last second's too: the node ended orderly"
    assert connected(tmp_path) == 40
    origin.drop()
