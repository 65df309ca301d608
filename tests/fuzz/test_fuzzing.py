"""The helper of the fuzzers: damage is repeatable, and the environment says how much of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import fuzzing
import pytest
from fuzzing import SECONDS, mutate, seeds

CONTENT = bytes(range(256)) * 4


def test_a_seed_always_gives_the_same_damage():
    damaged = [mutate(CONTENT, seed) for seed in range(50)]
    assert damaged == [mutate(CONTENT, seed) for seed in range(50)]
    assert len(set(damaged)) > 40


@pytest.mark.parametrize("content", [b"", b"x"])
def test_nothing_is_too_short_to_damage(content):
    for seed in range(50):
        assert isinstance(mutate(content, seed), bytes)


@pytest.mark.parametrize(("wanted", "number"), [("", 12), ("full", 400), ("50", 50), ("1000", 400)])
def test_the_environment_says_how_many(wanted, number, monkeypatch):
    monkeypatch.setenv("MLW_FUZZ", wanted)
    assert seeds(few=12, full=400) == range(number)


# Run by a process of its own: where the peak cannot be set back, an earlier test may have had more.
MUCH_FOR_A_MOMENT = """
import numpy as np
from fuzzing import little_memory
with little_memory():
    np.ones(2**20)
with little_memory(2**20):
    np.ones(2**27, np.uint8)  # so large that it never comes from memory that is there
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the most memory")
def test_much_memory_is_noticed_also_after_it_is_free_again():
    command = [sys.executable, "-c", MUCH_FOR_A_MOMENT]
    helpers = {**os.environ, "PYTHONPATH": str(Path(fuzzing.__file__).parent)}
    done = subprocess.run(command, capture_output=True, text=True, env=helpers)
    assert done.returncode != 0
    assert "bytes of memory, which is more than 1,048,576" in done.stderr


@pytest.mark.fuzz
def test_a_case_has_a_limit_of_time(request):
    assert request.node.get_closest_marker("timeout").args == (SECONDS,)
