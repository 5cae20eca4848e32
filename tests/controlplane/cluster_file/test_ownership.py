"""Fields that the file changed win; all others keep their live value."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.cluster_file import ClusterFile, load
from controlplane.cluster_file.ownership import Change, live_of, merge
from controlplane.cluster_file.plan import line_of, plan_document
from scheduler.instance import ContainerInstanceStatus
from tests.support.examples import examples

TEXT = (Path(__file__).parent / "valid.yaml").read_text()
COUNTS = {"web": 2, "api": 1}


def file(*edits: tuple[str, str]) -> ClusterFile:
    text = TEXT
    for out, put_in in edits:
        assert text.count(out) == 1, out
        text = text.replace(out, put_in)
    return load("alb.yaml", text, {})


BASE = file()


def render_plan(changes: Sequence[Change]) -> str:
    """The lines that `alb plan` prints."""
    lines = [line_of(change) for change in changes]
    if not any(change.acts for change in changes):
        lines.append("no changes")
    return "\n".join(lines)


def plan(last: ClusterFile | None, new: ClusterFile, live: ClusterFile | None) -> str:
    return render_plan(merge(last, new, live).changes)


def test_the_first_apply_adds_all_that_the_file_has() -> None:
    merged = merge(None, BASE, None)

    assert BASE == merged.result
    assert (
        "+ listeners[8080]\n"
        "+ targetGroups[web]\n"
        "+ targetGroups[api]\n"
        "+ targetGroups[legacy]\n"
        "+ targetGroups[legacy].targets\n"
        "+ containerInstances[host-a]\n"
        "+ containerInstances[host-b]\n"
        "+ taskDefinitions[web]\n"
        "+ taskDefinitions[api]\n"
        "+ services[web]\n"
        "+ services[api]\n"
        "+ services[web].autoScaling\n"
        "+ alarms[api-slow]\n"
        "+ alarms[doubled]\n"
        "+ compositeAlarms[trouble]\n"
        "+ compositeAlarms[quiet]\n"
        "~ allowPrivileged: false -> true"
    ) == render_plan(merged.changes)


def test_the_same_file_again_changes_nothing() -> None:
    merged = merge(BASE, BASE, BASE)

    assert BASE == merged.result
    assert "no changes" == render_plan(merged.changes)


API_3 = ("    desiredCount: 1\n", "    desiredCount: 3\n")
WEB_4 = ("    desiredCount: 2\n", "    desiredCount: 4\n")

# fmt: off
COUNT_ROWS = [  # last, file, live -> what runs then, and the plan
    (1, 1, 1, 1, "no changes", "nobody touched it"),
    (1, 3, 1, 3, "~ services[api].desiredCount: 1 -> 3", "the file changed"),
    (1, 1, 5, 5, "! services[api].desiredCount: runs 5, file says 1 (stays)\nno changes",
     "a person scaled it: that stays, and the plan shows the drift"),
    (1, 3, 5, 3, "~ services[api].desiredCount: 5 -> 3", "both changed: the file wins"),
    (1, 5, 5, 5, "no changes", "both say the same"),
]
# fmt: on


@pytest.mark.parametrize(
    ("last", "wanted", "live", "runs", "text"),
    [row[:5] for row in COUNT_ROWS],
    ids=[row[5] for row in COUNT_ROWS],
)
def test_a_desired_count_is_whose_changed_it(
    last: int, wanted: int, live: int, runs: int, text: str
) -> None:
    def counting(count: int) -> ClusterFile:
        return live_of(BASE, {**COUNTS, "api": count})

    merged = merge(counting(last), counting(wanted), counting(live))

    assert runs == merged.result.services[1].desired_count
    assert text == render_plan(merged.changes)


def test_with_autoscaling_the_files_count_is_only_the_first() -> None:
    live = live_of(BASE, {**COUNTS, "web": 6})

    unchanged = merge(BASE, BASE, live)
    changed = merge(BASE, file(WEB_4), live)

    assert 6 == unchanged.result.services[0].desired_count
    assert "no changes" == render_plan(unchanged.changes)
    assert 6 == changed.result.services[0].desired_count
    assert (
        "! services[web].desiredCount: autoscaling keeps 6, file says 4\nno changes"
    ) == render_plan(changed.changes)


def test_a_changed_task_definition_is_told_once_and_reaches_its_service() -> None:
    new = file(("image: demo/web:1", "image: demo/web:2"))
    merged = merge(BASE, new, live_of(BASE, {**COUNTS, "web": 5}))
    web = merged.result.services[0]

    assert (
        "~ taskDefinitions[web].containerDefinitions[web].image: "
        "demo/web:1 -> demo/web:2"
    ) == render_plan(merged.changes)
    assert "demo/web:2" == web.task_definition.containers[0].image
    assert 5 == web.desired_count


# fmt: off
EDITS = [
    (("priority: 10\n", "priority: 11\n"),
     "+ listeners[8080].rules[11]\n- listeners[8080].rules[10]",
     "a rule is known by its priority"),
    (("weight: 9", "weight: 8"),
     "~ listeners[8080].rules[30].actions.targetGroups[web].weight: 9 -> 8",
     "a weight"),
    (("scheme: internal", "scheme: internet-facing"),
     "~ loadBalancer.scheme: internal -> internet-facing",
     "addresses follow from the scheme and are not told of"),
    (("idle_timeout.timeout_seconds: 60", "idle_timeout.timeout_seconds: 61"),
     "~ loadBalancer.attributes.idle_timeout.timeout_seconds: 60 -> 61",
     "an attribute is told once, not per listener"),
    (("deregistration_delay.timeout_seconds: 10",
      "deregistration_delay.timeout_seconds: 11"),
     "~ targetGroups[web].attributes.deregistration_delay.timeout_seconds: 10 -> 11",
     "a delay is the group's"),
    (("healthCheckPath: /healthz", "healthCheckPath: /ok"),
     "~ targetGroups[web].healthCheckPath: /healthz -> /ok",
     "a health check's fields are the group's"),
    (("  - port: 8080", "  - port: 8081"),
     "+ listeners[8081]\n- listeners[8080]",
     "a listener is known by its port"),
    (("statusCode: 405", "statusCode: 406"),
     "~ listeners[8080].rules[40].actions.statusCode: 405 -> 406",
     "an action of the same type"),
    (("{type: forward, targetGroup: legacy}", "{type: fixed-response, statusCode: 200}"),
     '~ listeners[8080].rules[10].actions: {"targetGroups": [{"targetGroup": "legacy", '
     '"weight": 1}]} -> {"statusCode": 200, "contentType": "text/plain", '
     '"messageBody": ""}',
     "an action of another type"),
    (("maxCapacity: 6", "maxCapacity: 9"),
     "~ services[web].autoScaling.maxCapacity: 6 -> 9",
     "a bound"),
    (("threshold: 75", "threshold: 80"),
     "~ services[web].autoScaling.policies[out].alarm.threshold: 75 -> 80",
     "an alarm"),
    (("    address: 127.0.0.1\n", "    address: 127.0.0.1\n    status: DRAINING\n"),
     "~ containerInstances[host-b].status: ACTIVE -> DRAINING",
     "an instance that is to drain"),
    (("cluster: demo", "cluster: demo\nhostLostAfterSeconds: 30"),
     "~ hostLostAfterSeconds: 60 -> 30",
     "how long a host may be silent"),
    (("cluster: demo", "cluster: demo\ntags: [{key: team, value: edge}]"),
     "+ tags[team]",
     "a tag of the cluster"),
    (("disk: ssd", "disk: hdd"),
     "~ containerInstances[host-a].attributes[disk]: ssd -> hdd",
     "an instance's attribute"),
    (("treatMissingData: missing", "treatMissingData: breaching"),
     "~ services[web].autoScaling.policies[out].alarm.treatMissingData: "
     "missing -> breaching",
     "a choice is spelled as in the file"),
    (("labels {team: edge}", "labels {team: core}"),
     '~ taskDefinitions[web].containerDefinitions[web].dockerLabels: '
     '[["team", "edge"]] -> [["team", "core"]]',
     "labels are one value"),
    (("    cpu: 1024\n", ""),
     "~ containerInstances[host-b].cpu: 1024 -> (none)",
     "a field that is left out now"),
    (("{id: 127.0.0.1, port: 9000}", "{id: 127.0.0.2, port: 9000}"),
     "+ targetGroups[legacy].targets[127.0.0.2:9000]\n"
     "- targetGroups[legacy].targets[127.0.0.1:9000]",
     "a fixed target is known by its address"),
    (("    taskDefinition: api", "    taskDefinition: web"), None,
     "the service's family"),
    (("cluster: demo", "cluster: demo\ncontrol: {address: 127.0.0.1:99}"),
     '~ control.address: ["127.0.0.1", 4566] -> ["127.0.0.1", 99]',
     "the control address"),
]
# fmt: on


@pytest.mark.parametrize(
    ("edit", "text"), [row[:2] for row in EDITS], ids=[row[2] for row in EDITS]
)
def test_a_changed_field_is_told_by_its_path(
    edit: tuple[str, str], text: str | None
) -> None:
    if text is None:
        new = file(edit, ("{targetGroup: api, containerName: api, containerPort: 9090}",
                          "{targetGroup: api}"))  # fmt: skip
        assert "~ services[api].taskDefinition: api -> web" in plan(BASE, new, BASE)
        return
    new = file(edit)
    merged = merge(BASE, new, BASE)

    assert text == render_plan(merged.changes)
    assert new == merged.result


def test_a_service_that_the_file_no_longer_has_is_removed() -> None:
    start, end = TEXT.index("  - serviceName: api"), TEXT.index("alarms:\n")
    new = load("alb.yaml", TEXT[:start] + TEXT[end:], {})
    merged = merge(BASE, new, BASE)

    assert "- services[api]" == render_plan(merged.changes)
    assert ["web"] == [service.name for service in merged.result.services]


def test_a_front_door_that_the_file_no_longer_has_is_removed() -> None:
    new = load("alb.yaml", "cluster: demo\n", {})
    merged = merge(BASE, new, BASE)

    assert merged.result.load_balancer is None
    assert "- listeners[8080]" in render_plan(merged.changes)


def test_what_was_made_while_running_stays_and_is_told() -> None:
    live = replace(BASE, services=(*BASE.services, replace(BASE.services[1], name="x")))
    merged = merge(BASE, BASE, live)

    assert "! services[x]: is not as the file says (stays)\nno changes" == (
        render_plan(merged.changes)
    )
    assert live == merged.result


def test_an_instance_that_drains_by_command_stays_so_until_the_file_changes_it() -> (
    None
):
    drained = {"host-a": ContainerInstanceStatus.DRAINING}
    live = live_of(BASE, COUNTS, statuses=drained)

    merged = merge(BASE, BASE, live)

    assert (
        "! containerInstances[host-a].status: runs DRAINING, file says ACTIVE (stays)\n"
        "no changes"
    ) == render_plan(merged.changes)
    assert ["DRAINING", "ACTIVE"] == [
        one.status.value for one in merged.result.instances
    ]


def test_what_both_the_file_and_a_person_added_is_there_once() -> None:
    before = replace(BASE, services=BASE.services[:1])
    merged = merge(before, BASE, live_of(BASE, {**COUNTS, "api": 4}))

    assert "~ services[api].desiredCount: 4 -> 1" == render_plan(merged.changes)
    assert BASE == merged.result


def test_a_plan_is_also_a_document() -> None:
    assert [
        {
            "path": "services[api].desiredCount",
            "kind": "change",
            "before": 1,
            "after": 3,
            "text": "~ services[api].desiredCount: 1 -> 3",
        }
    ] == plan_document(merge(BASE, file(API_3), BASE).changes)


@given(st.sets(st.integers(0, len(EDITS) - 1), max_size=4), st.integers(0, 9))
@settings(max_examples=examples(60), deadline=None)
def test_applying_a_plan_leaves_nothing_to_apply(rows: set[int], count: int) -> None:
    edits = [EDITS[row][0] for row in sorted(rows) if EDITS[row][1] is not None]
    edits = [
        edit for edit in edits if edit[0] != "{type: forward, targetGroup: legacy}"
    ]
    new = file(*edits)
    result = merge(BASE, new, live_of(BASE, {**COUNTS, "api": count})).result

    again = merge(new, new, result)

    assert result == again.result
    assert not any(change.acts for change in again.changes)


# fmt: off
ALARM_CHANGES = [
    ("threshold: 90.5", "threshold: 95",
     "~ alarms[api-slow].threshold: 90.5 -> 95"),
    ("extendedStatistic: p99", "extendedStatistic: tm90",
     "~ alarms[api-slow].statistic: p99 -> tm90"),
    ("SampleCountPercentile: ignore", "SampleCountPercentile: evaluate",
     "~ alarms[api-slow].evaluateLowSampleCountPercentile: ignore -> evaluate"),
    ('{url: "https://pager.example.com/"}, ', "",
     '~ alarms[api-slow].alarmActions: [{"url": "https://pager.example.com/"}, '
     '{"command": ["logger", "hot"]}] -> [{"command": ["logger", "hot"]}]'),
    ("FILL(m1, 0) * 2", "m1 * 2",
     "~ alarms[doubled].metrics[e1].expression: FILL(m1, 0) * 2 -> m1 * 2"),
    ("actionsSuppressorWaitPeriod: 30", "actionsSuppressorWaitPeriod: 60",
     "~ compositeAlarms[trouble].actionsSuppressorWaitPeriod: 30 -> 60"),
    ('alarmRule: "FALSE"', 'alarmRule: "TRUE"',
     "~ compositeAlarms[quiet].alarmRule: FALSE -> TRUE"),
]
# fmt: on


@pytest.mark.parametrize(
    ("out", "put_in", "text"), ALARM_CHANGES, ids=[row[2][:60] for row in ALARM_CHANGES]
)
def test_a_changed_alarm_is_told_field_by_field(
    out: str, put_in: str, text: str
) -> None:
    assert TEXT.count(out) == 1
    new = load("alb.yaml", TEXT.replace(out, put_in), {})

    merged = merge(BASE, new, BASE)

    assert text == render_plan(merged.changes)
    assert new == merged.result


def test_actions_disabled_by_command_stay_so_until_the_file_says_otherwise() -> None:
    live = live_of(BASE, {}, None, {"api-slow": False, "quiet": True})

    kept = merge(BASE, BASE, live)
    hotter = load("alb.yaml", TEXT.replace("threshold: 90.5", "threshold: 95"), {})
    changed = merge(BASE, hotter, live)

    assert "! alarms[api-slow].actionsEnabled: runs false, file says true (stays)" in (
        render_plan(kept.changes)
    )
    assert "! compositeAlarms[quiet].actionsEnabled: runs true" in (
        render_plan(kept.changes)
    )
    assert [False, True] == [one.actions.enabled for one in kept.result.alarms]
    assert changed.result.alarms[0].threshold == 95
    assert changed.result.alarms[0].actions.enabled is False


def test_a_policy_that_names_an_alarm_follows_it() -> None:
    start = TEXT.index("          alarm: {metricName")
    end = TEXT.index("          adjustmentType: Percent")
    text = f"{TEXT[:start]}          alarmName: api-slow\n{TEXT[end:]}"
    naming = load("alb.yaml", text, {})
    hotter = load("alb.yaml", text.replace("threshold: 90.5", "threshold: 95"), {})
    renaming = text.replace(
        "          alarmName: api-slow", "          alarmName: doubled"
    )
    other = load("alb.yaml", renaming, {})

    begun = merge(BASE, naming, BASE)
    changed = merge(naming, hotter, naming)
    renamed = merge(naming, other, naming)

    path = "services[web].autoScaling.policies[out].alarmName"
    assert f'~ {path}: "" -> api-slow' == render_plan(begun.changes)
    assert "~ alarms[api-slow].threshold: 90.5 -> 95" == render_plan(changed.changes)
    assert f"~ {path}: api-slow -> doubled" == render_plan(renamed.changes)
    for merged, file in ((begun, naming), (changed, hotter), (renamed, other)):
        assert file == merged.result
