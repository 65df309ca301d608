"""One cache for the whole session, so that the built-in data set is drawn once, and no user's cache is touched."""

import os

import pytest


def pytest_configure(config):
    # before any test module is imported; commands run in a subprocess inherit it
    import tempfile

    os.environ["MLW_CACHE"] = tempfile.mkdtemp(prefix="mlw-tests-")


def pytest_unconfigure(config):
    import shutil

    shutil.rmtree(os.environ["MLW_CACHE"], ignore_errors=True)


@pytest.fixture
def float64():
    import torch

    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def frame():
    """Results of three methods by two shots."""
    from frames import three_methods

    return three_methods()


@pytest.fixture
def curves(frame):
    """Learning curves of their runs."""
    from frames import curves_of

    return curves_of(frame)
