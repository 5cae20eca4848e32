"""A submitted file, read beside the loop, and what is told of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from controlplane import machine
from controlplane.api.application import problem_document
from controlplane.api.ports import Document, Submission
from controlplane.cluster_file import ClusterFile, load
from controlplane.tls.disk import LocalDisk


async def load_submission(submission: Submission) -> ClusterFile:
    """Read the file in a thread: a thousand rules take a moment."""
    disk = LocalDisk(Path(submission.directory or directory_of(submission.file)))
    return await asyncio.to_thread(
        load, submission.file, submission.text, submission.variables, disk
    )


def directory_of(file: str) -> str:
    return str(Path(file).absolute().parent)


def warnings_of(file: str, content: ClusterFile) -> list[Document]:
    found = (*content.warnings, *machine.warnings(content, machine.ephemeral_ports()))
    return [problem_document(problem, file) for problem in found]
