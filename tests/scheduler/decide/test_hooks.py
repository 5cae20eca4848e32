"""What a hook's words mean, which are due where, and what becomes of a deployment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scheduler.configuration import (
    HookStage,
    HookTarget,
    LifecycleHook,
    LifecycleStage,
    TimeoutAction,
)
from scheduler.decide import hooks
from scheduler.decide.hooks import Answer, Gate, Verdict
from scheduler.takeover import HookRun, HookStatus
from tests.support.tasks import NOW

H = HookStatus

# fmt: off
ANSWERS = [
    ("",                                    Answer(H.SUCCEEDED),            "a command that says nothing"),
    (" \n",                                 Answer(H.SUCCEEDED),            "nothing but a line"),
    ('{"hookStatus": "SUCCEEDED"}',         Answer(H.SUCCEEDED),            "it says so"),
    ('checking\n{"hookStatus": "SUCCEEDED"}\n', Answer(H.SUCCEEDED),        "in its last line"),
    ('{"hookStatus": "FAILED"}',            Answer(H.FAILED, why="it answered FAILED"), "it refuses"),
    ('{"hookStatus": "IN_PROGRESS"}',       Answer(H.IN_PROGRESS, 30.0),    "ask again after 30 s"),
    ('{"hookStatus": "IN_PROGRESS", "callBackDelay": 5}', Answer(H.IN_PROGRESS, 5.0), "or when it says"),
    ('{"hookStatus": "IN_PROGRESS", "callBackDelay": 0}', Answer(H.IN_PROGRESS, 1.0), "not at once"),
    ('{"hookStatus": "IN_PROGRESS", "hookDetails": {"a": 1}}', Answer(H.IN_PROGRESS, 30.0, '{"a": 1}'), "with that"),
    ("hello",                               Answer(H.FAILED, why="no hookStatus in its answer: hello"), "that is no answer"),
    ("[]",                                  Answer(H.FAILED, why="no hookStatus in its answer: []"), "nor is that"),
    ('{"hookStatus": "MAYBE"}',             Answer(H.FAILED, why='no hookStatus in its answer: {"hookStatus": "MAYBE"}'), "nor that"),
    ('{"hookStatus": []}',                  Answer(H.FAILED, why='no hookStatus in its answer: {"hookStatus": []}'), "nor what is no text"),
    ('{\n  "hookStatus": "SUCCEEDED"\n}\n', Answer(H.SUCCEEDED),            "in several lines"),
    ('{"hookStatus": "FAILED", "callBackDelay": "x"}', Answer(H.FAILED, why="it answered FAILED"), "a delay of one that refuses"),
    ("[" * 60_000,                          Answer(H.FAILED, why=f"no hookStatus in its answer: {'[' * 200}"), "as deep as can be"),
    *(
        (
            told := f'{{"hookStatus": "IN_PROGRESS", "callBackDelay": {delay}}}',
            Answer(H.FAILED, why=f"its callBackDelay is no number of seconds: {told[:200]}"),
            f"a delay of {delay[:8]}",
        )
        for delay in ('"x"', "null", "[]", "NaN", "Infinity", "1e999", "9" * 400)
    ),
]
# fmt: on


@pytest.mark.parametrize("row", ANSWERS, ids=[row[-1] for row in ANSWERS])
def test_answers(row: tuple[str, Answer, str]) -> None:
    text, expected, _ = row
    assert expected == hooks.answer_of(text)


SHIFT = LifecycleStage.PRODUCTION_TRAFFIC_SHIFT
BEFORE, AFTER = (
    HookStage.PRE_PRODUCTION_TRAFFIC_SHIFT,
    HookStage.PRODUCTION_TRAFFIC_SHIFT,
)

# fmt: off
GATES = [
    (Gate(LifecycleStage.PRE_SCALE_UP, 0.0, raises=False), (HookStage.PRE_SCALE_UP,)),
    (Gate(LifecycleStage.SCALE_UP, 0.0, raises=False), ()),
    (Gate(LifecycleStage.BAKE_TIME, 100.0, raises=False), ()),
    (Gate(SHIFT, 0.0, raises=True), (BEFORE,)),
    (Gate(SHIFT, 5.0, raises=True), (AFTER, BEFORE)),
    (Gate(SHIFT, 100.0, raises=False), (AFTER,)),
]
# fmt: on


@pytest.mark.parametrize(("gate", "stages"), GATES)
def test_whose_turn_it_is(gate: Gate, stages: tuple[HookStage, ...]) -> None:
    assert stages == gate.stages


STAGE = HookStage.POST_SCALE_UP
CALL = LifecycleHook(HookTarget.COMMAND, (STAGE,), ("true",), details='{"a": 1}')
PAUSE = LifecycleHook(
    HookTarget.PAUSE,
    (STAGE,),
    timeout_in_minutes=1.0,
    timeout_action=TimeoutAction.CONTINUE,
)
OTHER = replace(CALL, stages=(HookStage.PRE_SCALE_UP,))
HERE = Gate(LifecycleStage.POST_SCALE_UP, 0.0, raises=False)
RUN = HookRun(1, STAGE, 0.0, H.IN_PROGRESS, NOW, call_at_unix_s=NOW, details='{"a": 1}')
WAITS = HookRun(2, STAGE, 0.0, H.AWAITING_ACTION, NOW, call_at_unix_s=NOW)
WANTED = (OTHER, CALL, PAUSE)


def looked(
    *runs: HookRun, answer: Answer | None = None, later_s: float = 0.0
) -> tuple[HookRun, ...]:
    answers = {RUN: answer} if answer else {}
    return hooks.looked_at(runs, WANTED, HERE, answers, NOW + later_s)


def test_those_of_the_stage_begin_and_others_do_not() -> None:
    assert (RUN, WAITS) == looked()
    assert (RUN, WAITS) == looked(RUN, WAITS, later_s=10.0)
    elsewhere = replace(RUN, percent=5.0, status=H.FAILED)
    assert (RUN, WAITS) == looked(elsewhere), "what was asked at another step is over"


def test_an_answer_is_the_end_or_another_attempt() -> None:
    done, _ = looked(RUN, WAITS, answer=Answer(H.SUCCEEDED))
    assert H.SUCCEEDED is done.status
    again, _ = looked(RUN, WAITS, answer=Answer(H.IN_PROGRESS, 5.0, '{"b": 2}'))
    assert (2, NOW + 5, '{"b": 2}') == (
        again.attempt,
        again.call_at_unix_s,
        again.details,
    )
    assert not hooks.is_due(again, NOW + 4)
    assert hooks.is_due(again, NOW + 5)
    assert not hooks.is_due(done, NOW + 5)
    assert not hooks.is_due(WAITS, NOW + 5)
    assert hooks.key_of("d", again) != hooks.key_of("d", RUN)


def test_time_is_up_for_each_by_its_own_clock() -> None:
    run, waits = looked(RUN, WAITS, later_s=60.0)
    assert (H.IN_PROGRESS, H.TIMED_OUT) == (run.status, waits.status)
    late, _ = looked(RUN, WAITS, later_s=86_400.0)
    assert H.TIMED_OUT is late.status
    over = replace(RUN, status=H.SUCCEEDED)
    assert over == looked(over, WAITS, later_s=86_400.0)[0]


def status(run: HookRun, now: HookStatus, why: str = "") -> HookRun:
    return replace(run, status=now, why=why)


# fmt: off
VERDICTS = [
    ([], Verdict(passed=True), "nobody has to be asked"),
    ([status(RUN, H.SUCCEEDED), status(WAITS, H.SUCCEEDED)], Verdict(passed=True), "all agree"),
    ([status(RUN, H.SUCCEEDED), WAITS], Verdict(wake_at_unix_s=NOW + 60), "one waits"),
    ([replace(RUN, call_at_unix_s=NOW + 9)], Verdict(wake_at_unix_s=NOW + 9), "one is asked again"),
    ([status(RUN, H.FAILED, "no"), WAITS], Verdict(failed="lifecycle hook at POST_SCALE_UP: no"), "one refuses"),
    ([status(RUN, H.TIMED_OUT)], Verdict(failed="lifecycle hook at POST_SCALE_UP: no outcome within 1440 minutes"), "one never ends"),
    ([status(WAITS, H.TIMED_OUT)], Verdict(passed=True), "nobody came: CONTINUE"),
]
# fmt: on


@pytest.mark.parametrize("row", VERDICTS, ids=[row[-1] for row in VERDICTS])
def test_verdict(row: tuple[list[HookRun], Verdict, str]) -> None:
    runs, expected, _ = row
    assert expected == hooks.verdict(runs, WANTED, NOW)


def test_somebody_says_how_it_goes_on() -> None:
    on, back = TimeoutAction.CONTINUE, TimeoutAction.ROLLBACK
    assert hooks.continued((RUN,), on, "", "d") is None
    assert (RUN, status(WAITS, H.SUCCEEDED)) == hooks.continued(
        (RUN, WAITS), on, "", "d"
    )
    refused = status(WAITS, H.FAILED, "rolled back by request")
    hook_id = "d/POST_SCALE_UP/0/2"
    assert (refused,) == hooks.continued((WAITS,), back, hook_id, "d")
    assert hooks.continued((WAITS,), on, "another", "d") is None
