"""The conformance test of data sets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from workbench.data.opening import OpenDataset
from workbench.testing import check_dataset, datasets, tiny_data


def test_a_data_set_that_keeps_the_contract():
    check_dataset("glyphs")


def float_images(table):
    return table._replace(images=table.images.astype(np.float32))


def wide_images(table):
    return table._replace(images=table.images[..., :-1])


def channels_last(table):
    images = np.zeros((len(table.images), 16, 16, 3), np.uint8)
    return table._replace(images=images)


def an_empty_class(table):
    starts = table.starts.copy()
    starts[1] = starts[0]
    return table._replace(starts=starts)


def a_class_of_one(table):
    starts = table.starts.copy()
    starts[1] = 1
    return table._replace(starts=starts)


def classes_of_training(table):
    return table._replace(names=tuple(f"train{number}" for number in range(8)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (float_images, "must be uint8, not float32"),
        (wide_images, "must have the same shape"),
        (channels_last, r"are \(16, 16, 3\): are the channels last"),
        (an_empty_class, "must have two images.*val0 in val has 0"),
        (a_class_of_one, "must have two images.*val0 in val has 1"),
        (classes_of_training, "no class of glyphs may be in two splits"),
    ],
)
def test_a_data_set_that_breaks_the_contract(change, words, monkeypatch):
    (dataset,) = tiny_data().members
    broken = {**dataset.tables, "val": change(dataset.tables["val"])}
    if change is channels_last:  # in all splits: images of one shape
        broken = {split: change(table) for split, table in dataset.tables.items()}
    opened: OpenDataset = replace(dataset, tables=broken)
    monkeypatch.setattr(datasets, "open_dataset", lambda spec: opened)
    with pytest.raises(AssertionError, match=words):
        check_dataset("glyphs")
