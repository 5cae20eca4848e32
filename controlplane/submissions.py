"""What becomes of a submitted cluster file, and what is told of it.

submission -> ClusterFile -> the load balancer as it is to listen here
                          -> plan and warnings, as documents
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from alb.model import LoadBalancer
from controlplane import machine
from controlplane.api.application import problem_document
from controlplane.api.ports import Document, Submission
from controlplane.cluster_file import ClusterFile, load
from controlplane.cluster_file.ownership import Change
from controlplane.cluster_file.plan import plan_document
from controlplane.front_door import (
    with_certificates_below,
    with_gateways,
    with_logs_below,
)
from controlplane.tls.disk import LocalDisk


async def load_submission(submission: Submission) -> ClusterFile:
    """Read it in a thread: a thousand rules take a moment. Raises ConfigInvalid."""
    disk = LocalDisk(Path(submission.directory or directory_of(submission.file)))
    return await asyncio.to_thread(
        load, submission.file, submission.text, submission.variables, disk
    )


def directory_of(file: str) -> str:
    return str(Path(file).absolute().parent)


def load_balancer_of(
    content: ClusterFile, gateways: Sequence[str], directory: str
) -> LoadBalancer:
    """Return the file's, listening on `gateways` too, its paths absolute."""
    wanted = content.load_balancer or LoadBalancer(content.cluster)
    wanted = with_logs_below(with_gateways(wanted, gateways), directory)
    return with_certificates_below(wanted, directory)


def planned(
    submission: Submission, content: ClusterFile, plan: Sequence[Change]
) -> Document:
    return {
        "plan": plan_document(plan),
        "warnings": warnings_of(submission.file, content),
    }


def warnings_of(file: str, content: ClusterFile) -> list[Document]:
    found = (*content.warnings, *machine.warnings(content, machine.ephemeral_ports()))
    return [problem_document(problem, file) for problem in found]
