"""What grew, and what went back, is found; what only swings is not."""

from __future__ import annotations

import pytest

from bench.load import Disturbed
from bench.processes import Held
from bench.soak import Sample, check_flat, middle, shrunk, tenths

MIB = 1 << 20


def samples(*memory_mib: float, files: int = 30, more_files: int = 0) -> list[Sample]:
    """A hundred samples; memory goes from one value to the next evenly."""
    found = []
    for number in range(100):
        share = number / 99 * (len(memory_mib) - 1)
        low = min(int(share), len(memory_mib) - 2)
        memory = memory_mib[low] + (memory_mib[low + 1] - memory_mib[low]) * (
            share - low
        )
        held = Held(int(memory * MIB), files + more_files * number // 99)
        found.append(Sample(number * 1.5, held, held))
    return found


def test_the_first_tenth_is_behind_warming_up_and_the_last_is_the_end() -> None:
    before, after = tenths(samples(40, 40))
    assert [15.0, 28.5] == [before[0].at_s, before[-1].at_s]
    assert [135.0, 148.5] == [after[0].at_s, after[-1].at_s]


def test_medians_are_of_the_worker_and_of_the_node() -> None:
    assert middle(samples(40, 40)) == {
        "worker_memory": 40 * MIB,
        "worker_files": 30,
        "node_memory": 40 * MIB,
        "node_files": 30,
    }


# fmt: off
FLAT = [
    (samples(40, 40),                 "nothing moved"),
    (samples(20, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40),
                                      "what came while warming up is no growth"),
    (samples(40, 60, 40),             "what came and went is none"),
    (samples(40, 41),                 "nor is a fortieth"),
    (samples(40, 30),                 "nor is less"),
]
GROWN = [
    (samples(40, 44),                 "worker_memory", "memory that grows by a tenth"),
    (samples(40, 40, more_files=20),  "worker_files",  "twenty files more"),
]
# fmt: on


@pytest.mark.parametrize("held", [row[0] for row in FLAT], ids=[r[1] for r in FLAT])
def test_it_is_flat(held: list[Sample]) -> None:
    check_flat(held)


@pytest.mark.parametrize(
    ("held", "name"), [row[:-1] for row in GROWN], ids=[row[-1] for row in GROWN]
)
def test_it_has_grown(held: list[Sample], name: str) -> None:
    with pytest.raises(Disturbed, match=f"^grown: {name} from "):
        check_flat(held)


def test_counters_that_went_back_or_away_are_told() -> None:
    before = {"a": 1, "b": 5, "c": 7}
    assert shrunk(before, {"a": 1, "b": 6, "c": 8, "d": 0}) == []
    assert shrunk(before, {"a": 2, "b": 4}) == ["b from 5 to 4", "c from 7 to None"]
