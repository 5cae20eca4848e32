"""What the demo sends, and the arithmetic that makes tasks go 1 -> 3 -> 1.

Pure. `tests/controlplane/demo/test_scenario.py` plays it against simulated
tasks and alarms, for fast and slow machines; `configs/demo.yaml` has the alarms.

    a task   50 requests/s, 0.25 core: all of its `cpu: 256`
    "/"      5 of 6 requests: 10/s, in 12 s up to 85/s, 20 s there, back to 10/s
    "/api/"  1 of 6 requests: at most 17/s, 34 % of a task, which stays alone
    peak     102 requests/s, 0.51 core over all tasks

At 85/s two tasks are 85 % busy and three are 57 %; the threshold is 65 %: the
third is needed and is enough. The ramp adds 6/s each second: a task that serves
4 s after the load passed 50/s has met a queue of about a second, which nobody
waits 5 s for. At 10/s one task is 20 % busy, under the 30 % of scale-in. The
last segment ends early: as soon as one task is left.
"""

from __future__ import annotations

from typing import Final

SHAPE: Final = "12x4s,12-102x12s,102x20s,102-12x3s,12x45s"
QUIET_FROM_S: Final = 39
"""From then on the load is low, until all is as it was at the start."""
TARGETS: Final = ("/", "/", "/api/items", "/", "/", "/")
"""Take turns; five of six are the first service's."""

PERIOD_S: Final = 5
OUT_THRESHOLD: Final = 65.0
OUT_PERIODS: Final = 1
OUT_COOLDOWN_S: Final = 2
"""From when the tasks run; with their start less than a period, so that an alarm,
which acts each period, is not in vain the second time."""
IN_THRESHOLD: Final = 30.0
IN_PERIODS: Final = 2
IN_COOLDOWN_S: Final = 4
TASKS_MAX: Final = 4

SECONDS_MAX: Final = 120
TASKS_WANTED: Final = 3
