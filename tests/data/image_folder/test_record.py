"""What is stored about a user's own images, and what a user reads of it."""

from __future__ import annotations

import pytest
from image_folders import class_folders

from workbench.data.catalog import find_dataset
from workbench.data.image_folder.record import (
    FolderRecord,
    counted,
    folder_names,
    listing,
    read_record,
    record_path,
)
from workbench.data.image_folder.register import add_folder
from workbench.errors import DataError


def test_a_damaged_record(tmp_path):
    add_folder("birds", class_folders(tmp_path / "birds", 3))
    record_path("birds").write_text("name = 3")
    with pytest.raises(
        DataError, match=r"birds.toml cannot be read: .*; run: mlw download birds --from FOLDER"
    ):
        find_dataset("birds")


def test_records_are_listed_and_read(tmp_path):
    record = add_folder("birds", class_folders(tmp_path / "birds", 3))
    add_folder("ants", class_folders(tmp_path / "ants", 3))
    assert folder_names() == ("ants", "birds")
    assert read_record("birds") == record
    assert (record.classes, record.count) == (3, 9)


def test_a_record_in_words():
    record = FolderRecord(
        name="birds",
        origin="/birds.zip",
        how="class folders",
        content={},
        split="as given: 1 test classes",
        options={},
        images={"test": {"owl": 1000}},
        unreadable={"a.png": "is damaged"},
        notes=["1 other file ignored"],
    )
    assert str(record).splitlines() == [
        "birds: 1 class, 1,000 images from /birds.zip (class folders)",
        "split: as given: 1 test classes",
        "1 other file ignored",
        "1 unreadable file skipped:",
        "  a.png is damaged",
    ]


def test_numbers_and_lists_in_words():
    assert [counted(1, "image"), counted(2000, "image")] == ["1 image", "2,000 images"]
    assert [counted(n, "class", "classes") for n in (1, 0)] == ["1 class", "0 classes"]
    assert listing(["a", "b"]) == "a, b"
    assert listing(["a", "b", "c"], most=2) == "a, b and 1 more"
