"""The client: documents, refusals, streams, and answers that break off."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.client import (
    Control,
    Event,
    Refused,
    TcpAddress,
    UnixAddress,
    Unreachable,
    address_of,
    path_of,
)
from tests.support.fake_control import FakeControl, Reply


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeControl]:
    with FakeControl().on(tmp_path / "control.sock") as control:
        yield control


@pytest.fixture
def control(fake: FakeControl, tmp_path: Path) -> Control:
    del fake
    return Control(UnixAddress(tmp_path / "control.sock"))


def test_a_document_comes_back_as_it_was_sent(
    fake: FakeControl, control: Control
) -> None:
    fake.replies["POST /v1/apply"] = Reply({"plan": [], "ü": "é"})

    answer = control.post("/v1/apply", {"file": "f", "text": "t"})

    assert answer == {"plan": [], "ü": "é"}
    assert fake.asked[0].body == {"file": "f", "text": "t"}
    assert fake.asked[0].headers["content-type"] == "application/json"


def test_a_refusal_carries_code_message_and_problems(
    fake: FakeControl, control: Control
) -> None:
    problem = {"text": "f:1:2: cluster: missing"}
    error = {"code": "ValidationError", "message": "bad", "problems": [problem]}
    fake.replies["GET /v1/state"] = Reply({"error": error}, 422)

    with pytest.raises(Refused, match="bad") as refused:
        control.get("/v1/state")

    assert refused.value.code == "ValidationError"
    assert refused.value.problems == ("f:1:2: cluster: missing",)


def test_an_error_that_is_no_json_is_told_as_it_is(
    fake: FakeControl, control: Control
) -> None:
    fake.replies["GET /v1/state"] = Reply("overloaded\n", 503)

    with pytest.raises(Refused, match="overloaded") as refused:
        control.get("/v1/state")

    assert refused.value.status == 503


def test_nobody_there_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="No such file"):
        Control(UnixAddress(tmp_path / "none.sock")).get("/v1/state")


@pytest.mark.parametrize("body", ["{}", ["{", "}"]], ids=["counted", "chunked"])
def test_an_answer_that_breaks_off_is_not_taken_for_whole(
    fake: FakeControl, control: Control, body: object
) -> None:
    fake.replies["GET /v1/state"] = Reply(body, cut=True)

    with pytest.raises(Unreachable, match="ended early"):
        control.get("/v1/state")


def test_events_are_followed_across_any_cut_of_chunks(
    fake: FakeControl, control: Control
) -> None:
    first = '{"id": 7, "time": 1.5, "source": "service", "subject": "web", '
    rest = '"message": "has reached a steady state."}'
    fake.replies["GET /v1/events"] = Reply(["id: 7\nda", f"ta: {first}", f"{rest}\n\n"])

    events = list(control.follow_events(since=3))

    assert events == [Event(7, 1.5, "service", "web", "has reached a steady state.")]
    assert fake.asked[0].path == "/v1/events?since=3&follow=1"
    assert fake.asked[0].headers["accept"] == "text/event-stream"


def test_known_events_are_listed(fake: FakeControl, control: Control) -> None:
    event = {"id": 1, "time": 2, "source": "s", "subject": "t", "message": "m"}
    fake.replies["GET /v1/events"] = Reply({"events": [event]})

    assert list(control.events()) == [Event(1, 2.0, "s", "t", "m")]


def test_lines_are_whole_whatever_the_chunks(
    fake: FakeControl, control: Control
) -> None:
    fake.replies["GET /v1/services/web/logs"] = Reply(["one\ntw", "o\r\nthree"])

    path = path_of("v1", "services", "web", "logs", follow=1)

    assert list(control.lines(path)) == ["one", "two", "three"]


def test_a_stream_that_is_refused_says_so(fake: FakeControl, control: Control) -> None:
    del fake
    with pytest.raises(Refused, match="Not Found"):
        list(control.lines("/v1/nothing"))


def test_over_tcp_the_token_and_the_very_host_are_sent() -> None:
    fake = FakeControl()
    fake.replies["GET /v1/state"] = Reply({})
    with fake.on_loopback() as port:
        Control(TcpAddress("127.0.0.1", port), "secret").get("/v1/state")

    headers = fake.asked[0].headers
    assert headers["host"] == f"127.0.0.1:{port}"
    assert headers["authorization"] == "Bearer secret"
    assert "secret" not in repr(Control(TcpAddress("h", 1), "secret"))


# fmt: off
ADDRESSES = [
    ("http://127.0.0.1:4566", "http://127.0.0.1:4566"),
    ("http://[::1]:4566",     "http://[::1]:4566"),
    ("http://localhost",      "http://localhost:80"),
    ("unix:/run/c.sock",      "/run/c.sock"),
    ("c.sock",                "c.sock"),
]
# fmt: on


@pytest.mark.parametrize(("text", "expected"), ADDRESSES)
def test_addresses(text: str, expected: str) -> None:
    assert expected == str(address_of(text))


def test_an_address_is_no_more_than_that() -> None:
    with pytest.raises(ValueError, match="not http://HOST:PORT"):
        address_of("http://host/path")


def test_names_cannot_leave_their_segment() -> None:
    assert path_of("v1", "a/b ?") == "/v1/a%2Fb%20%3F"
    assert path_of("v1", header=["a: b", "c"]) == "/v1?header=a%3A+b&header=c"
