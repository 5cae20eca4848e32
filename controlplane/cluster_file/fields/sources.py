"""The field tables of metrics that are fetched, which AWS has no fields for."""

from __future__ import annotations

from typing import Final

from controlplane.cluster_file.fields.containers import NAME
from controlplane.cluster_file.kinds import Each, Field, Text, Whole, shape

_OURS = "ours"
INTERVAL: Final = Whole(1, 3600)
QUERIES_MAX: Final = 100

SCRAPE: Final = shape(
    "ServiceMetrics",
    Field("path", Text(r"/\S*", "begin with /"), _OURS, "/metrics"),
    Field("containerName", NAME, _OURS, note="the only one"),
    Field("containerPort", Whole(1, 65_535), _OURS, note="the only one"),
    Field("intervalSeconds", INTERVAL, _OURS, 10),
)

PROMETHEUS: Final = shape(
    "Prometheus",
    Field(
        "endpoint",
        Text(r"https?://[^\s?#]+", "be like http://127.0.0.1:9090"),
        _OURS,
        required=True,
    ),
    Field(
        "queries",
        Each(
            shape(
                "PrometheusQuery",
                Field("name", Text(longest=255), _OURS, required=True),
                Field("query", Text(), _OURS, required=True, note="PromQL"),
                Field("intervalSeconds", INTERVAL, _OURS, 10),
            ),
            1,
            QUERIES_MAX,
            key="name",
        ),
        _OURS,
        required=True,
        note="each is metric `name` of namespace Prometheus",
    ),
)
