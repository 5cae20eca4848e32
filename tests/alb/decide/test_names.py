"""Names that AWS would have given, and where its logs lie."""

from __future__ import annotations

from datetime import UTC, datetime

from alb.decide.names import balancer_id, log_file, target_group_arn


def test_an_id_follows_from_the_name() -> None:
    assert balancer_id("front") == balancer_id("front")
    assert balancer_id("front") != balancer_id("back")
    assert balancer_id("front").startswith("app/front/")
    assert target_group_arn("web").split(":")[:6] == [
        *("arn", "aws", "elasticloadbalancing", "us-east-1", "000000000000"),
        "targetgroup/web/" + target_group_arn("web")[-16:],
    ]


def test_a_log_file_lies_where_s3_has_it() -> None:
    ends = datetime(2026, 11, 23, 3, 35, tzinfo=UTC)

    path = log_file("conn_log_", "app/front/0123456789abcdef", ends, "127.0.0.1", "x1")

    assert path == (
        "AWSLogs/000000000000/elasticloadbalancing/us-east-1/2026/11/23/"
        "conn_log_000000000000_elasticloadbalancing_us-east-1_"
        "app.front.0123456789abcdef_20261123T0335Z_127.0.0.1_x1.log.gz"
    )
