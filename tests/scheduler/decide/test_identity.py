"""Names that tell whose they are."""

import random
import re

from scheduler.decide.identity import (
    container_name,
    container_names,
    new_deployment_id,
    new_task_id,
    target_ids,
)
from scheduler.model import TaskId
from tests.support.tasks import task


def test_ids_look_as_ecs_makes_them_and_do_not_repeat() -> None:
    draw = random.Random(1).random  # noqa: S311 - it repeats
    tasks = {new_task_id(draw) for _ in range(1000)}
    deployments = {new_deployment_id(draw) for _ in range(1000)}
    assert (1000, 1000) == (len(tasks), len(deployments))
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in tasks)
    assert all(re.fullmatch(r"ecs-svc/\d{19}", name) for name in deployments)


def test_ids_have_their_length_whatever_is_drawn() -> None:
    assert len(new_task_id(lambda: 0.0)) == 32
    assert len(new_task_id(lambda: 1 - 2**-53)) == 32
    assert len(new_deployment_id(lambda: 1 - 2**-53)) == len("ecs-svc/") + 19


def test_a_container_is_named_after_cluster_and_task() -> None:
    assert container_name("c1", TaskId("t"), "web") == "alb-c1-t-web"
    assert container_names("c1", task()) == ("alb-c1-t-web",)


def test_a_target_is_named_after_task_port_and_group() -> None:
    [(name, (balancer, lease))] = target_ids(task()).items()
    assert name == "t/web/8080/blue"
    assert ("blue", 20_000) == (balancer.target_group, lease.host_port)
