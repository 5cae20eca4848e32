"""Rule transforms: from records to `alb.model.Transform`. Pure.

Source: ELBv2 API reference, RuleTransform; ALB user guide, "Transforms for
listener rules".
"""

from __future__ import annotations

import re
from typing import Final

from alb.decide.regex import capturing
from alb.decide.rewrite import replacement_flaw_of
from alb.model import HostHeaderRewrite, Transform, UrlRewrite
from controlplane.cluster_file.decode import quoted
from controlplane.cluster_file.meaning.conditions import regex_problem
from controlplane.cluster_file.record import Findings, Record

_HOST_PIECES: Final = re.compile(r"[-0-9A-Za-z._:\[\]]*")
_URL_PIECES: Final = re.compile(r"[!-~]*")
_GROUP: Final = re.compile(r"\$[0-9]{1,2}")


def transforms(rule: Record, findings: Findings) -> tuple[Transform, ...]:
    """Return a rule's transforms: one of each type at most."""
    records = rule.records("transforms")
    first_use: dict[str, str] = {}
    for record in records:
        used = first_use.setdefault(record.tag, record.path)
        if used != record.path:
            message = f"a rule has one {record.tag}; {used} is one already"
            findings.error(record.node, record.path, message)
    actions = rule.records("actions")
    if records and actions and actions[-1].tag != "forward":
        message = f"nothing is forwarded by a {actions[-1].tag}: this changes nothing"
        findings.warn(rule.at("transforms"), rule.path_of("transforms"), message)
    return tuple(
        _transform(record.tag, rewrite.text("regex"), rewrite.text("replace"))
        for record in records
        for rewrite in record.records("rewrites")
        if _is_right(record, rewrite, findings)
    )


def _transform(kind: str, regex: str, replace: str) -> Transform:
    if kind == "host-header-rewrite":
        return HostHeaderRewrite(regex, replace)
    return UrlRewrite(regex, replace)


def _is_right(transform: Record, rewrite: Record, findings: Findings) -> bool:
    regex, replace = rewrite.text("regex"), rewrite.text("replace")
    if not (rewrite.has("regex") and rewrite.has("replace")):
        return False
    if problem := regex_problem(regex):
        findings.error(rewrite.at("regex"), rewrite.path_of("regex"), problem)
        return False
    problem = _replace_problem(transform.tag, replace, regex)
    if problem:
        findings.error(rewrite.at("replace"), rewrite.path_of("replace"), problem)
    return not problem


def _replace_problem(kind: str, replace: str, regex: str) -> str:
    groups = capturing(regex, any_case=True).groups
    if flaw := replacement_flaw_of(replace, groups):
        return f"{flaw.message} (character {flaw.at} of {quoted(replace)})"
    if kind == "url-rewrite":
        if not _URL_PIECES.fullmatch(replace):
            return f"must hold visible ASCII only, no spaces (got {quoted(replace)})"
    elif not _HOST_PIECES.fullmatch(_GROUP.sub("", replace)):
        return f"must be a host name, with $1 … for groups (got {quoted(replace)})"
    return ""
