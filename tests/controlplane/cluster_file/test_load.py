"""What a cluster file says arrives in the packages' own types."""

from pathlib import Path

import pytest

from alb.model import (
    Algorithm,
    Condition,
    FixedResponse,
    Forward,
    HealthCheck,
    HostHeader,
    HostHeaderRewrite,
    HttpHeader,
    HttpRequestMethod,
    LoadBalancerAttributes,
    LogFiles,
    MinimumHealthy,
    PathPattern,
    QueryPair,
    QueryString,
    Redirect,
    SourceIp,
    TargetGroup,
    UrlRewrite,
    WeightedGroup,
)
from autoscaler.model import Comparison, MissingData, Statistic
from autoscaler.policies import AdjustmentType
from controlplane.cluster_file import ClusterFile, load, text_of
from controlplane.problems import ConfigInvalid
from scheduler.model import (
    PlacementStrategy,
    RuntimeKind,
    ServiceLoadBalancer,
    StrategyType,
)
from tests.support.scaling import steps_of

OK = "{type: fixed-response, statusCode: 200}"
VALID = (Path(__file__).parent / "valid.yaml").read_text()


@pytest.fixture(scope="module")
def valid() -> ClusterFile:
    return load("alb.yaml", VALID, {})


def small(tail: str = "", **variables: str) -> ClusterFile:
    return load("alb.yaml", f"cluster: demo\n{tail}", variables)


def container(fields: str, **variables: str) -> ClusterFile:
    return small(
        "taskDefinitions: [{family: f, containerDefinitions: "
        f"[{{name: c, image: i, memory: 6, {fields}}}]}}]\n",
        **variables,
    )


def test_attributes_reach_the_listener_in_the_models_words() -> None:
    loaded = small(
        """
loadBalancer:
  attributes:
    routing.http.desync_mitigation_mode: strictest
    routing.http.drop_invalid_header_fields.enabled: true
    routing.http.preserve_host_header.enabled: true
    routing.http.xff_header_processing.mode: preserve
    routing.http.xff_client_port.enabled: true
listeners:
  - port: 80
    defaultActions: [{type: fixed-response, statusCode: 200}]
    attributes:
      routing.http.response.server.enabled: false
      routing.http.response.x_frame_options.header_value: DENY
      routing.http.response.access_control_max_age.header_value: "600"
"""
    )
    assert loaded.load_balancer
    (listener,) = loaded.load_balancer.listeners

    assert listener.attributes == LoadBalancerAttributes(
        desync_mitigation_mode="strictest",
        drop_invalid_header_fields=True,
        preserve_host_header=True,
        xff_header_processing="preserve",
        xff_client_port=True,
    )
    assert not listener.server_header
    assert {
        ("X-Frame-Options", "DENY"),
        ("Access-Control-Max-Age", "600"),
    } == set(listener.response_headers)


# --- values -----------------------------------------------------------------------


def test_rules_stand_in_the_order_of_their_priorities(valid: ClusterFile) -> None:
    assert valid.load_balancer
    (listener,) = valid.load_balancer.listeners

    assert [10, 20, 30, 40] == [rule.priority for rule in listener.rules]
    assert [
        (PathPattern(("/legacy", "/legacy/*")),),
        (HostHeader(("old.example.com",)), SourceIp(("10.0.0.0/8",))),
        (HttpHeader("X-Beta", ("y*",)), QueryString((QueryPair("2", "v"),))),
        (HttpRequestMethod(("TRACE",)),),
    ] == [rule.conditions for rule in listener.rules]
    assert [
        Forward((WeightedGroup("legacy"),)),
        Redirect(301, host="new.example.com"),
        Forward((WeightedGroup("web", 9), WeightedGroup("api", 1))),
        FixedResponse(405, "text/plain", "no"),
    ] == [rule.action for rule in listener.rules]


def test_a_group_has_awss_defaults_where_the_file_is_silent(valid: ClusterFile) -> None:
    assert valid.load_balancer
    web, api, legacy = valid.load_balancer.groups

    assert HealthCheck() == legacy.health_check
    assert (300.0, 9090) == (api.deregistration_delay_s, api.port)
    assert web.health_check == HealthCheck(
        path="/healthz",
        interval_s=2.0,
        timeout_s=2.0,  # min(5, interval)
        healthy_threshold=2,
        matcher=((200, 299),),
    )


def grouped(attributes: str) -> TargetGroup:
    """The group of a file whose attributes these are."""
    loaded = small(f"targetGroups: [{{name: web, attributes: {{{attributes}}}}}]\n")
    assert loaded.load_balancer
    (group,) = loaded.load_balancer.groups
    return group


def test_a_group_says_when_it_fails_open() -> None:
    where = "target_group_health.unhealthy_state_routing.minimum_healthy_targets"

    some = grouped(f"{where}.count: 'off', {where}.percentage: 50")

    assert grouped("").minimum_healthy == MinimumHealthy(1, 0)
    assert some.minimum_healthy == MinimumHealthy(0, 50)


def test_a_group_says_how_it_chooses() -> None:
    hashed = grouped(
        "load_balancing.algorithm.type: alb.consistent_hash,"
        ' alb.consistent_hash.on: "header:x-user"'
    )

    assert grouped("").algorithm == Algorithm("round_robin")
    assert hashed.algorithm == Algorithm("alb.consistent_hash", "header:x-user")


def test_a_group_says_how_long_it_eases_a_target_in() -> None:
    chance = "load_balancing.algorithm.type: weighted_random"

    assert grouped("").slow_start_s == 0.0
    assert grouped("slow_start.duration_seconds: 1").slow_start_s == 1.0
    assert grouped(f"slow_start.duration_seconds: 30, {chance}").slow_start_s == 30.0


def test_a_group_says_whether_less_is_sent_to_who_fails_more() -> None:
    chance = "load_balancing.algorithm.type: weighted_random"

    mitigating = grouped(f"{chance}, load_balancing.algorithm.anomaly_mitigation: 'on'")

    assert not grouped(chance).algorithm.anomaly_mitigation
    assert mitigating.algorithm.anomaly_mitigation


def test_a_fixed_target_has_an_identity_of_its_own(valid: ClusterFile) -> None:
    assert valid.load_balancer
    targets = valid.load_balancer.fixed_targets["legacy"]

    assert [
        ("fixed/legacy/127.0.0.1:9000", "127.0.0.1", 9000),
        ("fixed/legacy/[::1]:9000", "::1", 9000),
    ] == [(target.id, target.host, target.port) for target in targets]


def test_a_service_refers_to_the_only_container_and_port(valid: ClusterFile) -> None:
    web, api = valid.services

    assert (ServiceLoadBalancer("web", "web", 8080, 10.0),) == web.load_balancers
    assert (ServiceLoadBalancer("api", "api", 9090, 300.0),) == api.load_balancers
    assert 1024 == web.task_definition.reserved_cpu
    assert 1024 == web.task_definition.memory_mib
    assert (
        PlacementStrategy(StrategyType.SPREAD, "attribute:ecs.availability-zone"),
    ) == web.placement_strategy
    assert (50, 200) == (
        web.deployment.minimum_healthy_percent,
        web.deployment.maximum_percent,
    )


def test_an_alarm_is_about_its_service_unless_it_says_otherwise(
    valid: ClusterFile,
) -> None:
    (target,) = valid.scalable_targets
    (policy,) = steps_of(target)
    alarm = policy.alarm

    assert ("web", 1, 6) == (target.resource, target.min_capacity, target.max_capacity)
    assert ("web-out", 10, 2, 1) == (
        alarm.name,
        alarm.period_s,
        alarm.evaluation_periods,
        alarm.datapoints_to_alarm,
    )
    assert ("AWS/ECS", "CPUUtilization") == (alarm.metric.namespace, alarm.metric.name)
    assert (
        ("ClusterName", "demo"),
        ("ServiceName", "web"),
    ) == alarm.metric.dimensions
    assert (Statistic.AVERAGE, Comparison.GREATER, 75.0, MissingData.MISSING) == (
        alarm.statistic,
        alarm.comparison,
        alarm.threshold,
        alarm.treat_missing_data,
    )
    assert AdjustmentType.PERCENT_CHANGE_IN_CAPACITY is policy.adjustment_type
    assert [(0.0, 10.0, 10), (10.0, None, 30)] == [
        (step.lower_bound, step.upper_bound, step.scaling_adjustment)
        for step in policy.steps
    ]


def test_a_policys_alarm_may_run_a_command_only_where_the_file_allows_it() -> None:
    action = "missing, okActions: [{command: [lamp]}]}"
    text = VALID.replace("missing}", action)
    assert load("alb.yaml", text, {"NAME": "web"}).warnings == ()
    with pytest.raises(ConfigInvalid, match=r"alarm\.okActions\[0\]\.command: runs"):
        load("alb.yaml", text.replace("allowPrivileged: true", ""), {"NAME": "web"})


def test_an_alarm_on_the_clusters_cpu_names_the_cluster_alone() -> None:
    only = "{name: ClusterName, value: demo}"
    text = VALID.replace("statistic: Average", f"dimensions: [{only}]")
    (policy,) = steps_of(load("alb.yaml", text, {}).scalable_targets[0])

    assert (("ClusterName", "demo"),) == policy.alarm.metric.dimensions


def test_instances_have_a_runtime_and_a_range_of_ports(valid: ClusterFile) -> None:
    a, b = valid.instances

    assert (RuntimeKind.DOCKER, "unix:///var/run/docker.sock", "a") == (
        a.runtime,
        a.endpoint,
        a.zone,
    )
    assert (RuntimeKind.PROCESS, "127.0.0.1", 1024, 2048) == (
        b.runtime,
        b.address,
        b.cpu,
        b.memory_mib,
    )
    assert ((20000, 29999), (21000, 21999)) == (
        a.dynamic_port_range,
        b.dynamic_port_range,
    )


def test_an_internal_load_balancer_listens_on_loopback_only() -> None:
    listeners = f"listeners: [{{port: 80, defaultActions: [{OK}]}}]\n"
    internal = small(listeners).load_balancer
    facing = small(
        f"{listeners}loadBalancer: {{scheme: internet-facing}}"
    ).load_balancer

    assert internal
    assert ("127.0.0.1",) == internal.listeners[0].addresses
    assert facing
    assert ("0.0.0.0",) == facing.listeners[0].addresses  # noqa: S104 - what it means
    assert "demo" == internal.name, "named for the cluster where it has no name"


@pytest.mark.parametrize(
    ("scheme", "addresses"),
    [("internal", ("127.0.0.1", "::1")), ("internet-facing", ("0.0.0.0", "::"))],  # noqa: S104 - what it means
)
def test_a_dualstack_load_balancer_listens_on_ipv6_too(
    scheme: str, addresses: tuple[str, ...]
) -> None:
    balancer = small(
        f"listeners: [{{port: 80, defaultActions: [{OK}]}}]\n"
        f"loadBalancer: {{scheme: {scheme}, ipAddressType: dualstack}}"
    ).load_balancer

    assert balancer
    assert addresses == balancer.listeners[0].addresses


def test_attributes_of_the_load_balancer_reach_its_listeners() -> None:
    attributes = (
        "loadBalancer: {attributes: {idle_timeout.timeout_seconds: 4000, "
        "client_keep_alive.seconds: 60, alb.head_timeout.timeout_seconds: 5}}\n"
        f"listeners: [{{port: 80, defaultActions: [{OK}]}}]"
    )
    balancer = small(attributes).load_balancer

    assert balancer
    expected = LoadBalancerAttributes(4000.0, 60.0, 5.0)
    assert expected == balancer.attributes == balancer.listeners[0].attributes


@pytest.mark.parametrize(
    ("written", "access", "connections"),
    [
        ("", None, None),
        ("access_logs.s3.bucket: shop", None, None),
        ("access_logs.s3.enabled: true", LogFiles("logs", "demo"), None),
        (
            "access_logs.s3.enabled: true, alb.access_logs.directory: /var/log, "
            "access_logs.s3.bucket: shop, access_logs.s3.prefix: a/b, "
            "alb.access_logs.format: json",
            LogFiles("/var/log/shop/a/b", "demo", json=True),
            None,
        ),
        ("connection_logs.s3.enabled: true", None, LogFiles("logs", "demo")),
    ],
    ids=["off", "a place alone", "on", "all of it", "connections"],
)
def test_logs_are_written_where_the_attributes_say(
    written: str, access: LogFiles | None, connections: LogFiles | None
) -> None:
    balancer = small(f"loadBalancer: {{attributes: {{{written}}}}}").load_balancer

    assert balancer
    assert access == balancer.attributes.access_log
    assert connections == balancer.attributes.connection_log


def test_a_file_without_a_front_door_has_none() -> None:
    assert small().load_balancer is None


def test_a_scaled_service_begins_with_its_least_capacity() -> None:
    text = VALID.replace("    desiredCount: 2\n", "").replace(
        "minCapacity: 1", "minCapacity: 3"
    )
    loaded = load("alb.yaml", text, {})

    assert 3 == loaded.services[0].desired_count
    assert frozenset({"web"}) == loaded.scaled_services


# fmt: off
TASK_SIZES = [
    ("256", "512", 256, 512),
    ("1 vCPU", "1GB", 1024, 1024),
    (".5 vcpu", "0.5 gb", None, None),
    ("0.25vCPU", "2 GB", 256, 2048),
]
# fmt: on


@pytest.mark.parametrize(("cpu", "memory", "units", "mib"), TASK_SIZES)
def test_a_task_is_sized_in_units_or_in_vcpu(
    cpu: str, memory: str, units: int | None, mib: int | None
) -> None:
    text = (
        f"taskDefinitions: [{{family: f, cpu: {cpu}, memory: {memory}, "
        "containerDefinitions: [{name: c, image: i, memory: 6}]}]"
    )
    if units is None:
        with pytest.raises(ConfigInvalid, match="must be like 256"):
            small(text)
    else:
        definition = small(text).task_definitions["f"]
        assert (units, mib) == (definition.cpu, definition.memory_mib)


# fmt: off
REGEXES = [
    ("{field: host-header, regexValues: ['^a[0-9]']}", HostHeader((), ("^a[0-9]",))),
    ("{field: path-pattern, regexValues: ['^/a', b$]}", PathPattern((), ("^/a", "b$"))),
    ("{field: http-header, httpHeaderName: X, regexValues: [a]}", HttpHeader("X", (), ("a",))),
]
# fmt: on


@pytest.mark.parametrize(("written", "expected"), REGEXES)
def test_a_condition_has_expressions_in_place_of_values(
    written: str, expected: Condition
) -> None:
    rule = f"{{priority: 1, conditions: [{written}], actions: [{OK}]}}"
    loaded = small(f"listeners: [{{port: 1, defaultActions: [{OK}], rules: [{rule}]}}]")

    assert loaded.load_balancer
    assert ((expected,),) == tuple(
        rule.conditions for rule in loaded.load_balancer.listeners[0].rules
    )
    assert () == loaded.warnings


def rule_with_transforms(action: str) -> ClusterFile:
    rule = (
        "{priority: 1, conditions: [{field: path-pattern, values: [/a]}], transforms: "
        "[{type: url-rewrite, rewrites: [{regex: ^/a, replace: ''}]}, {type: "
        "host-header-rewrite, rewrites: [{regex: '^(.*)$', replace: $1.in}]}], "
        f"actions: [{action}]}}"
    )
    return small(
        "targetGroups: [{name: web, targets: [{id: 127.0.0.1, port: 9}]}]\n"
        "listeners: [{port: 1, defaultActions: [{type: forward, targetGroup: web}], "
        f"rules: [{rule}]}}]\n"
    )


def test_a_rule_has_transforms_of_what_it_forwards() -> None:
    loaded = rule_with_transforms("{type: forward, targetGroup: web}")

    assert loaded.load_balancer
    assert (UrlRewrite("^/a", ""), HostHeaderRewrite("^(.*)$", "$1.in")) == (
        loaded.load_balancer.listeners[0].rules[0].transforms
    )
    assert () == loaded.warnings


def test_transforms_of_what_is_not_forwarded_are_told_of() -> None:
    assert ["nothing is forwarded by a fixed-response: this changes nothing"] == [
        problem.message for problem in rule_with_transforms(OK).warnings
    ]


def test_an_escape_that_no_decoded_path_can_hold_is_told() -> None:
    condition = "{field: path-pattern, regexValues: ['^/a%25b', '^/a%20b']}"
    rule = f"{{priority: 1, conditions: [{condition}], actions: [{OK}]}}"
    loaded = small(f"listeners: [{{port: 1, defaultActions: [{OK}], rules: [{rule}]}}]")

    assert [
        "%20 never matches: paths are decoded before; write \\x20"
    ] == [problem.message for problem in loaded.warnings]  # fmt: skip


# --- YAML 1.1 does not bite -----------------------------------------------------------


# fmt: off
TEXTS = [
    ("no",            "no",         "not a boolean"),
    ("22:22",         "22:22",      "not minutes"),
    ("1.10",          "1.10",       "not a fraction"),
    ("0256",          "0256",       "not octal"),
    ("0x1F",          "0x1F",       "not hexadecimal"),
    ("1_000",         "1_000",      "not a thousand"),
    ("2001-01-01",    "2001-01-01", "not a date"),
    ('"null"',        "null",       "quoted, so not null"),
    ('""',            "",           "an empty text is a text"),
    ("a #{b}c",       None,         "a comment would swallow half of it"),
    ("${EMPTY}",      "",           "a variable that is empty is an empty text"),
    ("${NULL}",       "null",       "a variable's value is never null"),
    ("${A}-${B:-b}",  "a-b",        "two variables"),
    ("${EMPTY:-x}",   "x",          "empty counts as not set after :-"),
    ("${EMPTY-x}",    "",           "and does not after -"),
    ("${NO-x}",       "x",          "not set"),
    ("${NO:-}",       "",           "a default may be empty"),
    ("$${A}",         "${A}",       "two dollars are one"),
    ("$A",            "$A",         "a dollar without braces is a dollar"),
    ("/a$",           "/a$",        "and so at the end"),
]
# fmt: on


@pytest.mark.parametrize(
    ("written", "text"),
    [row[:2] for row in TEXTS],
    ids=[f"{row[0]} is {row[2]}" for row in TEXTS],
)
def test_a_text_keeps_its_text(written: str, text: str | None) -> None:
    block = (
        "taskDefinitions:\n"
        "  - family: f\n"
        "    containerDefinitions:\n"
        "      - name: c\n"
        "        image: i\n"
        "        memory: 6\n"
        "        environment:\n"
        "          - name: X\n"
        f"            value: {written}\n"
    )
    variables = {"A": "a", "EMPTY": "", "NULL": "null"}
    if text is None:
        with pytest.raises(ConfigInvalid, match="starts a comment here"):
            small(block, **variables)
        return
    (only,) = small(block, **variables).task_definitions["f"].containers

    assert (("X", text),) == only.environment


def test_a_number_may_be_quoted_or_come_from_a_variable() -> None:
    (only,) = container("cpu: '${CPU}'", CPU="256").task_definitions["f"].containers

    assert 256 == only.cpu


def test_top_level_names_that_start_with_x_are_ignored() -> None:
    assert small() == small("x-anything: [*]\n".replace("*", "1"))


def test_a_variable_in_an_ignored_part_need_not_be_set() -> None:
    assert small() == small("x-anything: ${NOT_SET}\n")


def test_merge_keys_give_what_the_mapping_does_not_say_itself() -> None:
    text = (
        "x-base: &base {image: i, memory: 6, cpu: 7}\n"
        "taskDefinitions:\n"
        "  - family: f\n"
        "    containerDefinitions: [{<<: *base, name: c, cpu: 9}]\n"
    )
    (only,) = small(text).task_definitions["f"].containers

    assert ("i", 6, 9) == (only.image, only.memory_mib, only.cpu)


def test_a_byte_order_mark_is_skipped() -> None:
    text = text_of("alb.yaml", b"\xef\xbb\xbfcluster: demo\n")

    assert "demo" == load("alb.yaml", text, {}).cluster
    assert "demo" == load("alb.yaml", "\ufeffcluster: demo\n", {}).cluster


# fmt: off
BYTES = [
    (b"cluster: d\xe9mo\n", "1:11: byte 0xe9 is not UTF-8; save the file as UTF-8"),
    ("cluster: demo\n".encode("utf-16"), "1:1: the file is UTF-16; save it as UTF-8"),
    (b"#" * (4 * 2**20 + 1), "1:1: the file is larger than 4 MiB"),
]
# fmt: on


@pytest.mark.parametrize(("content", "line"), BYTES, ids=["latin-1", "utf-16", "large"])
def test_bytes_that_are_no_text_are_told(content: bytes, line: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        text_of("alb.yaml", content)
    assert f"alb.yaml:{line}" == refused.value.problems[0].at("alb.yaml")


def test_a_billion_laughs_are_refused_quickly() -> None:
    lines = ["x0: &x0 [a, a, a, a, a, a, a, a, a, a]"]
    lines += [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 10)]

    with pytest.raises(ConfigInvalid, match="aliases add more than 100000 nodes"):
        load("alb.yaml", "\n".join(lines), {})


def test_aliases_do_not_nest_deeper_than_what_is_written() -> None:
    lines = ["x0: &x0 [[[[[[a]]]]]]"]
    lines += [f"x{n}: &x{n} [[[[[[*x{n - 1}]]]]]]" for n in range(1, 10)]

    with pytest.raises(ConfigInvalid, match="nested deeper than 32 levels"):
        load("alb.yaml", "\n".join(lines), {})


def test_brackets_without_end_do_not_exhaust_the_stack() -> None:
    with pytest.raises(ConfigInvalid):
        load("alb.yaml", "[" * 100_000, {})


# --- warnings -------------------------------------------------------------------------

# fmt: off
WARNINGS = [
    ("    desiredCount: 1\n", "    desiredCount: 1\n    propagateTags: SERVICE\n",
     "103:5: warning: services[1].propagateTags: "
     "is not built yet and is ignored",
     "ignoring it changes nobody's traffic"),
    ("    desiredCount: 1\n",
     "    desiredCount: 1\n    deploymentConfiguration: "
     "{minimumHealthyPercent: 100, maximumPercent: 100}\n",
     "103:30: warning: services[1].deploymentConfiguration: a deployment of 1 tasks "
     "can neither start nor stop one: at least 1 and at most 1 may run",
     "100/100 leaves no room"),
    ("    desiredCount: 1\n",
     "    desiredCount: 3\n    deploymentConfiguration: {maximumPercent: 125}\n",
     "103:30: warning: services[1].deploymentConfiguration: a deployment of 3 tasks "
     "can neither start nor stop one: at least 3 and at most 3 may run",
     "125 % of 3 is rounded down"),
    ("    desiredCount: 1\n",
     "    desiredCount: 3\n    deploymentConfiguration: "
     "{minimumHealthyPercent: 90, maximumPercent: 125}\n",
     "103:30: warning: services[1].deploymentConfiguration: a deployment of 3 tasks "
     "can neither start nor stop one: at least 3 and at most 3 may run",
     "90 % of 3 is rounded up"),
    ("memory: 64\n        cpu: 128\n        portMappings: [{containerPort: 8080}",
     "memory: 64\n        cpu: 128\n        "
     "portMappings: [{containerPort: 8080, hostPort: 81}",
     None,
     "one task and two instances: the other one takes it"),
    ("memory: 64\n        cpu: 128\n        portMappings: [{containerPort: 8080}",
     "memory: 64\n        cpu: 128\n        "
     "portMappings: [{containerPort: 8080, hostPort: 22}",
     "101:21: warning: services[1]: no task can be placed: hostPort 22 is reserved on "
     "every instance",
     "a port that ECS reserves"),
    ("        cpu: 256\n", "        cpu: 0\n", None, "the task's own cpu is reserved"),
    ("  - name: api\n    port: 9090\n",
     "  - name: api\n    port: 9090\n  - name: spare\n",
     "51:11: warning: targetGroups[2].name: no listener forwards to this group",
     "nothing reaches it"),
    ("weight: 9}, {targetGroup: api}", "weight: 0}, {targetGroup: api, weight: 0}",
     "72:27: warning: listeners[0].rules[2].actions[0].targetGroups: "
     "every weight is 0: nothing receives these requests",
     "a weight of 0 takes nothing"),
    ("statistic: Average", "unit: Percent",
     "90:47: warning: services[0].autoScaling.policies[0].alarm.unit: "
     "is not built yet and is ignored",
     "a unit decides nothing"),
]
# fmt: on


@pytest.mark.parametrize(
    ("out", "put_in", "line"),
    [row[:3] for row in WARNINGS],
    ids=[row[3] for row in WARNINGS],
)
def test_a_warning_is_told_and_the_file_is_taken(
    out: str, put_in: str, line: str | None
) -> None:
    assert VALID.count(out) == 1
    loaded = load("alb.yaml", VALID.replace(out, put_in), {})

    expected = [] if line is None else [f"alb.yaml:{line}"]
    assert expected == [warning.at("alb.yaml") for warning in loaded.warnings]


def test_scaling_on_cpu_without_reserved_cpu_is_warned_of() -> None:
    text = VALID.replace("        cpu: 256\n", "").replace('    cpu: "1 vCPU"\n', "")
    (warning,) = load("alb.yaml", text, {}).warnings

    assert '"web" reserves no cpu: CPUUtilization has no datapoints' == warning.message


# fmt: off
HARMLESS = [
    "loadBalancer: {attributes: {routing.http.preserve_host_header.enabled: false}}",
    "loadBalancer: {attributes: {routing.http2.enabled: true}}",
    "targetGroups: []",
    "allowPrivileged: false",
]
# fmt: on


def test_a_task_definition_may_be_what_aws_ecs_prints() -> None:
    text = """taskDefinitions: [{
        "family": "f", "networkMode": "bridge", "volumes": [],
        "placementConstraints": [], "requiresCompatibilities": ["EC2"],
        "containerDefinitions": [{
            "name": "c", "image": "i", "cpu": 0, "memory": 6, "essential": true,
            "environment": [], "mountPoints": [], "volumesFrom": [], "secrets": [],
            "dependsOn": [], "systemControls": [], "linuxParameters": {},
            "portMappings": [{"containerPort": 80, "hostPort": 0, "protocol": "tcp"}],
            "privileged": false
        }]
    }]
    """
    assert () == small(text).warnings


@pytest.mark.parametrize("text", HARMLESS)
def test_an_unbuilt_field_may_say_what_is_so_anyway(text: str) -> None:
    assert () == small(text).warnings


# --- limits of AWS's that hold only when asked for ---------------------------------------


def front_door(
    listeners: int = 1, rules: int = 0, targets: int = 1, groups: int = 1
) -> str:
    each = [
        f"{{priority: {n + 1}, conditions: [{{field: path-pattern, values: [/{n}]}}], "
        f"actions: [{OK}]}}"
        for n in range(rules)
    ]
    ports = [
        f"{{port: {n + 1}, rules: [{', '.join(each)}], defaultActions: [{OK}]}}"
        for n in range(listeners)
    ]
    ids = [f"{{id: 10.0.{n // 250}.{n % 250}, port: 80}}" for n in range(targets)]
    of_targets = [f"{{name: a{n}, targets: [{', '.join(ids)}]}}" for n in range(groups)]
    return f"listeners: [{', '.join(ports)}]\ntargetGroups: [{', '.join(of_targets)}]\n"


# fmt: off
QUOTAS = [
    ({"listeners": 51}, "at most 50 listeners under strictAwsLimits (got 51)"),
    ({"rules": 101}, "at most 100 rules under strictAwsLimits (got 101)"),
    ({"targets": 1001}, "at most 1000 targets under strictAwsLimits (got 1001)"),
    ({"targets": 501, "groups": 2}, "at most 1000 targets under strictAwsLimits (got 1002)"),
    ({"targets": 1, "groups": 101}, "at most 100 target groups under strictAwsLimits (got 101)"),
]
# fmt: on


@pytest.mark.parametrize(
    ("counts", "message"),
    QUOTAS,
    ids=["listeners", "rules", "targets", "of all groups", "groups"],
)
def test_quotas_hold_only_under_strict_limits(
    counts: dict[str, int], message: str
) -> None:
    text = front_door(**counts)
    small(text)

    with pytest.raises(ConfigInvalid) as refused:
        small(f"{text}strictAwsLimits: true\n")
    assert [message] == [problem.message for problem in refused.value.problems]


# --- what is ignored does not take anything else with it ----------------------------------


def test_a_container_with_an_ignored_field_is_still_a_container() -> None:
    text = VALID.replace(
        "        image: demo/api:1\n",
        "        image: demo/api:1\n        firelensConfiguration: {type: fluentbit}\n",
    ).replace("    desiredCount: 1\n", "    desiredCount: 1\n    propagateTags: NONE\n")
    loaded = load("alb.yaml", text, {})

    assert 2 == len(loaded.warnings)
    (api,) = loaded.services[1].task_definition.containers
    assert "demo/api:1" == api.image


def test_a_container_that_nothing_can_run_is_told() -> None:
    with pytest.raises(ConfigInvalid, match="needs an image"):
        small(
            "taskDefinitions: [{family: f, containerDefinitions: [{name: c, memory: 6}]}]"
        )


def test_a_text_does_not_grow_without_a_bound() -> None:
    with pytest.raises(ConfigInvalid, match="longer than 65536 characters"):
        load("alb.yaml", "cluster: a${X}", {"X": "x" * 65_536})


def test_a_text_larger_than_a_file_may_be_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="the file is larger than 4 MiB"):
        load("alb.yaml", "#" * (4 * 2**20 + 1), {})


def test_a_redirect_may_change_the_protocol_and_the_port_alone() -> None:
    parts = 'protocol: HTTPS, port: 443, host: "#{host}", query: "#{query}"'
    text = VALID.replace("host: new.example.com", parts)
    balancer = load("alb.yaml", text, {}).load_balancer

    assert balancer
    assert Redirect(301, "HTTPS", port="443") == balancer.listeners[0].rules[1].action


def test_an_https_listener_may_leave_its_certificate_to_the_local_ca() -> None:
    text = VALID.replace("    protocol: HTTP\n", "    protocol: HTTPS\n")
    public = text.replace("scheme: internal", "scheme: internet-facing")

    inside, outside = (load("alb.yaml", one, {}) for one in (text, public))

    assert inside.load_balancer
    (listener,) = inside.load_balancer.listeners
    assert ("https-8080", ()) == (listener.name, listener.certificates)
    assert "ELBSecurityPolicy-TLS13-1-2-2021-06" == listener.ssl_policy
    assert () == inside.warnings
    (warning,) = outside.warnings
    assert "listeners[0].protocol" == warning.path
    assert "only this user has" in warning.message


def test_health_may_be_checked_on_a_port_of_its_own() -> None:
    text = VALID.replace("healthCheckPath: /healthz", "healthCheckPort: 9999")
    balancer = load("alb.yaml", text, {}).load_balancer

    assert balancer
    assert 9999 == balancer.groups[0].health_check.port
