"""A cache of its own for every test."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def cache_for_all(cache):
    return cache
