"""A cache for the whole session, and the fixtures that several folders of tests use."""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # a busy machine fails no test
settings.load_profile("untimed")


def pytest_configure(config):
    """Set a new cache: the user's is not touched, and the built-in data set is drawn once.

    This comes before any test module is imported. Commands run in a subprocess inherit it. One
    thread each: such small runs only wait for their threads, and other tests use the other cores.
    """
    os.environ["MLW_CACHE"] = tempfile.mkdtemp(prefix="mlw-tests-")
    os.environ["OMP_NUM_THREADS"] = "1"


def pytest_unconfigure(config):
    shutil.rmtree(os.environ["MLW_CACHE"], ignore_errors=True)


@pytest.fixture(autouse=True)
def environment():
    """Restore the variables that a test changes, also through the command that it runs."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def float64():
    """Compute in float64 during a test."""
    import torch

    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def frame():
    """Return results of three methods at two numbers of shots."""
    from frames import three_methods

    return three_methods()


@pytest.fixture
def curves(frame):
    """Return the learning curves of the runs in `frame`."""
    from frames import curves_of

    return curves_of(frame)
