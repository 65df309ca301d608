"""Registering a folder: names, unreadable images, small classes, and splits."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_folders import class_folders, shades, tables, write_images
from places import SHARED, needs_published

from workbench.data.catalog import find_dataset
from workbench.data.image_folder.record import read_record
from workbench.data.image_folder.register import add_folder, check_name, split_classes
from workbench.errors import UnknownName, UsageError


def test_three_classes_with_umlauts_a_corrupt_file_and_other_files(tmp_path):
    folder = write_images(
        tmp_path / "birds",
        *(
            f"{name}/photo {i}.jpg"
            for name in ("Blaumeise", "Grünfink", "House sparrow")
            for i in range(6)
        ),
        "Rare/only.png",
    )
    (folder / "Grünfink" / "broken.jpg").write_bytes(b"\xff\xd8\xff no image")
    (folder / "Grünfink" / "notes.txt").write_text("seen in May")
    record = add_folder("birds", folder)
    assert record.images == {"test": {"Blaumeise": 6, "Grünfink": 6, "House sparrow": 6}}
    assert list(record.unreadable) == ["Grünfink/broken.jpg"]
    text = str(record)
    for part in (
        "birds: 3 classes, 18 images from",
        "(class folders)",
        "fewer than 15 classes, so all are test classes",
        "1 other file ignored",
        "1 class with fewer than 2 images left out: Rare (1)",
        "1 unreadable file skipped:\n  Grünfink/broken.jpg is not an image",
    ):
        assert part in text
    assert read_record("birds") == record
    (table,) = tables("birds").values()
    assert table.names == ("Blaumeise", "Grünfink", "House sparrow")
    assert table.images.shape == (18, 3, 84, 84)
    assert shades(table, "Grünfink") == [6, 7, 8, 9, 10, 11]


real = needs_published("EuroSAT_RGB-subset.zip")


@real
def test_a_real_archive_of_class_folders():
    record = add_folder("eurosat-of-mine", SHARED / "EuroSAT_RGB-subset.zip")
    assert record.images["test"]["Forest"] == 400
    assert (record.classes, record.count, record.unreadable) == (10, 4000, {})


# --- splits


@given(st.sets(st.text(min_size=1), min_size=15, max_size=80))
def test_the_split_is_a_function_of_the_names(labels):
    classes = {label: [label] for label in sorted(labels)}
    splits, _ = split_classes({"": classes})
    again, _ = split_classes({"": dict(reversed(classes.items()))})
    assert splits == again
    assert sorted(label for split in splits.values() for label in split) == sorted(labels)
    sizes = {split: len(found) for split, found in splits.items()}
    assert sizes["val"] == sizes["test"] == max(5, round(len(labels) / 5))
    order = [
        hashlib.sha256(label.encode()).hexdigest() for split in splits.values() for label in split
    ]
    assert max(order[: sizes["train"]]) < min(order[sizes["train"] :])


def test_forty_classes_are_split_60_20_20(tmp_path):
    record = add_folder("birds", class_folders(tmp_path / "birds", 40, images=2))
    assert {split: len(classes) for split, classes in record.images.items()} == {
        "train": 24,
        "val": 8,
        "test": 8,
    }
    assert list(record.images["test"])[:3] == [
        "class 03",
        "class 11",
        "class 16",
    ]  # golden: never another split


def test_one_more_image_moves_no_class(tmp_path):
    folder = class_folders(tmp_path / "birds", 40, images=2)
    before = add_folder("birds", folder).images
    write_images(folder, "class 03/more.png")
    after = add_folder("birds", folder).images
    assert {split: list(classes) for split, classes in after.items()} == {
        s: list(c) for s, c in before.items()
    }
    assert after["test"]["class 03"] == 3


# --- names


@pytest.mark.parametrize("name", ["my birds", "../birds", "a/b", "vögel", ".birds", ""])
def test_invalid_names(tmp_path, name):
    with pytest.raises(
        UsageError, match=r"cannot be a data set's name; use letters|has no name before"
    ):
        add_folder(name or ":size=3", class_folders(tmp_path / "birds", 3))


def test_the_name_of_a_plugin_s_data_set_is_refused(tmp_path):
    for name, words in (("protonet", "a method of mlw-metric"), ("conv4", "a backbone of")):
        with pytest.raises(UsageError, match=words):
            check_name(name)
    with pytest.raises(UsageError, match="'omniglot' is a data set of mlw-vision; choose another"):
        add_folder("omniglot", class_folders(tmp_path / "birds", 3))


def test_a_name_that_a_plugin_registers_later_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.data.image_folder.register.check_name", lambda name: None)
    add_folder("glyphs", class_folders(tmp_path / "birds", 3))
    with pytest.raises(
        UsageError,
        match="'glyphs' is both a folder of yours and mlw-vision/glyphs; use mlw-vision/g",
    ):
        find_dataset("glyphs")
    assert find_dataset("mlw-vision/glyphs").name == "mlw-vision/glyphs"


def test_an_unknown_name_suggests_the_user_s_own(tmp_path):
    add_folder("my-birds", class_folders(tmp_path / "birds", 3))
    with pytest.raises(UnknownName, match=r"no data set 'my-bird'. Did you mean my-birds\?"):
        find_dataset("my-bird")


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(
        UsageError, match=r"nowhere does not exist. --from takes a folder or an archive of your own"
    ):
        add_folder("birds", tmp_path / "nowhere")
