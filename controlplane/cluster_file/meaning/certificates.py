"""What listeners say of TLS: policy, certificates, headers that tell of it.

The files are looked at where a disk was given; their content never gets into the
cluster file's values.

Source: ELBv2 API reference, CreateListener; ALB user guide, HTTPS listeners.
"""

from __future__ import annotations

from typing import Final

from alb.model import TLS_HEADER_NAMES, Action, CertificateFiles, Redirect
from controlplane.cluster_file.record import Findings, Record

CERTIFICATES_QUOTA: Final = 25
"""Beside the default one."""
HTTPS: Final = "HTTPS"


def ssl_policy(record: Record, findings: Findings) -> str:
    """Return the policy by which a listener shakes hands; empty without TLS."""
    if record.text("protocol") == HTTPS:
        return record.text("sslPolicy")
    for name in ("sslPolicy", "certificates"):
        if record.has(name) and "protocol" not in record.broken:
            message = f"is for protocol {HTTPS}"
            findings.error(record.at(name), record.path_of(name), message)
    return ""


def certificates(
    record: Record, policy: str, findings: Findings
) -> tuple[CertificateFiles, ...]:
    """Return the files of a listener's certificates, the default first.

    None: control has one issued by the development CA.
    """
    if not policy:
        return ()
    found = record.records("certificates")
    if findings.strict and record.absent("certificates"):
        message = "certificates is missing: it is needed under strictAwsLimits"
        findings.error(record.node, record.path, message)
    if findings.strict and len(found) > CERTIFICATES_QUOTA + 1:
        message = (
            f"at most {CERTIFICATES_QUOTA} certificates beside the default under"
            f" strictAwsLimits (got {len(found)})"
        )
        where = record.at("certificates")
        findings.error(where, record.path_of("certificates"), message)
    return tuple(_files(one, policy, findings) for one in found)


def warn_untrusted(record: Record, findings: Findings) -> None:
    """Tell of a listener whose clients cannot know the CA of its certificate."""
    if record.text("protocol") == HTTPS and record.absent("certificates"):
        message = "without certificates it is of the local CA, which only this user has"
        findings.warn(record.at("protocol"), record.path_of("protocol"), message)


def _files(record: Record, policy: str, findings: Findings) -> CertificateFiles:
    files = CertificateFiles(
        record.text("certificate"),
        record.text("privateKey"),
        record.text("certificateChain"),
    )
    if findings.disk is not None and record.intact():
        _look(record, files, policy, findings)
    return files


def _look(
    record: Record, files: CertificateFiles, policy: str, findings: Findings
) -> None:
    """Tell what is wrong with the files themselves."""
    from controlplane.tls.pair import PairInvalid, read_pair  # noqa: PLC0415 - slow

    assert findings.disk is not None
    try:
        pair = read_pair(files, policy, findings.disk)
    except PairInvalid as invalid:
        part = invalid.part
        findings.error(record.at(part), record.path_of(part), invalid.problem)
        return
    for part, warning in pair.warnings:
        findings.warn(record.at(part), record.path_of(part), warning)


def tls_header_names(attributes: Record) -> tuple[str, str]:
    """Return the headers by which targets hear of version and cipher suite."""
    version, cipher = TLS_HEADER_NAMES
    request = "routing.http.request.x_amzn_tls_"
    return (
        attributes.text(f"{request}version.header_name") or version,
        attributes.text(f"{request}cipher_suite.header_name") or cipher,
    )


def check_redirect(
    owner: Record, name: str, action: Action, findings: Findings
) -> None:
    """Tell of an HTTPS listener's redirect that leads to HTTP."""
    if isinstance(action, Redirect) and action.protocol == "HTTP":
        record = owner.records(name)[-1]
        message = "must not lead from HTTPS to HTTP"
        findings.error(record.at("protocol"), record.path_of("protocol"), message)
