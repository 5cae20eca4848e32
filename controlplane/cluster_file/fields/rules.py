"""The field table of listeners: rules, conditions, actions.

Source of names, defaults and ranges: ELBv2 API reference (CreateListener,
CreateRule) and the ALB user guide.
"""

from __future__ import annotations

from typing import Final

from alb.decide.tls_policies import DEFAULT_POLICY, LATER, POLICIES
from controlplane.cluster_file.kinds import (
    Choice,
    Each,
    Field,
    Flag,
    Text,
    Variants,
    Whole,
    attributes,
    ignored,
    refused,
    shape,
)

VALUES_MAX: Final = 5
GROUPS_PER_ACTION_MAX: Final = 5
NAME: Final = Text(longest=255)
GROUP: Final = Text(longest=32)
VALUE: Final = Text(longest=128)
VALUES: Final = Each(VALUE, 1)
EXPRESSION: Final = Text(longest=1024)
HEADER_VALUE: Final = Text(
    "[!-~]?|[!-~][ -~]*[!-~]",
    "be visible ASCII, with no space at either end",
    1024,
    0,
)

_CONDITION = "ELBv2 RuleCondition"
_REGEX = Field(
    "regexValues",
    VALUES,
    _CONDITION,
    note="in place of values: found anywhere unless anchored by ^ and $; no "
    "lookaround, backreferences, possessive quantifiers, recursion, \\p",
)

CONDITION: Final = Variants(
    "field",
    {
        "host-header": shape(
            "HostHeader",
            Field("values", VALUES, _CONDITION, note="any case; wildcards * ?"),
            _REGEX,
            wrappers=("hostHeaderConfig",),
        ),
        "path-pattern": shape(
            "PathPattern",
            Field("values", VALUES, _CONDITION, note="case matters; wildcards * ?"),
            _REGEX,
            wrappers=("pathPatternConfig",),
        ),
        "http-header": shape(
            "HttpHeader",
            Field("httpHeaderName", Text(longest=40), _CONDITION, required=True),
            Field("values", VALUES, _CONDITION, note="any case; wildcards * ?"),
            _REGEX,
            wrappers=("httpHeaderConfig",),
        ),
        "http-request-method": shape(
            "HttpRequestMethod",
            Field(
                "values",
                Each(Text("[A-Z_-]{1,40}", "be 1-40 of A-Z - _"), 1),
                _CONDITION,
                required=True,
            ),
            wrappers=("httpRequestMethodConfig",),
        ),
        "query-string": shape(
            "QueryString",
            Field(
                "values",
                Each(
                    shape(
                        "QueryStringPair",
                        Field("key", VALUE, _CONDITION, note="left out: any key"),
                        Field("value", VALUE, _CONDITION, required=True),
                    ),
                    1,
                ),
                _CONDITION,
                required=True,
            ),
            wrappers=("queryStringConfig",),
        ),
        "source-ip": shape(
            "SourceIp",
            Field("values", VALUES, _CONDITION, required=True, note="CIDR blocks"),
            wrappers=("sourceIpConfig",),
        ),
    },
)

_ACTION = "ELBv2 Action"
_ORDER = Field("order", Whole(1, 50_000), _ACTION, note="one action: no order to keep")
_STICKINESS = shape(
    "TargetGroupStickinessConfig",
    Field("enabled", Flag(), _ACTION, default=False),
    Field(
        "durationSeconds",
        Whole(1, 604_800),
        _ACTION,
        note="since the last answer; needed where enabled",
    ),
)

ACTION: Final = Variants(
    "type",
    {
        "forward": shape(
            "Forward",
            Field("targetGroup", GROUP, "ours", note="one group, by name"),
            Field(
                "targetGroups",
                Each(
                    shape(
                        "TargetGroupTuple",
                        Field("targetGroup", GROUP, _ACTION, required=True),
                        Field("weight", Whole(0, 999), _ACTION, default=1),
                    ),
                    1,
                    GROUPS_PER_ACTION_MAX,
                    "targetGroup",
                ),
                _ACTION,
                note="several groups by weight; 0 takes no new requests",
            ),
            Field("targetGroupStickinessConfig", _STICKINESS, _ACTION),
            Field(
                "spillOver",
                Flag(),
                "ours",
                default=False,
                note="a group with no target to pick hands its share to the others; "
                "ALB answers 503",
            ),
            _ORDER,
            wrappers=("forwardConfig",),
        ),
        "redirect": shape(
            "Redirect",
            Field(
                "statusCode", Choice(("HTTP_301", "HTTP_302")), _ACTION, required=True
            ),
            Field("protocol", Text(), _ACTION, default="#{protocol}"),
            Field("host", VALUE, _ACTION, default="#{host}"),
            Field("port", Text(), _ACTION, default="#{port}"),
            Field("path", VALUE, _ACTION, default="/#{path}"),
            Field("query", Text(longest=128, shortest=0), _ACTION, default="#{query}"),
            _ORDER,
            wrappers=("redirectConfig",),
        ),
        "fixed-response": shape(
            "FixedResponse",
            Field(
                "statusCode",
                Text("[245][0-9][0-9]", "be 2xx, 4xx or 5xx"),
                _ACTION,
                required=True,
            ),
            Field(
                "contentType",
                Choice(
                    (
                        "text/plain",
                        "text/css",
                        "text/html",
                        "application/javascript",
                        "application/json",
                    )
                ),
                _ACTION,
                default="text/plain",
            ),
            Field("messageBody", Text(longest=1024, shortest=0), _ACTION, default=""),
            _ORDER,
            wrappers=("fixedResponseConfig",),
        ),
    },
    later=("authenticate-oidc", "authenticate-cognito", "jwt-validation"),
)

_TRANSFORM = "ELBv2 RuleTransform"
_REWRITES = Field(
    "rewrites",
    Each(
        shape(
            "Rewrite",
            Field(
                "regex",
                EXPRESSION,
                _TRANSFORM,
                required=True,
                note="the first match is replaced; as regexValues",
            ),
            Field(
                "replace",
                Text(longest=1024, shortest=0),
                _TRANSFORM,
                required=True,
                note="$1 … are groups of the expression, $0 is the match",
            ),
        ),
        1,
        1,
    ),
    _TRANSFORM,
    required=True,
)
TRANSFORM: Final = Variants(
    "type",
    {
        "host-header-rewrite": shape(
            "HostHeaderRewrite", _REWRITES, wrappers=("hostHeaderRewriteConfig",)
        ),
        "url-rewrite": shape("UrlRewrite", _REWRITES, wrappers=("urlRewriteConfig",)),
    },
)

_RULE = "ELBv2 CreateRule"
RULE: Final = shape(
    "Rule",
    Field("name", NAME, "ours"),
    Field("priority", Whole(1, 50_000), _RULE, required=True, note="lowest first"),
    Field("conditions", Each(CONDITION, 1), _RULE, required=True, note="all must hold"),
    Field("actions", Each(ACTION, 1), _RULE, required=True),
    Field(
        "transforms",
        Each(TRANSFORM, 1),
        _RULE,
        note="of what is forwarded, once the rule has been chosen; one of each type",
    ),
    ignored("tags", _RULE),
)

_ATTRIBUTE = "ELBv2 ListenerAttribute"
_RESPONSE = "routing.http.response."
_REQUEST = "routing.http.request."
LISTENER_ATTRIBUTES: Final = attributes(
    "ListenerAttributes",
    Field(
        f"{_RESPONSE}server.enabled",
        Flag(),
        _ATTRIBUTE,
        default=True,
        note="Server: awselb/2.0 in responses of the load balancer's own",
    ),
    *(
        Field(f"{_RESPONSE}{name}.header_value", kind, _ATTRIBUTE, "", note=note)
        for name, kind, note in (
            ("strict_transport_security", HEADER_VALUE, "max-age=…"),
            ("access_control_allow_origin", HEADER_VALUE, ""),
            ("access_control_allow_methods", HEADER_VALUE, ""),
            ("access_control_allow_headers", HEADER_VALUE, ""),
            ("access_control_allow_credentials", Text("(?:true)?", "be true"), ""),
            ("access_control_expose_headers", HEADER_VALUE, ""),
            ("access_control_max_age", Text("[0-9]{0,10}", "be seconds"), ""),
            ("content_security_policy", HEADER_VALUE, ""),
            ("x_content_type_options", Text("(?:nosniff)?", "be nosniff"), ""),
            (
                "x_frame_options",
                Text(
                    "(?:DENY|SAMEORIGIN|ALLOW-FROM [!-~]+)?",
                    "be DENY, SAMEORIGIN or ALLOW-FROM URL",
                ),
                "",
            ),
        )
    ),
    *(
        refused(f"{_REQUEST}{name}.header_name", _ATTRIBUTE, kind=Text(shortest=0))
        for name in (
            "x_amzn_mtls_clientcert",
            "x_amzn_mtls_clientcert_serial_number",
            "x_amzn_mtls_clientcert_issuer",
            "x_amzn_mtls_clientcert_subject",
            "x_amzn_mtls_clientcert_validity",
            "x_amzn_mtls_clientcert_leaf",
        )
    ),
    *(
        Field(
            f"{_REQUEST}x_amzn_tls_{what}.header_name",
            Text("[A-Za-z0-9-]{0,40}", "be 1-40 of A-Z a-z 0-9 -", shortest=0),
            _ATTRIBUTE,
            "",
            note=f"left out: x-amzn-tls-{what.replace('_', '-')}",
        )
        for what in ("version", "cipher_suite")
    ),
)

CERTIFICATE: Final = shape(
    "Certificate",
    Field(
        "certificate",
        Text(),
        "ACM ImportCertificate",
        required=True,
        note="a PEM file; it may hold its chain too",
    ),
    Field(
        "privateKey",
        Text(),
        "ACM ImportCertificate",
        required=True,
        note="a PEM file, not encrypted",
    ),
    Field("certificateChain", Text(), "ACM ImportCertificate", note="a PEM file"),
    refused("certificateArn", "ELBv2 Certificate", "certificates are files here"),
)

_LISTENER = "ELBv2 CreateListener"
LISTENER: Final = shape(
    "Listener",
    Field("port", Whole(1, 65_535), _LISTENER, required=True),
    Field("protocol", Choice(("HTTP", "HTTPS")), _LISTENER, default="HTTP"),
    Field("rules", Each(RULE, key="priority"), _LISTENER),
    Field("defaultActions", Each(ACTION, 1), _LISTENER, required=True),
    Field("attributes", LISTENER_ATTRIBUTES, "ELBv2 ModifyListenerAttributes"),
    Field(
        "certificates",
        Each(CERTIFICATE, 1),
        _LISTENER,
        note="the first is the default, the others are chosen by server name (SNI); "
        "left out: one of the development CA (`alb certs`)",
    ),
    Field(
        "sslPolicy",
        Choice(tuple(POLICIES), later=LATER),
        _LISTENER,
        DEFAULT_POLICY,
        note="with protocol HTTPS",
    ),
    refused("alpnPolicy", _LISTENER),
    refused("mutualAuthentication", _LISTENER),
    ignored("tags", _LISTENER),
)
