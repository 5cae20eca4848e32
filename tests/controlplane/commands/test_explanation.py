"""An explanation says to a person all that the document knows of a forward."""

from controlplane.commands.explanation import told

STUCK = """\
GET /x
listener https-443, over TLSv1.3 with AES
-> default rule: forward to web (weight 3, 100%), api (weight 1, 0%)
   stays with its group for 60 s: AWSALBTG names web
   web: round_robin
   web: sticky by lb_cookie for 3600 s: AWSALB names a
   web: at most 2 requests a target, 5 may wait in each worker for 2.5 s; 1 wait now, so would this one
   web: tried at 3 targets until one can be connected to
   web: sent again after a reset before an answer and after an answer of 500, 502-504 (budget 20% of requests)
   GROUP  TARGET  STATE                          PICKED  SHARE   IN FLIGHT
   web    a       healthy, slow start 25%, full  yes     100.0%  2
   web    b       healthy, mitigated 1%          yes     0.0%    0
   web: goes to a (AWSALB)
   api: tried at 3 targets until one can be connected to
   api: not sent again once a target may have seen it
   api: no target
   api: answered 503 (NO_TARGET)
   sets cookie AWSALB (Path=/)
   sets cookie AWSALBAPP-0 of api when the target sets sid (Path=/)
"""

RETRIES = {
    "attempts": 3,
    "onReset": True,
    "onStatusCodes": [[500, 500], [502, 504]],
}
NONE = {"attempts": 3, "onReset": False, "onStatusCodes": [], "budgetPercent": 20}
WEB = {
    "targetGroup": "web",
    "weight": 3,
    "share": 1.0,
    "algorithm": "round_robin",
    "stickiness": {
        "type": "lb_cookie",
        "durationSeconds": 3600.0,
        "cookie": "AWSALB",
        "heldTo": "a",
        "why": "names a",
    },
    "maxConcurrency": {
        "maxPerTarget": 2,
        "queueLength": 5,
        "queueTimeoutSeconds": 2.5,
        "waiting": 1,
        "waits": True,
    },
    "retries": {**RETRIES, "budgetPercent": 20},
    "targets": [
        {
            "id": "a",
            "state": "healthy",
            "eligible": True,
            "share": 1.0,
            "slowStart": 0.25,
            "full": True,
            "inFlight": 2,
        },
        {
            "id": "b",
            "state": "healthy",
            "eligible": True,
            "share": 0.0,
            "anomalyMitigation": 0.01,
            "inFlight": 0,
        },
    ],
    "target": "a",
    "because": "AWSALB",
}
API = {
    "targetGroup": "api",
    "weight": 1,
    "share": 0.0,
    "retries": NONE,
    "statusCode": 503,
    "reason": "NO_TARGET",
    "targets": [],
}
APP = {"name": "AWSALBAPP-0", "attributes": "Path=/", "targetGroup": "api"}
ANSWER = {
    "url": "/x",
    "method": "GET",
    "listener": "https-443",
    "tls": {"version": "TLSv1.3", "cipherSuite": "AES"},
    "rules": [],
    "rule": "default",
    "action": {
        "type": "forward",
        "groupStickiness": {
            "durationSeconds": 60.0,
            "cookie": "AWSALBTG",
            "heldTo": "web",
            "why": "names web",
        },
        "targetGroups": [WEB, API],
        "setCookies": [
            {"name": "AWSALB", "attributes": "Path=/"},
            {**APP, "when": "when the target sets sid"},
        ],
    },
}


def test_what_holds_a_client_and_what_a_group_does_is_told() -> None:
    assert "".join(f"{line}\n" for line in told(ANSWER)) == STUCK
