"""The cluster file: one YAML file with AWS's field names, in; checked values, out.

load(file, text, variables) -> ClusterFile     or ConfigInvalid, every problem
text_of(file, bytes) -> str                    what load takes
"""

from controlplane.cluster_file.load import load
from controlplane.cluster_file.model import ClusterFile
from controlplane.cluster_file.source import text_of

__all__ = ["ClusterFile", "load", "text_of"]
