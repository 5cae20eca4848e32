"""What middlewares do to a router's requests, as far as ALB can do it. Pure.

    names --> chain of middlewares --> Treatment, or Refused: the router stays out

A middleware that guards (authentication, allow lists) and cannot be carried over
takes its router with it: without the guard, others would reach what it kept from
them. So does one that is not defined here, since it may be one. Others are told,
and the router is carried over without them.

Source: Traefik, "HTTP Middlewares"; ALB user guide, "Transforms for listener rules".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from controlplane.imports.given import Fields, Given, Key, Losses, Named, Text
from controlplane.imports.quantities import flag
from controlplane.imports.traefik.configuration import words
from controlplane.imports.traefik.redirects import Redirect, read_regex, read_scheme

CHAIN_MAX: Final = 20

GUARDS: Final = frozenset(
    {"basicauth", "digestauth", "forwardauth", "plugin", "passtlsclientcert"}
)
_HARMLESS: Final = {
    "buffering": "bodies are never held as a whole",
    "circuitbreaker": "targets that fail are found by health checks and anomaly "
    "detection (load_balancing.algorithm.anomaly_mitigation)",
    "compress": "responses pass as the targets send them",
    "contenttype": "responses pass as the targets send them",
    "encodedcharacters": "paths are read one way for rule and target",
    "errors": "error pages are the targets' own",
    "grpcweb": "gRPC is not built",
    "inflightreq": "alb.max_concurrency of a target group caps requests per target",
    "ratelimit": "there is no rate limit",
    "retry": "alb.retry.… attributes of a target group tell when to try again",
}


class Refused(Exception):
    """A router cannot be carried over without letting more through."""

    def __init__(self, where: Given | Key, why: str) -> None:
        super().__init__(where, why)
        self.where = where
        self.why = why


@dataclass(slots=True)
class Treatment:
    """What happens to requests of a router before its service gets them."""

    redirect: Redirect | None = None
    url: tuple[str, str] | None = None
    """Expression and replacement of a url-rewrite."""
    host: str = ""
    """The Host that targets get."""
    allowed: tuple[str, ...] = ()
    """Blocks of addresses that may pass; empty: all."""
    losses: Losses = field(default_factory=Losses)


def treatment(names: list[Text], defined: Mapping[str, Key]) -> Treatment:
    """Return what a chain of middlewares does. Raises Refused."""
    result = Treatment()
    _apply(names, defined, result, 0)
    return result


def _apply(
    names: list[Text], defined: Mapping[str, Key], result: Treatment, depth: int
) -> None:
    for name in names:
        key = defined.get(name.text.lower().removesuffix("@docker"))
        if key is None:
            raise Refused(name, f"middleware {name.text} is not defined here")
        if depth > CHAIN_MAX:
            raise Refused(name, "the chain of middlewares has no end")
        options = Fields(key.value, result.losses)
        for kind, inner in options.keys.items():
            if kind == "chain":
                chain = Fields(inner.value, result.losses)
                more = words(chain.take("middlewares"), result.losses)
                _apply(more, defined, result, depth + 1)
            else:
                _one(kind, inner, result)


def _one(kind: str, key: Key, result: Treatment) -> None:
    if kind in GUARDS:
        raise Refused(key, f"{kind} cannot be carried over, and guards what is behind")
    if kind in _HARMLESS:
        result.losses.add(key, _HARMLESS[kind])
        return
    read = _KINDS.get(kind)
    if read is None:
        raise Refused(key, f"middleware {kind} is not known here")
    fields = Fields(key.value, result.losses)
    read(fields, key, result)
    fields.rest({}, f"is not known in {kind}")


# --- redirects --------------------------------------------------------------------


def _redirect_scheme(fields: Fields, key: Key, result: Treatment) -> None:
    scheme, port = fields.text("scheme"), fields.text("port")
    permanent = fields.text("permanent")
    is_permanent = bool(permanent and flag(permanent.text))
    redirect = read_scheme(
        scheme.text if scheme else "", port.text if port else "", permanent=is_permanent
    )
    if redirect is None:
        raise Refused(key, "needs a scheme, http or https")
    result.redirect = result.redirect or redirect


def _redirect_regex(fields: Fields, key: Key, result: Treatment) -> None:
    regex, replacement = fields.text("regex"), fields.text("replacement")
    permanent = fields.text("permanent")
    is_permanent = bool(permanent and flag(permanent.text))
    if regex is None or replacement is None:
        raise Refused(key, "needs a regex and a replacement")
    redirect = read_regex(regex.text, replacement.text, permanent=is_permanent)
    if isinstance(redirect, str):
        raise Refused(regex, redirect)
    result.redirect = result.redirect or redirect


# --- paths ------------------------------------------------------------------------

_FORWARDED_PREFIX = "targets get no X-Forwarded-Prefix"
_REPLACED_PATH = "targets get no X-Replaced-Path"
_GO_GROUP = re.compile(r"\$(?:\{(\d{1,2})\}|(\d{1,2})(?!\w))")


def _strip_prefix(fields: Fields, key: Key, result: Treatment) -> None:
    prefixes = words(fields.take("prefixes"), result.losses)
    fields.take("forceslash")  # gone in version 3
    inner = "|".join(
        re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", p.text) for p in prefixes
    )
    _strip(inner, key, result)


def _strip_prefix_regex(fields: Fields, key: Key, result: Treatment) -> None:
    expressions = words(fields.take("regex"), result.losses)
    if any("(" in expression.text.replace("(?:", "") for expression in expressions):
        raise Refused(key, "groups in the expression would count")
    inner = "|".join(expression.text.removeprefix("^") for expression in expressions)
    _strip(inner, key, result)


def _strip(inner: str, key: Key, result: Treatment) -> None:
    if not inner:
        raise Refused(key, "needs prefixes")
    result.losses.add(key, _FORWARDED_PREFIX)
    _rewrite((f"^(?:{inner})/?(.*)$", "/$1"), key, result)


def _add_prefix(fields: Fields, key: Key, result: Treatment) -> None:
    prefix = fields.text("prefix")
    if prefix is None or not prefix.text.startswith("/") or "$" in prefix.text:
        raise Refused(key, "needs a prefix that begins with /")
    added = prefix.text.rstrip("/")
    if result.url and result.url[1] == "/$1":  # what was stripped before
        result.url = (result.url[0], f"{added}/$1")
    else:
        _rewrite(("^/(.*)$", f"{added}/$1"), key, result)


def _replace_path(fields: Fields, key: Key, result: Treatment) -> None:
    path = fields.text("path")
    if path is None or not path.text.startswith("/") or "$" in path.text:
        raise Refused(key, "needs a path that begins with /")
    result.losses.add(key, _REPLACED_PATH)
    _rewrite(("^[^?]*", path.text), key, result)


def _replace_path_regex(fields: Fields, key: Key, result: Treatment) -> None:
    """Traefik's expression sees the path alone, ALB's the query behind it too."""
    regex, replacement = fields.text("regex"), fields.text("replacement")
    if regex is None or replacement is None:
        raise Refused(key, "needs a regex and a replacement")
    expression = regex.text
    if not expression.startswith("^"):
        raise Refused(regex, "must begin with ^: ALB replaces the first match only")
    replaced = _GO_GROUP.sub(lambda match: f"${match[1] or match[2]}", replacement.text)
    result.losses.add(key, _REPLACED_PATH)
    _rewrite(_without_query(expression, replaced), key, result)


def _without_query(expression: str, replaced: str) -> tuple[str, str]:
    """Return the two for a text that may have a query, which stays as it is."""
    expression = re.sub(r"(?<!\\)\[\^", "[^?", expression)
    expression = re.sub(r"(?<!\\)\.(?=[*+?{)]|$)", "[^?]", expression)
    if expression.endswith("$") and not expression.endswith(r"\$"):
        groups = len(re.findall(r"(?<!\\)\((?!\?)", expression))
        return f"{expression[:-1]}(\\?.*)?$", f"{replaced}${groups + 1}"
    return expression, replaced


def _rewrite(rewrite: tuple[str, str], key: Key, result: Treatment) -> None:
    if result.url is not None:
        raise Refused(key, "a rule has one url-rewrite, and another comes before")
    result.url = rewrite


# --- guards and headers that ALB knows ----------------------------------------------


def _allow_list(fields: Fields, key: Key, result: Treatment) -> None:
    blocks = tuple(
        text.text for text in words(fields.take("sourcerange"), result.losses)
    )
    if "ipstrategy" in fields:
        raise Refused(key, "addresses are those of connections, not of X-Forwarded-For")
    if not blocks or result.allowed:
        raise Refused(key, "needs one sourceRange")
    result.allowed = blocks
    fields.lose("rejectstatuscode", "what is not allowed gets 403")


def _headers(fields: Fields, key: Key, result: Treatment) -> None:
    del key
    requests = fields.take("customrequestheaders")
    for header in requests.entries if isinstance(requests, Named) else ():
        if header.name == "host" and isinstance(header.value, Text):
            result.host = header.value.text
        else:
            result.losses.add(header, "headers of requests are not changed here")
    for name in list(fields.keys):
        if name != "customrequestheaders":
            why = (
                "headers of responses are set for a whole listener: "
                "routing.http.response.… in its attributes"
            )
            fields.lose(name, why)


_KINDS: Final[dict[str, Callable[[Fields, Key, Treatment], None]]] = {
    "redirectscheme": _redirect_scheme,
    "redirectregex": _redirect_regex,
    "stripprefix": _strip_prefix,
    "stripprefixregex": _strip_prefix_regex,
    "addprefix": _add_prefix,
    "replacepath": _replace_path,
    "replacepathregex": _replace_path_regex,
    "ipallowlist": _allow_list,
    "ipwhitelist": _allow_list,
    "headers": _headers,
}
