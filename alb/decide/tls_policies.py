"""Security policies by AWS's names: TLS versions and cipher suites. Floor 1.

    name --> Policy --> drivers.tls_contexts

Cipher suites are those of TLS 1.2 and below, by OpenSSL's names and in AWS's
order. Those of TLS 1.3 cannot be chosen by name here: where a policy allows
TLS 1.3, all three suites that OpenSSL has are offered.

Source: ALB user guide, "Security policies for your Application Load Balancer".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

TLS_1_0: Final = (3, 1)
TLS_1_1: Final = (3, 2)
TLS_1_2: Final = (3, 3)
TLS_1_3: Final = (3, 4)
"""Versions as they stand in records."""

DEFAULT_POLICY: Final = "ELBSecurityPolicy-TLS13-1-2-2021-06"

_GCM: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
)
_CBC_SHA2: Final = (
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
)
_CBC_SHA1: Final = (
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-RSA-AES256-SHA",
    "ECDHE-ECDSA-AES256-SHA",
)
_RSA_SHA2: Final = (
    "AES128-GCM-SHA256",
    "AES128-SHA256",
    "AES256-GCM-SHA384",
    "AES256-SHA256",
)
_RSA_SHA1: Final = ("AES128-SHA", "AES256-SHA")
_RES: Final = _GCM
_FS_SHA2: Final = (*_GCM, *_CBC_SHA2)
_FS: Final = (*_FS_SHA2, *_CBC_SHA1)
_SHA2: Final = (*_FS_SHA2, *_RSA_SHA2)
_ALL: Final = (*_FS, *_RSA_SHA2, *_RSA_SHA1)


class Policy(NamedTuple):
    """What a listener agrees to. `ciphers` are for TLS 1.2 and below."""

    lowest: tuple[int, int]
    highest: tuple[int, int]
    ciphers: tuple[str, ...] = ()


_PREFIX: Final = "ELBSecurityPolicy-"
# fmt: off
_POLICIES: Final = {
    "TLS13-1-2-2021-06":          Policy(TLS_1_2, TLS_1_3, _FS_SHA2),
    "TLS13-1-2-Res-2021-06":      Policy(TLS_1_2, TLS_1_3, _RES),
    "TLS13-1-3-2021-06":          Policy(TLS_1_3, TLS_1_3),
    "TLS13-1-2-Ext1-2021-06":     Policy(TLS_1_2, TLS_1_3, _SHA2),
    "TLS13-1-2-Ext2-2021-06":     Policy(TLS_1_2, TLS_1_3, _ALL),
    "TLS13-1-1-2021-06":          Policy(TLS_1_1, TLS_1_3, _ALL),
    "TLS13-1-0-2021-06":          Policy(TLS_1_0, TLS_1_3, _ALL),
    "TLS13-1-3-FIPS-2023-04":     Policy(TLS_1_3, TLS_1_3),
    "TLS13-1-2-Res-FIPS-2023-04": Policy(TLS_1_2, TLS_1_3, _RES),
    "TLS13-1-2-FIPS-2023-04":     Policy(TLS_1_2, TLS_1_3, _FS_SHA2),
    "TLS13-1-2-Ext0-FIPS-2023-04": Policy(TLS_1_2, TLS_1_3, _FS),
    "TLS13-1-2-Ext1-FIPS-2023-04": Policy(TLS_1_2, TLS_1_3, _SHA2),
    "TLS13-1-2-Ext2-FIPS-2023-04": Policy(TLS_1_2, TLS_1_3, _ALL),
    "TLS13-1-1-FIPS-2023-04":     Policy(TLS_1_1, TLS_1_3, _ALL),
    "TLS13-1-0-FIPS-2023-04":     Policy(TLS_1_0, TLS_1_3, _ALL),
    "FS-1-2-Res-2020-10":         Policy(TLS_1_2, TLS_1_2, _RES),
    "FS-1-2-Res-2019-08":         Policy(TLS_1_2, TLS_1_2, _FS_SHA2),
    "FS-1-2-2019-08":             Policy(TLS_1_2, TLS_1_2, _FS),
    "FS-1-1-2019-08":             Policy(TLS_1_1, TLS_1_2, _FS),
    "FS-2018-06":                 Policy(TLS_1_0, TLS_1_2, _FS),
    "TLS-1-2-Ext-2018-06":        Policy(TLS_1_2, TLS_1_2, _ALL),
    "TLS-1-2-2017-01":            Policy(TLS_1_2, TLS_1_2, _SHA2),
    "TLS-1-1-2017-01":            Policy(TLS_1_1, TLS_1_2, _ALL),
    "TLS-1-0-2015-04":            Policy(TLS_1_0, TLS_1_2, _ALL),
    "2016-08":                    Policy(TLS_1_0, TLS_1_2, _ALL),
    "2015-05":                    Policy(TLS_1_0, TLS_1_2, _ALL),
}
_POST_QUANTUM: Final = (
    "TLS13-1-2-Res-PQ-2025-09", "TLS13-1-2-PQ-2025-09",
    "TLS13-1-2-Ext0-PQ-2025-09", "TLS13-1-2-Ext1-PQ-2025-09",
    "TLS13-1-2-Ext2-PQ-2025-09", "TLS13-1-3-PQ-2025-09",
)
# fmt: on

POLICIES: Final[Mapping[str, Policy]] = {
    _PREFIX + name: policy for name, policy in _POLICIES.items()
}
LATER: Final = tuple(_PREFIX + name for name in _POST_QUANTUM)
"""AWS's, with a key exchange that Python's `ssl` cannot ask for."""
