"""The cluster file: one YAML file with AWS's field names, in; checked values, out.

load(file, text, variables) -> ClusterFile     or ConfigInvalid, every problem
text_of(file, bytes) -> str                    what load takes
schema() -> dict                               the same as a JSON Schema
ownership.merge(last, file, live)              what to run, and the plan
plan.plan_document(changes)                    the plan, with its lines
"""

from controlplane.cluster_file.load import load
from controlplane.cluster_file.model import ClusterFile
from controlplane.cluster_file.source import text_of

__all__ = ["ClusterFile", "load", "schema", "text_of"]


def schema() -> dict[str, object]:
    """Return the file's JSON Schema."""
    from controlplane.cluster_file import json_schema  # noqa: PLC0415 - validate needs none

    return json_schema.json_schema()
