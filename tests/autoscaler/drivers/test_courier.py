"""Actions of alarms are run, and whatever comes of it is an answer."""

import pytest

from autoscaler.actions import Notice, Webhook
from autoscaler.drivers.courier import Courier


@pytest.mark.parametrize(
    "host", ["example..test", f"{64 * 'a'}.test", "[::1"], ids=["dots", "long", "open"]
)
async def test_a_host_that_is_none_is_an_answer(host: str) -> None:
    action = Webhook(f"http://{host}/alarms")
    notice = Notice("key", "cpu-high", "ALARM", "because", action, "{}", 0.0)

    ran = await Courier().run(notice)

    assert ran.error.startswith("the URL cannot be read")
    assert not ran.again
