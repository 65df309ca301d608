"""Labelled images by split and class."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from image_folders import write_images

from workbench.data.image_folder.labels import LabelledImage, all_images, by_class
from workbench.data.image_folder.register import add_folder
from workbench.errors import DataError


def test_names_in_two_codings_are_one_name(tmp_path):
    apart = unicodedata.normalize("NFD", "Grünfink")
    record = add_folder(
        "birds",
        write_images(
            tmp_path / "birds", f"{apart}/1.png", f"{apart}/2.png", "Meise/1.png", "Meise/2.png"
        ),
    )
    assert list(record.images["test"]) == ["Grünfink", "Meise"]
    write_images(tmp_path / "birds", "Grünfink/3.png")
    if len(list((tmp_path / "birds").iterdir())) == 3:  # some systems take the two for one
        with pytest.raises(
            DataError, match=r"two folders 'Grünfink', coded differently; rename one"
        ):
            add_folder("birds", tmp_path / "birds")


def test_images_are_sorted_by_split_class_and_name():
    images = [
        LabelledImage("test", "b", "2.png"),
        LabelledImage("test", "a", "3.png"),
        LabelledImage("test", "b", "1.png"),
        LabelledImage("train", "c", "4.png"),
    ]
    splits = by_class(images, Path("birds"))
    assert splits == {"test": {"a": ["3.png"], "b": ["1.png", "2.png"]}, "train": {"c": ["4.png"]}}
    assert list(splits["test"]) == ["a", "b"]
    assert all_images(splits) == ["3.png", "1.png", "2.png", "4.png"]
