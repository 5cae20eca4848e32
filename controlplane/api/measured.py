"""Metrics over the API, in CloudWatch's shapes.

POST /v1/metrics                               PutMetricData
GET  /v1/metrics[?namespace&metricName&dimension=NAME[=VALUE]…]    ListMetrics
GET  /v1/metrics?namespace&metricName&statistics=S…&startTime&endTime&period
                                               GetMetricStatistics
GET  /v1/prometheus/sd                         http_sd: the ports of every task
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from autoscaler.decide.statistics import parse_statistic
from autoscaler.model import Metric
from controlplane.api import body
from controlplane.api.ports import MetricFilter, MetricQuestion, Metrics
from controlplane.api.samples import moment_of, samples_of
from controlplane.errors import InvalidParameter

METRICS = web.AppKey("metrics", Metrics)

HOUR_S: Final = 3600
MINUTE_S: Final = 60
SHORT_PERIODS_S: Final = frozenset({1, 5, 10, 20, 30})
DATAPOINTS_MAX: Final = 1440
STATISTICS_MAX: Final = 10


def add_routes(app: web.Application, metrics: Metrics) -> None:
    app[METRICS] = metrics
    app.router.add_post("/v1/metrics", put)
    app.router.add_get("/v1/metrics", asked)
    app.router.add_get("/v1/prometheus/sd", discovered)


async def put(request: web.Request) -> web.Response:
    metrics = request.app[METRICS]
    told = await body.read_object(request)
    metrics.put(samples_of(told, metrics.now_unix_s()))
    return web.json_response({})


async def asked(request: web.Request) -> web.Response:
    metrics = request.app[METRICS]
    if "statistics" in request.query:
        return web.json_response(await metrics.statistics(_question(request)))
    return web.json_response(await metrics.listed(_filter(request)))


async def discovered(request: web.Request) -> web.Response:
    return web.json_response(request.app[METRICS].discovered())


def _filter(request: web.Request) -> MetricFilter:
    query = request.query
    dimensions = []
    for written in query.getall("dimension", ()):
        name, separator, value = written.partition("=")
        dimensions.append((name, value if separator else None))
    return MetricFilter(
        query.get("namespace", ""), query.get("metricName", ""), tuple(dimensions)
    )


def _question(request: web.Request) -> MetricQuestion:
    query = request.query
    for name in ("namespace", "metricName"):
        if not query.get(name):
            raise InvalidParameter(name, "is missing")
    wanted = _filter(request)
    pairs = [(name, value or "") for name, value in wanted.dimensions]
    end_s = _moment(request, "endTime", request.app[METRICS].now_unix_s())
    start_s = _moment(request, "startTime", end_s - HOUR_S)
    period_s = _period(request)
    if start_s >= end_s:
        raise InvalidParameter("startTime", "must be before endTime")
    count = -(-(end_s - start_s) // period_s)
    if count > DATAPOINTS_MAX:
        message = (
            f"{count:.0f} datapoints are asked for, at most {DATAPOINTS_MAX} are told:"
            " ask for a longer period or a shorter time"
        )
        raise InvalidParameter("period", message)
    written = query.getall("statistics")
    if len(written) > STATISTICS_MAX:
        raise InvalidParameter("statistics", f"must be at most {STATISTICS_MAX}")
    try:
        statistics = tuple(parse_statistic(one) for one in written)
    except ValueError as error:
        raise InvalidParameter("statistics", str(error)) from error
    metric = Metric(wanted.namespace, wanted.name, tuple(sorted(pairs)))
    return MetricQuestion(metric, start_s, end_s, period_s, statistics)


def _moment(request: web.Request, name: str, otherwise: float) -> float:
    written = request.query.get(name)
    if written is None:
        return otherwise
    moment = moment_of(written)
    if moment is None:
        message = "must be unix seconds or like 2026-11-28T05:00:00Z"
        raise InvalidParameter(name, message)
    return moment


def _period(request: web.Request) -> int:
    written = request.query.get("period", str(MINUTE_S))
    if written.isascii() and written.isdecimal():
        period_s = int(written)
        if period_s in SHORT_PERIODS_S or (period_s and period_s % MINUTE_S == 0):
            return period_s
    raise InvalidParameter(
        "period", f"must be 1, 5, 10, 20, 30 or a multiple of 60 (got {written})"
    )
