"""Promises that hold for any input: no crash, nothing dropped without a word."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.cluster_file.load import load
from controlplane.imports import Imported, accepted
from controlplane.imports.compose.reasons import REASONS
from controlplane.imports.section import Section, all_sections
from controlplane.problems import ConfigInvalid
from tests.support.examples import examples
from tests.support.imported import as_written, compose, taskdef, traefik

KEYS = (
    "image", "build", "command", "entrypoint", "environment", "env_file", "ports",
    "expose", "depends_on", "healthcheck", "deploy", "cpus", "cpu_shares", "cpu_quota",
    "cpu_period", "mem_limit", "mem_reservation", "memswap_limit", "mem_swappiness",
    "shm_size", "volumes", "tmpfs", "ulimits", "cap_add", "cap_drop", "read_only", "user",
    "working_dir", "hostname", "extra_hosts", "labels", "logging", "init", "privileged",
    "restart", "stop_grace_period", "networks", "secrets", "configs", "profiles",
    "extends", "network_mode", "pid", "ipc", "dns", "dns_search", "security_opt",
    "devices", "sysctls", "tty", "stdin_open", "scale", *REASONS,
)  # fmt: skip
DEPLOY = (
    "replicas", "mode", "resources", "update_config", "rollback_config", "placement",
    "restart_policy", "endpoint_mode", "labels", "nonsense",
)  # fmt: skip

words = st.one_of(
    st.sampled_from(
        [
            "", "a", "1", "0.5", "64m", "30s", "80:80", "a:/b", "./a:/b", "a=b", "true",
            "always", "any", "${X:-1}", "${", "*", "`", "host", "traefik.http.routers.r.rule",
            "Host(`a`)", "Path(`/a`) || !Path(`/b`)", "😀", "x: y", "../..",
        ]
    ),
    st.text(max_size=6),
)  # fmt: skip
names = st.sampled_from(
    [
        "a", "target", "published", "test", "interval", "limits", "reservations", "cpus",
        "memory", "type", "source", "condition", "soft", "hard", "driver", "options",
        "traefik.http.routers.r.rule", "traefik.http.services.s.loadbalancer.server.port",
        "traefik.http.routers.r.middlewares", "traefik.http.middlewares.m.stripprefix.prefixes",
        "file", "service", "path", "sticky", "cookie", "weighted", "services", "rule",
        "http", "routers", "middlewares", "entryPoints", "address", "loadBalancer",
        "servers", "url", "tls", "priority", "containerDefinitions", "family", "name",
    ]
)  # fmt: skip
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(words, st.none(), st.booleans(), st.integers(-2, 2**40)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)
    ),
    max_leaves=8,
)
services = st.dictionaries(st.sampled_from(KEYS), values, max_size=4)


def dumped(value: Any) -> str:
    return yaml.safe_dump(value, allow_unicode=False)


def judged(root: Section) -> Imported:
    """What came of it; where the validator accepts it, it loads."""
    done = accepted(root, (), {})
    if not done.problems:
        load("", done.text, {})
    return done


@settings(max_examples=examples(40))
@given(st.dictionaries(st.sampled_from(["web", "db", "traefik"]), services, max_size=3))
def test_any_compose_file_is_imported(project: dict[str, Any]) -> None:
    judged(compose(dumped({"services": project})))


@settings(max_examples=examples(40))
@given(values)
def test_any_document_is_imported_or_refused(document: Any) -> None:
    for importer in (compose, taskdef, traefik):
        try:
            judged(importer(dumped(document)))
        except ConfigInvalid:
            continue  # told with its place


routers = st.dictionaries(
    st.sampled_from(
        ["rule", "service", "middlewares", "entryPoints", "tls", "priority"]
    ),
    values,
)
fronts = st.fixed_dictionaries(
    {
        "routers": st.dictionaries(st.sampled_from("rq"), routers, max_size=2),
        "services": st.dictionaries(st.sampled_from("st"), values, max_size=2),
        "middlewares": st.dictionaries(
            st.sampled_from("mn"),
            st.dictionaries(
                st.sampled_from(
                    ["redirectRegex", "redirectScheme", "stripPrefix", "addPrefix",
                     "replacePathRegex", "headers", "chain", "ipAllowList", "basicAuth"]
                ),
                values,
            ),
        ),
    }
)  # fmt: skip


@settings(max_examples=examples(40))
@given(fronts)
def test_any_configuration_of_traefik_is_imported(front: dict[str, Any]) -> None:
    judged(traefik(dumped({"http": front, "entryPoints": {"web": {"address": ":80"}}})))


@given(st.text(max_size=60))
def test_any_text_is_imported_or_refused(text: str) -> None:
    for importer in (compose, taskdef, traefik):
        try:
            judged(importer(text))
        except ConfigInvalid:
            continue  # told with its place


# --- nothing is dropped without a word ------------------------------------------------


def text_without_comments(root: Section) -> str:
    """What was written of a project, all of it, built or not."""
    return dumped(as_written(root).file) + "".join(_notes(root))


def _notes(root: Section) -> Iterator[str]:
    for section in all_sections(root):
        yield from section.notes


def asks_for_nothing(value: Any) -> bool:
    """Empty values, and zeros, which stand for no limit."""
    if isinstance(value, dict):
        return all(asks_for_nothing(inner) for inner in value.values())
    if isinstance(value, list):
        return all(asks_for_nothing(inner) for inner in value)
    return value in (None, "", 0, "0", False, "~", "null")


SAYS_WHAT_IS_SO = {
    ("restart", "always"), ("deploy.mode", "replicated"), ("deploy.replicas", "1"),
    ("scale", "1"), ("network_mode", "default"),
}  # fmt: skip
"""Values that a service has anyhow."""


def is_so(key: str, value: Any) -> bool:
    text = str(value).strip().lower()
    return (key, text) in SAYS_WHAT_IS_SO or asks_for_nothing(value)


BASE = {"image": "shop/web", "mem_limit": "64m"}


@given(st.sampled_from(KEYS), values)
def test_a_key_of_a_service_has_an_effect_or_is_told(key: str, value: Any) -> None:
    before = text_without_comments(compose(dumped({"services": {"web": BASE}})))
    root = compose(dumped({"services": {"web": {**BASE, key: value}}}))

    if text_without_comments(root) == before and BASE.get(key) != value:
        told = [
            path for path in as_written(root).told if path.startswith("services.web")
        ]
        assert told or is_so(key, value)


@given(st.sampled_from(DEPLOY), values)
def test_a_key_of_deploy_has_an_effect_or_is_told(key: str, value: Any) -> None:
    before = text_without_comments(compose(dumped({"services": {"web": BASE}})))
    root = compose(dumped({"services": {"web": {**BASE, "deploy": {key: value}}}}))

    if text_without_comments(root) == before:
        told = [path for path in as_written(root).told if "web" in path]
        assert told or is_so(f"deploy.{key}", value)


SAMPLES = ["x", ["x"], {"x": "y"}, [{"x": "y"}], 5]


@pytest.mark.parametrize("key", sorted({*KEYS, "unheard_of"}))
def test_every_key_of_the_specification_has_an_effect_or_is_told(key: str) -> None:
    before = text_without_comments(compose(dumped({"services": {"web": BASE}})))

    for value in SAMPLES:
        root = compose(dumped({"services": {"web": {**BASE, key: value}}}))
        told = as_written(root).told
        assert text_without_comments(root) != before or told, value


def leaves(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    else:
        yield path


ROUTER = {
    "rule": "Path(`/a`)",
    "service": "s",
    "priority": 3,
    "entryPoints": ["web"],
    "tls": {"certResolver": "x", "options": "y", "nonsense": 1},
    "middlewares": ["m"],
    "observability": {"metrics": False},
    "unheardOf": 1,
}
BALANCER = {
    "servers": [{"url": "http://10.0.0.1:80"}],
    "passHostHeader": False,
    "strategy": "hrw",
    "responseForwarding": {"flushInterval": "1s"},
    "serversTransport": "x",
    "healthCheck": {"path": "/h", "interval": "2s", "hostname": "h", "mode": "grpc"},
    "sticky": {"cookie": {"name": "n", "secure": True}},
    "unheardOf": 1,
}


def front(router: dict[str, Any], balancer: dict[str, Any]) -> Section:
    middlewares = {
        "m": {"headers": {"frameDeny": True, "customResponseHeaders": {"a": "b"}}}
    }
    http = {
        "routers": {"r": router},
        "services": {"s": {"loadBalancer": balancer}},
        "middlewares": middlewares,
    }
    return traefik(dumped({"http": http}))


@pytest.mark.parametrize(
    ("part", "key"),
    [
        *itertools.product(["router"], sorted(ROUTER.keys() - {"service", "priority"})),
        *itertools.product(["balancer"], BALANCER),
    ],
)
def test_every_option_of_traefik_has_an_effect_or_is_told(part: str, key: str) -> None:
    """But a router's service and priority, where there is one of each."""
    whole = front(ROUTER, BALANCER)
    router = {
        name: value for name, value in ROUTER.items() if (part, key) != ("router", name)
    }
    balancer = {n: v for n, v in BALANCER.items() if (part, key) != ("balancer", n)}
    without = front(router, balancer)

    told = as_written(whole).told.keys() - as_written(without).told.keys()
    assert told or text_without_comments(whole) != text_without_comments(without)
