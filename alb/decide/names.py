"""The ids that AWS would have given: in logs, and where a log file lies. Floor 1.

An id's last part is random at AWS; here it follows from the name, so that two
runs of one cluster file speak of the same load balancer.

Source: ALB user guide, "Access logs" and "Connection logs" (file names).
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

ACCOUNT: Final = "000000000000"
REGION: Final = "us-east-1"
"""What emulators use too: programs that take ids apart want a region's form."""


def balancer_id(name: str) -> str:
    """Return ``app/NAME/16 hex``."""
    return f"app/{name}/{_hex(name)}"


def target_group_arn(name: str) -> str:
    where = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}"
    return f"{where}:targetgroup/{name}/{_hex(name)}"


def log_file(kind: str, balancer: str, ends: datetime, place: str, unique: str) -> str:
    """Return a log file's path below its directory, as S3 has it below a bucket.

    `kind` is "" for the access log, else the prefix of the file's name; `ends`
    is the end of its five minutes in UTC; `place` an address of the node.
    """
    day = ends.strftime("%Y/%m/%d")
    folder = f"AWSLogs/{ACCOUNT}/elasticloadbalancing/{REGION}/{day}"
    of = balancer.replace("/", ".")
    end = ends.strftime("%Y%m%dT%H%MZ")
    about = f"{ACCOUNT}_elasticloadbalancing_{REGION}_{of}_{end}_{place}_{unique}"
    return f"{folder}/{kind}{about}.log.gz"


def _hex(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]
