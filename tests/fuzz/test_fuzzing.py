"""The helper of the fuzzers: damage is repeatable, and the environment says how much of it."""

from __future__ import annotations

import pytest
from fuzzing import mutate, seeds

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
