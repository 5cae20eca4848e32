"""A request fails unless its answer is 200, its own, in time and seen once."""

import pytest

from controlplane.load import outcome
from controlplane.load.outcome import Sample, Tally, classify

# fmt: off
ANSWERS = [
    (200, b"r-1", b"r-1", None,         "its own id and 200 is a success"),
    (200, b"r-2", b"r-1", "wrong id",   "somebody else's answer is a failure"),
    (200, None,   b"r-1", "wrong id",   "an answer without an id could be anyone's"),
    (200, None,   None,   None,         "a service that does not echo is believed"),
    (204, b"r-1", b"r-1", "status 204", "any other status is a failure, 2xx too"),
    (503, b"r-2", b"r-1", "status 503", "the status is told before the id"),
]
# fmt: on


@pytest.mark.parametrize(
    ("status", "echoed", "own", "expected"),
    [row[:-1] for row in ANSWERS],
    ids=[row[-1] for row in ANSWERS],
)
def test_answers(
    status: int, echoed: bytes | None, own: bytes | None, expected: str | None
) -> None:
    assert expected == classify(status, echoed, own)


def tally(requests: int) -> Tally:
    made = Tally("run")
    for _ in range(requests):
        made.begin(0.0)
    return made


def test_an_id_that_targets_saw_twice_turns_a_success_into_a_failure() -> None:
    counts = tally(2)
    counts.succeed(1, 0.1)
    counts.witness(b"run-1", 1.0)
    assert (1, 0, 1) == (counts.ok, counts.failed, counts.in_flight)

    counts.witness(b"run-1", 2.5)
    assert (0, 1, 1) == (counts.ok, counts.failed, counts.in_flight)
    assert [Sample("run-1", 2.5)] == counts.failures[outcome.SEEN_TWICE].samples


def test_an_id_seen_twice_before_its_answer_fails_once() -> None:
    counts = tally(1)
    for _ in range(200):
        counts.witness(b"run-0", 0.5)
    counts.succeed(0, 0.1)
    assert (0, 1, 0) == (counts.ok, counts.failed, counts.in_flight)
    assert 1 == counts.witnessed


def test_a_request_fails_under_what_was_learned_first() -> None:
    counts = tally(1)
    counts.fail(0, 0.0, outcome.TIMED_OUT)
    counts.fail(0, 0.0, outcome.RESET)
    assert [outcome.TIMED_OUT] == list(counts.failures)


@pytest.mark.parametrize(
    "stray",
    [b"other-0", b"run-" + b"9" * 5000, b"run-7", b"run-x", b"", b"run-", b"\xff"],
)
def test_ids_of_nobody_are_counted_apart(stray: bytes) -> None:
    counts = tally(1)
    counts.witness(stray, 0.0)
    assert (1, 0, 0) == (counts.foreign, counts.witnessed, counts.failed)


def test_each_class_of_failure_keeps_its_first_ten_ids() -> None:
    counts = tally(100)
    for number in range(100):
        counts.fail(number, number / 10, outcome.RESET)
    kind = counts.failures[outcome.RESET]
    assert 100 == kind.count
    assert [f"run-{n}" for n in range(10)] == [sample.id for sample in kind.samples]


def test_seconds_count_what_began_and_ended_in_them() -> None:
    counts = tally(3)
    counts.succeed(0, 0.010)
    counts.fail(1, 0.0, outcome.RESET)
    first = counts.end_second()
    counts.succeed(2, 0.020)
    second = counts.end_second()

    assert (0, 3, 1, 1, 1) == (
        first.at_s, first.sent, first.ok, first.failed, first.in_flight,
    )  # fmt: skip
    assert (1, 0, 1, 0, 0) == (
        second.at_s, second.sent, second.ok, second.failed, second.in_flight,
    )  # fmt: skip
    assert pytest.approx(20, rel=0.01) == second.p95_ms
