"""Listeners open where the file says, and a taken address is found before a change."""

import socket

import pytest

from alb.model import (
    FixedResponse,
    Listener,
    LoadBalancer,
    LoadBalancerAttributes,
    LogFiles,
)
from alb.ports import Bound
from controlplane.errors import ListenerNotBound
from controlplane.front_door import (
    local_gateways,
    require_free,
    url_of,
    with_gateways,
    with_logs_below,
)

NOTHING = FixedResponse(404)


def front(
    *ports: int, addresses: tuple[str, ...] = ("127.0.0.1",), public: bool = False
) -> LoadBalancer:
    listeners = tuple(Listener(port, NOTHING, addresses=addresses) for port in ports)
    return LoadBalancer("front", internet_facing=public, listeners=listeners)


def test_an_internal_front_door_listens_on_the_engines_gateways_too() -> None:
    opened = with_gateways(front(80, 81), ["172.17.0.1", "127.0.0.1"])

    assert [("127.0.0.1", "172.17.0.1")] * 2 == [
        listener.addresses for listener in opened.listeners
    ]


def test_one_that_faces_the_internet_listens_everywhere_already() -> None:
    public = front(80, addresses=("0.0.0.0",), public=True)  # noqa: S104

    assert public == with_gateways(public, ["172.17.0.1"])


@pytest.mark.parametrize(
    ("written", "placed"),
    [("logs", "/srv/shop/logs"), ("/var/log/alb", "/var/log/alb")],
)
def test_logs_lie_where_the_file_says_seen_from_the_file(
    written: str, placed: str
) -> None:
    files = LogFiles(written, "front")
    attributes = LoadBalancerAttributes(access_log=files)
    listener = Listener(80, NOTHING, attributes=attributes)
    relative = LoadBalancer("front", attributes=attributes, listeners=(listener,))

    (opened,) = with_logs_below(relative, "/srv/shop").listeners

    assert opened.attributes == LoadBalancerAttributes(
        access_log=LogFiles(placed, "front")
    )


def test_only_addresses_of_this_machine_are_gateways() -> None:
    addresses = ["", "127.0.0.1", "127.0.0.9", "192.0.2.1", "host.example"]

    assert ("127.0.0.9",) == local_gateways(addresses)


def test_a_taken_port_is_refused_and_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(ListenerNotBound, match=rf"127\.0\.0\.1:{port}: Address"):
            require_free(front(port), [], None)
        with pytest.raises(ListenerNotBound):
            require_free(front(port), [Bound("127.0.0.1", port, "taken")], front(port))
        require_free(front(port), [Bound("127.0.0.1", port)], front(port))


def test_a_port_that_the_node_may_be_opening_just_now_is_not_tried() -> None:
    """Control that starts again says what it knew, and is told to apply meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as opening:
        port = opening.getsockname()[1]

        require_free(front(port), [], front(port))


@pytest.mark.parametrize(
    ("load_balancer", "url"),
    [
        (front(8080), "http://127.0.0.1:8080"),
        (front(80, addresses=("0.0.0.0",)), "http://127.0.0.1:80"),  # noqa: S104
        (front(80, addresses=("::1",)), "http://[::1]:80"),
        (front(), ""),
    ],
)
def test_tasks_are_told_of_the_first_listener(
    load_balancer: LoadBalancer, url: str
) -> None:
    assert url == url_of(load_balancer.listeners)
