"""Bounds of every fuzzer: damage costs neither much time nor much memory."""

from __future__ import annotations

import pytest
from fuzzing import SECONDS, little_memory


def pytest_collection_modifyitems(items):
    """Give each case of a fuzzer a limit of time, unless it has its own."""
    for item in items:
        if item.get_closest_marker("fuzz") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(autouse=True)
def bounded():
    """Fail a case that takes much memory."""
    with little_memory():
        yield
