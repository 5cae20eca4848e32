"""Two instances of local processes: described, drained, and what their tasks wrote."""

from __future__ import annotations

import asyncio
import json
import os
import pty
from collections.abc import Iterator

import pytest

from tests.support.live import Host, LiveCluster, live, live_cluster

pytestmark = [pytest.mark.timeout(180), pytest.mark.needs("time")]

TALK = "import sys; print('hello'); print('trouble', file=sys.stderr); sys.exit(3)"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCluster]:
    host = Host(tmp_path_factory.mktemp("live"))
    with live_cluster(host, desired=2) as running:
        yield running


async def two_instances(cluster: LiveCluster) -> None:
    """Have the cluster's file name another instance, and a task that talks."""
    cluster.file["containerInstances"] = [
        {"name": "here", "runtime": "process", "dynamicPortRange": "20000-20999"},
        {"name": "there", "runtime": "process", "dynamicPortRange": "21000-21999"},
    ]
    python = cluster.host.container("one")["command"][2]
    talk = {"name": "talk", "memory": 6, "command": [python, "-c", TALK]}
    wait = {"name": "wait", "memory": 6, "command": ["sleep", "600"], "stopTimeout": 2}
    cluster.file["taskDefinitions"] = [
        *(one for one in cluster.file["taskDefinitions"] if one["family"] == "web"),
        {"family": "talk", "containerDefinitions": [talk]},
        {"family": "wait", "containerDefinitions": [wait]},
    ]
    await cluster.apply()
    await cluster.scale(2)
    await cluster.steady(2)


async def test_what_is_not_there_is_a_failure_and_no_error(
    cluster: LiveCluster,
) -> None:
    await two_instances(cluster)
    status, told = await cluster.try_alb("instances", "here", "x", "--output", "json")
    answer = json.loads(told)
    clusters = await cluster.document("/v1/clusters?cluster=live&cluster=x")

    assert 1 == status
    [instance], [failure] = answer["containerInstances"], answer["failures"]
    assert ("ACTIVE", True) == (instance["status"], instance["agentConnected"])
    assert ("MISSING", True) == (failure["reason"], failure["arn"].endswith("/live/x"))
    [described], [missing] = clusters["clusters"], clusters["failures"]
    assert ("ACTIVE", 2, 2, 1) == (
        described["status"],
        described["registeredContainerInstancesCount"],
        described["runningTasksCount"],
        described["activeServicesCount"],
    )
    assert "MISSING" == missing["reason"]


async def test_an_instance_is_drained_and_a_restart_does_not_forget_it(
    cluster: LiveCluster,
) -> None:
    await two_instances(cluster)

    await cluster.alb("drain", "here", "--wait")
    await cluster.kill_control()
    await cluster.scale(3)
    await cluster.steady(3)
    homes = {one["containerInstance"] for one in live(await cluster.state())}
    planned = await cluster.alb("plan")
    await cluster.alb("activate", "here")

    assert {"there"} == homes
    assert "containerInstances[here].status: runs DRAINING, file says ACTIVE" in planned


async def test_what_a_task_wrote_is_read_after_it_is_gone_and_after_a_restart(
    cluster: LiveCluster,
) -> None:
    await two_instances(cluster)
    status, told = await cluster.try_alb("run", "talk", "--wait", "--output", "json")
    [task] = json.loads(told)["tasks"]
    name = task["taskArn"].rpartition("/")[2]
    before = await cluster.alb("logs", name)
    await cluster.kill_control()
    after = await cluster.alb("logs", name[:8], "talk", "--tail", "1")
    missing, why = await cluster.try_alb("logs", name, "other")

    assert 3 == status
    lines = [f"talk/{name[:8]} {word}" for word in ("hello", "trouble")]
    assert sorted(lines) == sorted(before.splitlines())
    assert before.splitlines()[-1:] == after.splitlines()
    assert (2, True) == (missing, '"other" is none of talk' in why)


async def test_a_command_runs_in_a_task_that_was_started_for_it(
    cluster: LiveCluster,
) -> None:
    await two_instances(cluster)
    [old, *_] = sorted((await cluster.steady(2)).keys())
    refused = await cluster.try_alb("exec", old, "--", "true")
    cluster.file["services"][0]["enableExecuteCommand"] = True
    await cluster.apply()
    await cluster.alb("deploy", "web", "--wait")
    [task, *_] = sorted((await cluster.steady(2)).keys())
    script = 'echo "$DEMO_CPU_MS $PORT"; exit 9'

    status, told = await cluster.try_alb("exec", task[:12], "--", "sh", "-c", script)
    missing = await cluster.try_alb("exec", task, "db", "--", "true")
    nothing = await cluster.try_alb("exec", task)

    assert (1, True) == (refused[0], "execute command was not enabled" in refused[1])
    [words] = told.splitlines()
    milliseconds, port = words.split()
    ports = [
        lease["hostPort"]
        for one in live(await cluster.state())
        if one["taskId"] == task
        for lease in one["ports"]
    ]
    assert (9, "1", ports) == (status, milliseconds, [int(port)])
    assert (1, True) == (missing[0], '"db" is none of web' in missing[1])
    assert (2, True) == (nothing[0], "write the command behind --" in nothing[1])


async def test_with_a_terminal_a_command_has_one(cluster: LiveCluster) -> None:
    await two_instances(cluster)
    asked = ("run", "wait", "--enable-execute-command", "--output", "json")
    [task] = json.loads(await cluster.alb(*asked))["tasks"]
    name = task["taskArn"].rpartition("/")[2]
    await cluster.until(
        "it runs",
        lambda state: (
            "RUNNING"
            in [one["lastStatus"] for one in state["tasks"] if one["taskId"] == name]
        ),
    )
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *cluster.command(
            "exec", name, "--", "sh", "-c", "echo ready; read word; tty; exit 4"
        ),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)

    told = await asyncio.to_thread(os.read, ours, 4096)
    os.write(ours, b"go\r")
    async with asyncio.timeout(30):
        status = await process.wait()
    told += await asyncio.to_thread(os.read, ours, 4096)
    os.close(ours)
    await cluster.alb("down", "--wait", "60")

    assert told.startswith(b"ready")
    assert (4, True) == (status, b"/dev/pts/" in told), told
