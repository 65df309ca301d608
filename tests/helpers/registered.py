"""Classes that a test registers as a plugin would, and data sets that are open already."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from workbench.data.opening import OpenDataset
from workbench.errors import DataError
from workbench.plugin.registry import Plugin, Registration, registry


def register(patch: pytest.MonkeyPatch, kind: str, name: str, target: str | type) -> None:
    """Register a class, or "package.module:Class", until the test ends.

    Args:
        kind: "algorithms", "backbones" or "datasets".
    """
    entry = Registration(kind, name, target, "tests", "tests", "tests")
    plugin = Plugin("tests", "tests", "1.0", "tests", [entry])
    patch.setattr(registry(), "plugins", [*registry().plugins, plugin])


def open_already(patch: pytest.MonkeyPatch, datasets: Iterable[OpenDataset]) -> None:
    """Let training data be opened by label from these data sets only, until the test ends."""
    by_label = {dataset.label: dataset for dataset in datasets}

    def open_datasets(labels: Iterable[str]) -> list[OpenDataset]:
        return [by_label[label] for label in labels]

    def open_dataset(label: str) -> OpenDataset:
        if label not in by_label:
            raise DataError(f"{label} is gone")
        return by_label[label]

    patch.setattr("workbench.tasks.leaks.open_dataset", open_dataset)
    patch.setattr("workbench.tasks.splits.open_datasets", open_datasets)
