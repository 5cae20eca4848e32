"""A place where commands are run against a control that answers what tests say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from controlplane import cli
from tests.support.fake_control import FakeControl

VALID = """\
cluster: demo
targetGroups:
  - name: legacy
    targets: [{id: 127.0.0.1, port: 9000}]
listeners:
  - port: 18080
    protocol: HTTP
    rules:
      - priority: 10
        name: old
        conditions: [{field: path-pattern, values: ["/legacy/*"]}]
        actions: [{type: fixed-response, statusCode: "404"}]
    defaultActions: [{type: forward, targetGroup: legacy}]
"""

STATE = {
    "cluster": "demo",
    "node": {"ready": True, "workers": [{"slot": 0}, {"slot": 1}]},
    "listeners": [
        {"port": 8080, "address": "127.0.0.1", "bound": True, "protocol": "HTTP"},
        {"port": 8443, "address": "::1", "bound": True, "protocol": "HTTPS"},
    ],
    "targetGroups": [
        {
            "name": "web",
            "targets": [
                {
                    "host": "127.0.0.1",
                    "port": 20000,
                    "state": "unhealthy",
                    "reason": "Target.Timeout",
                    "inFlight": 2,
                    "requestCount": 31,
                },
                {
                    "host": "127.0.0.1",
                    "port": 20001,
                    "state": "healthy",
                    "reason": "",
                    "anomalyDetection": {
                        "result": "anomalous",
                        "mitigationInEffect": "yes",
                    },
                    "inFlight": 0,
                    "requestCount": 9,
                },
            ],
        }
    ],
    "containerInstances": [
        {"name": "local", "runtime": "process", "connected": False, "detail": "gone"}
    ],
    "services": [
        {
            "serviceName": "web",
            "desiredCount": 3,
            "runningCount": 2,
            "pendingCount": 1,
            "healthyCount": 0,
            "taskDefinition": "web:4",
            "cpuUtilization": 71.234,
            "deployments": [{"rolloutState": "IN_PROGRESS"}, {}],
        }
    ],
    "tasks": [
        {
            "taskId": "0123456789abcdef",
            "service": "web",
            "lastStatus": "RUNNING",
            "health": "UNKNOWN",
            "containerInstance": "local",
            "ports": [{"hostPort": 20000}],
        }
    ],
    "alarms": [
        {
            "name": "web-out",
            "resource": "web",
            "state": "ALARM",
            "value": 91.0,
            "threshold": 75.0,
            "reason": "Threshold Crossed",
        }
    ],
    "scalingActivities": [
        {
            "resourceId": "service/demo/web",
            "description": "Setting desired count to 3.",
            "cause": "monitor alarm web-out in state ALARM triggered policy out",
        }
    ],
}


@dataclass
class Place:
    """A directory with a file and a control, and what the last command printed."""

    directory: Path
    control: FakeControl
    capture: pytest.CaptureFixture[str]

    def run(self, *words: str) -> tuple[int, str, str]:
        status = cli.main(["-f", str(self.directory / "alb.yaml"), *words])
        out, err = self.capture.readouterr()
        return status, out, err
