"""What is registered for one test."""

from __future__ import annotations

from functools import partial

import pytest
import registered


@pytest.fixture
def register(monkeypatch):
    """Return a function that registers a class for one test."""
    return partial(registered.register, monkeypatch)
