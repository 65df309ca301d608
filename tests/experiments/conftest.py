"""Tiny data sets, one or two, that runs are trained on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from image_folders import write_noise
from registered import open_already, register
from taught import Taught

from workbench.data.image_folder.register import add_folder
from workbench.data.opening import OpenDataset
from workbench.tasks.splits import TrainingData
from workbench.testing import tiny_data


@pytest.fixture
def data(monkeypatch):
    """One tiny data set."""
    tiny = tiny_data()
    open_already(monkeypatch, tiny.members)
    return tiny


@pytest.fixture
def two(monkeypatch):
    """Two tiny data sets that can be told apart; and the algorithm `taught`."""
    one = OpenDataset("one", "one", tiny_data().members[0].tables)
    other = OpenDataset("other", "other", tiny_data(classes=6).members[0].tables)
    open_already(monkeypatch, [one, other])
    register(monkeypatch, "algorithms", "taught", Taught)
    return TrainingData((one, other))


@pytest.fixture
def own_data(tmp_path, monkeypatch):
    """Return a function that makes a data set of a user's own images, with an empty cache.

    Fewer than 15 classes are all for test.
    """
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "cache"))

    def make(name: str, classes: int, images: int = 8) -> str:
        folder = Path(os.environ["MLW_CACHE"]) / "own images" / name
        add_folder(f"{name}:size=16", write_noise(folder, classes, images))
        return name

    return make
