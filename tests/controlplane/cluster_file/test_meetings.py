"""Parts of a file that are right by themselves and do not fit each other."""

import pytest

from controlplane.cluster_file import load

TEXT = """
cluster: demo
loadBalancer: {scheme: SCHEME}
listeners: [{port: PORT, defaultActions: [{type: fixed-response, statusCode: 200}]}]
taskDefinitions:
  - family: web
    containerDefinitions: [{name: web, image: i, memory: 64, command: [run]}]
services: [{serviceName: web, taskDefinition: web, desiredCount: 1}]
containerInstances:
  - {name: a, runtime: RUNTIME}
"""
DOCKER = "docker, endpoint: "


def warnings(runtime: str, port: int = 8080, scheme: str = "internal") -> list[str]:
    text = TEXT.replace("RUNTIME", runtime).replace("PORT", str(port))
    loaded = load("alb.yaml", text.replace("SCHEME", scheme), {})
    return [warning.at("f").partition("warning: ")[2] for warning in loaded.warnings]


# fmt: off
ENGINES = [
    ("tcp://10.0.0.2:2375",   "internal",        True,  "another machine"),
    ("tcp://build-host:2375", "internal",        True,  "a name"),
    ("tcp://[fd00::2]:2375",  "internal",        True,  "an IPv6 address"),
    ("tcp://10.0.0.2:2375",   "internet-facing", False, "it listens everywhere"),
    ("tcp://127.0.0.1:2375",  "internal",        False, "this machine"),
    ("tcp://[::1]:2375",      "internal",        False, "this machine, IPv6"),
    ("tcp://localhost:2375",  "internal",        False, "this machine by name"),
    ("unix:///run/d.sock",    "internal",        False, "a socket is here"),
]
# fmt: on


@pytest.mark.parametrize(
    ("endpoint", "scheme", "told"),
    [row[:3] for row in ENGINES],
    ids=[row[3] for row in ENGINES],
)
def test_tasks_elsewhere_that_cannot_reach_the_balancer_are_told_of(
    endpoint: str, scheme: str, *, told: bool
) -> None:
    found = warnings(f"{DOCKER}'{endpoint}'", scheme=scheme)

    assert found == told * [
        "containerInstances[0].endpoint: tasks there get an ALB_URL that they cannot "
        "reach: the load balancer listens on this machine alone; write "
        "loadBalancer.scheme: internet-facing if they need it"
    ]


# fmt: off
PORTS = [
    ("process",                                   25_000, "20000-29999", "ours"),
    ("process",                                   20_000, "20000-29999", "the first"),
    ("process",                                   29_999, "20000-29999", "the last"),
    ("process, dynamicPortRange: 30000-30099",    30_050, "30000-30099", "as written"),
    ("process, dynamicPortRange: 30000-30099",    25_000, "",            "not ours"),
    ("process",                                   19_999, "",            "below"),
    (DOCKER + "'tcp://10.0.0.2:2375'",            25_000, "",            "elsewhere"),
]
# fmt: on


@pytest.mark.parametrize(
    ("runtime", "port", "leased"),
    [row[:3] for row in PORTS],
    ids=[row[3] for row in PORTS],
)
def test_a_listener_among_the_ports_of_tasks_is_told_of(
    runtime: str, port: int, leased: str
) -> None:
    assert warnings(runtime, port, "internet-facing") == bool(leased) * [
        f"listeners[0].port: {port} is one of the ports that tasks are given, "
        f"{leased}: one of them may hold it; choose another"
    ]
