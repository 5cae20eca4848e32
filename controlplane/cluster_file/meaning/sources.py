"""Metrics that are fetched, of tasks and of a Prometheus server. Pure."""

from __future__ import annotations

from autoscaler.decide.promql import PromQuery
from autoscaler.model import Scrape
from controlplane.cluster_file.meaning.balancer import check_unique
from controlplane.cluster_file.meaning.services import container_port
from controlplane.cluster_file.record import Findings, Record
from scheduler.model import Service


def scrape_of(record: Record, wanted: Service, findings: Findings) -> Scrape | None:
    """Return where a service's tasks tell their metrics, or None."""
    if not record.has("metrics"):
        return None
    told = record.record("metrics")
    container, port = container_port(told, wanted.task_definition, findings)
    interval_s = float(told.whole("intervalSeconds"))
    return Scrape(wanted.name, told.text("path"), container, port, interval_s)


def prometheus_queries(root: Record, findings: Findings) -> tuple[PromQuery, ...]:
    """Return what is asked of the Prometheus server."""
    if not root.has("prometheus"):
        return ()
    told = root.record("prometheus")
    records = told.records("queries")
    check_unique(records, "name", findings)
    endpoint = told.text("endpoint")
    return tuple(
        PromQuery(
            record.text("name"),
            endpoint,
            record.text("query"),
            float(record.whole("intervalSeconds")),
        )
        for record in records
    )
