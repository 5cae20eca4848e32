"""What this machine's kernel does that a cluster file cannot say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from controlplane.cluster_file.model import ClusterFile
from controlplane.problems import Problem, Severity
from scheduler.model import DYNAMIC_PORTS

Range = tuple[int, int]


def ephemeral_ports() -> Range | None:
    """Return the ports the kernel gives to outgoing connections, on Linux."""
    path = Path("/proc/sys/net/ipv4/ip_local_port_range")
    try:
        low, high = path.read_text().split()
    except (OSError, ValueError):
        return None
    return int(low), int(high)


def leased_ranges(content: ClusterFile | None) -> list[Range]:
    """Return every range that tasks' ports are leased from."""
    instances = content.instances if content else ()
    return sorted({one.dynamic_port_range for one in instances} or {DYNAMIC_PORTS})


def overlap(leased: Range, ephemeral: Range | None) -> str:
    """Return what is wrong when outgoing connections may take leased ports, or ""."""
    low, high = leased
    if ephemeral is None or high < ephemeral[0] or ephemeral[1] < low:
        return ""
    return (
        f"dynamic ports {low}-{high} overlap those of outgoing connections,"
        f" {ephemeral[0]}-{ephemeral[1]}: a connect to a dead task may meet itself"
    )


def advice(leased: Range) -> str:
    """Return the command that parts the two."""
    return f'sysctl -w net.ipv4.ip_local_port_range="{leased[1] + 1} 60999"'


def warnings(content: ClusterFile, ephemeral: Range | None) -> Iterator[Problem]:
    """Yield what a person should know before tasks run here."""
    for leased in leased_ranges(content) if content.services else ():
        if told := overlap(leased, ephemeral):
            message = f"{told}; {advice(leased)}"
            yield Problem("containerInstances", message, 1, 1, Severity.WARNING)
