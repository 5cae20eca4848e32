"""The control process with a real node and real tasks, processes of this machine."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controlplane.clean import clean
from tests.support.control import RunningCluster, cluster_file, run_cluster
from tests.support.engines import Engine


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[RunningCluster]:
    async with run_cluster(tmp_path) as running:
        yield running
    await asyncio.to_thread(clean, tmp_path)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def task_pids(state_dir: Path) -> list[int]:
    """Return the pids of the tasks, as their shims wrote them down."""
    runs = state_dir.glob("tasks/*/*/run.json")
    return sorted(json.loads(run.read_text())["task"]["pid"] for run in runs)


async def test_a_file_becomes_tasks_that_answer(cluster: RunningCluster) -> None:
    status, _ = await cluster.ask("GET", "/readyz")
    assert 503 == status, "nothing was applied yet"

    status, answer = await cluster.apply(cluster_file(cluster.port))
    assert 200 == status, answer
    assert "services[web]" in [change["path"] for change in answer["plan"]]
    await cluster.healthy(2)

    assert (200, "hello\n") == await cluster.get()
    _, events = await cluster.ask("GET", "/v1/events")
    assert "has started 2 tasks" in events
    assert "alb.yaml was applied" in events
    _, logs = await cluster.ask("GET", "/v1/services/web/logs")
    assert 2 == logs.count(f"front door http://127.0.0.1:{cluster.port}")
    _, metrics = await cluster.ask("GET", "/metrics")
    assert 'alb_service_healthy_tasks{service="web"} 2.0' in metrics
    assert 2 == metrics.count("\nalb_registered_target_healthy{")
    assert (200, "ok\n") == await cluster.ask("GET", "/readyz")
    state = await cluster.state()
    assert {
        "cluster", "uid", "version", "file", "control", "node", "listeners",
        "loadBalancer", "targetGroups", "containerInstances", "services", "tasks",
        "alarms", "scalingActivities",
    } == set(state)  # fmt: skip
    (target, _) = state["targetGroups"][0]["targets"]
    assert ("127.0.0.1", "healthy") == (target["host"], target["state"])
    (listener,) = state["listeners"]
    assert (cluster.port, True) == (listener["port"], listener["bound"])


async def test_the_next_control_takes_over_without_touching_a_task(
    cluster: RunningCluster,
) -> None:
    await cluster.apply(cluster_file(cluster.port))
    await cluster.ask("POST", "/v1/services/web/scale", {"desiredCount": 3})
    tasks, pids = await cluster.healthy(3), task_pids(cluster.state_dir)
    killed = cluster.control_pid

    os.kill(killed, signal.SIGKILL)
    answered = 0
    async with asyncio.TaskGroup() as group:
        again = group.create_task(cluster.answers(unlike_pid=killed))
        while not again.done():
            assert (200, "hello\n") == await cluster.get()
            answered += 1

    assert answered
    assert tasks == await cluster.healthy(3), "the scaled count is kept"
    assert pids == task_pids(cluster.state_dir)
    assert 2 == (await cluster.state())["control"]["epoch"]


async def test_sigterm_leaves_tasks_and_node_running(cluster: RunningCluster) -> None:
    await cluster.apply(cluster_file(cluster.port))
    await cluster.healthy(2)
    ended = cluster.control_pid

    os.kill(ended, signal.SIGTERM)
    await cluster.answers(unlike_pid=ended)

    assert all(map(lives, task_pids(cluster.state_dir)))
    assert (200, "hello\n") == await cluster.get()


async def test_down_leaves_no_process_and_no_container(
    cluster: RunningCluster,
) -> None:
    await cluster.apply(cluster_file(cluster.port))
    await cluster.healthy(2)
    pids = [*task_pids(cluster.state_dir), cluster.control_pid]

    status, _ = await cluster.ask("POST", "/v1/down", {})
    async with asyncio.timeout(20):
        assert 0 == await cluster.keeper.wait()

    assert 202 == status
    assert not [pid for pid in pids if lives(pid)]
    assert [] == task_pids(cluster.state_dir)
    left = {path.name for path in cluster.state_dir.glob("*.sock")}
    assert set() == left


async def test_a_changed_file_is_rolled_out_and_the_rest_kept(
    cluster: RunningCluster,
) -> None:
    await cluster.apply(cluster_file(cluster.port, desired=1))
    await cluster.ask("POST", "/v1/services/web/scale", {"desiredCount": 2})
    before = await cluster.healthy(2)

    status, answer = await cluster.apply(
        cluster_file(cluster.port, desired=1, word="bye")
    )
    assert 200 == status, answer
    async with asyncio.timeout(20):
        while not set(before).isdisjoint(await cluster.tasks()):
            assert 200 == (await cluster.get())[0]

    await cluster.healthy(2)
    assert (200, "bye\n") == await cluster.get()
    drifts = [one for one in answer["plan"] if one["kind"] == "drift"]
    assert ["services[web].desiredCount"] == [one["path"] for one in drifts]


async def test_a_taken_port_changes_nothing(cluster: RunningCluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, answer = await cluster.apply(cluster_file(port))

    assert 409 == status
    assert f"127.0.0.1:{port}: Address already in use" == answer["error"]["message"]
    state = await cluster.state()
    assert [] == state["services"] == state["listeners"]


async def test_what_a_refused_file_named_may_be_corrected(
    cluster: RunningCluster, tmp_path: Path
) -> None:
    mistyped = f"unix://{tmp_path}/mistyped.sock"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file = json.loads(cluster_file(taken.getsockname()[1]))
        file["taskDefinitions"][0]["containerDefinitions"][0]["image"] = "web:1"
        file["containerInstances"] = [
            {"name": "here", "runtime": "docker", "endpoint": mistyped}
        ]
        refused, _ = await cluster.apply(json.dumps(file))

    accepted, answer = await cluster.apply(cluster_file(cluster.port))

    assert (409, 200) == (refused, accepted), answer
    await cluster.healthy(2)


async def test_a_mistyped_endpoint_is_corrected_under_its_name_while_nothing_runs_there(
    cluster: RunningCluster, tmp_path: Path
) -> None:
    file = json.loads(cluster_file(cluster.port))
    (here,) = file["containerInstances"]
    file["taskDefinitions"][0]["containerDefinitions"][0]["image"] = "web:1"
    mistyped = {"runtime": "docker", "endpoint": f"unix://{tmp_path}/mistyped.sock"}
    file["containerInstances"] = [{"name": here["name"], **mistyped}]
    status, answer = await cluster.apply(json.dumps(file))
    assert 200 == status, answer

    with socket.create_server(("127.0.0.1", 0)) as taken:
        elsewhere = cluster_file(taken.getsockname()[1])
        refused, _ = await cluster.apply(elsewhere)
    corrected, answer = await cluster.apply(cluster_file(cluster.port))

    assert (409, 200) == (refused, corrected), answer
    await cluster.healthy(2)
    assert (200, "hello\n") == await cluster.get()

    status, answer = await cluster.apply(json.dumps(file))
    assert 200 != status
    assert "cannot change while tasks run there" in json.dumps(answer)
    await cluster.healthy(2)


@pytest.mark.needs("docker")
async def test_listeners_open_for_an_engine_that_answers_late(
    cluster: RunningCluster, engine: Engine, tmp_path: Path
) -> None:
    late = tmp_path / "late.sock"
    file = json.loads(cluster_file(cluster.port, desired=0))
    file["taskDefinitions"][0]["containerDefinitions"][0]["image"] = "web:1"
    file["containerInstances"] = [
        {"name": "late", "runtime": "docker", "endpoint": f"unix://{late}"}
    ]
    status, answer = await cluster.apply(json.dumps(file))
    assert 200 == status, answer
    await listening(cluster, "127.0.0.1")

    late.symlink_to(engine.endpoint.removeprefix("unix://"))

    await listening(cluster, "127.0.0.1", engine.gateway())
    answering = cluster.control_pid
    os.kill(answering, signal.SIGKILL)
    await cluster.answers(unlike_pid=answering)
    await listening(cluster, "127.0.0.1", engine.gateway())


async def listening(cluster: RunningCluster, *addresses: str) -> None:
    """Wait until these are the addresses the node listens on."""
    async with asyncio.timeout(20):
        while True:
            listeners = (await cluster.state())["listeners"]
            if list(addresses) == [one["address"] for one in listeners if one["bound"]]:
                return
            await asyncio.sleep(0.05)


async def test_a_plan_has_no_effect(cluster: RunningCluster) -> None:
    body = {"file": "a", "text": cluster_file(cluster.port), "variables": {}}
    status, text = await cluster.ask("POST", "/v1/plan", body)

    assert 200 == status
    assert {"add"} == {change["kind"] for change in json.loads(text)["plan"]} - {
        "change"
    }
    assert [] == (await cluster.state())["services"]


async def test_tasks_are_found_without_the_state_file(
    cluster: RunningCluster, tmp_path: Path
) -> None:
    await cluster.apply(cluster_file(cluster.port))
    await cluster.healthy(2)
    pids = task_pids(tmp_path)
    control = cluster.control_pid
    cluster.keeper.kill()
    await cluster.keeper.wait()
    os.kill(control, signal.SIGKILL)
    (tmp_path / "cluster.db").unlink()

    await asyncio.to_thread(clean, tmp_path)

    assert 2 == len(pids)
    assert not [pid for pid in pids if lives(pid)]
    assert not (tmp_path / "tasks").exists()
