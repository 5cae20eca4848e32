"""What the kernel hands out and what we lease must not be the same ports."""

from controlplane import machine
from controlplane.cluster_file import ClusterFile, load

SERVICE = """
cluster: demo
taskDefinitions:
  - family: web
    containerDefinitions: [{name: web, image: i, memory: 64, command: [run]}]
services: [{serviceName: web, taskDefinition: web, desiredCount: 1}]
"""
INSTANCES = """
containerInstances:
  - {name: a, runtime: process, dynamicPortRange: "40000-40999"}
  - {name: b, runtime: process, dynamicPortRange: "20000-20999"}
"""
OUTGOING = (32_768, 60_999)


def content(text: str) -> ClusterFile:
    return load("alb.yaml", text, {})


def test_a_range_that_outgoing_connections_use_is_told_with_its_cure() -> None:
    (warning,) = machine.warnings(content(SERVICE + INSTANCES), OUTGOING)

    assert (
        "dynamic ports 40000-40999 overlap those of outgoing connections, "
        "32768-60999: a connect to a dead task may meet itself; "
        'sysctl -w net.ipv4.ip_local_port_range="41000 60999"'
    ) == warning.message


def test_the_default_range_is_looked_at_when_the_file_names_no_instance() -> None:
    (warning,) = machine.warnings(content(SERVICE), (1024, 65_535))

    assert "dynamic ports 20000-29999" in warning.message


def test_a_file_without_services_leases_nothing() -> None:
    assert [] == list(machine.warnings(content("cluster: demo"), (1024, 65_535)))


def test_a_system_that_does_not_tell_is_not_warned_about() -> None:
    assert [] == list(machine.warnings(content(SERVICE + INSTANCES), None))
