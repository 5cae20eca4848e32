"""Hostile phases are told beside quiet ones, and crowds do what their names say."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from bench.crowds import KINDS
from bench.hostile import Round, parse, ratio
from bench.load import Phase
from tests.support.node import Origin

ROOT = Path(__file__).parents[2]


def one(quiet_ms: float, hostile_ms: float) -> Round:
    quiet, hostile = Phase(9, 1.0, quiet_ms, 0.1), Phase(9, 1.0, hostile_ms, 0.1)
    return Round(quiet, hostile, *(0,) * 7, {}, 0.0)


def test_the_ratio_is_of_medians() -> None:
    assert ratio([one(2, 9), one(1, 3), one(50, 4)]) == 2.0


def test_every_kind_unless_told_otherwise() -> None:
    told = parse([])
    assert [*KINDS] == told.kinds.split(",")
    assert (3, 8, 1.0, False) == (told.rounds, told.seconds, told.scale, told.pure)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_crowd_comes_stays_and_leaves(kind: str) -> None:
    origin = await Origin().start()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "bench.crowds", kind, str(origin.port)),
        *("--scale", "0.02"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert b"here\n" == await process.stdout.readline()
        process.stdin.close()
        assert await process.wait() == 0
    origin.drop()
