"""Data sets are opened once, with all that is known of them."""

from __future__ import annotations

import numpy as np
import pytest
from image_folders import class_folders, write_noise

from workbench.data import opening
from workbench.data.image_folder.register import add_folder
from workbench.data.opening import OpenDataset, open_dataset, open_datasets
from workbench.data.tables import Table
from workbench.errors import DataError, UnknownName


def test_the_built_in_data_set_is_the_same_under_both_specs():
    first, again = open_dataset("glyphs"), open_dataset("glyphs:seed=0")
    assert first.label == again.label == "glyphs"
    assert first.fingerprint == again.fingerprint
    assert np.array_equal(first.tables["test"].images[:5], again.tables["test"].images[:5])
    assert first.image_shape == (1, 28, 28)
    assert first.part == ""
    assert first.overlaps == {}


def test_two_specs_of_one_data_set_are_one_object():
    texts = ["glyphs", "glyphs:seed=0", "glyphs:seed=1", "glyphs", "glyphs:size=28,seed=1"]
    one, two, three, four, five = open_datasets(texts)
    assert one is two is four
    assert three is five
    assert (one.label, three.label) == ("glyphs", "glyphs:seed=1")
    assert one.fingerprint != three.fingerprint


def test_a_data_set_is_opened_once(monkeypatch):
    opened = []
    prepare = opening.prepare

    def count(name, dataset, *given, **options):
        opened.append((name, dataset.seed))
        return prepare(name, dataset, *given, **options)

    monkeypatch.setattr(opening, "prepare", count)
    open_datasets(["glyphs", "glyphs:seed=0", "glyphs:seed=1", "glyphs"])
    assert opened == [("glyphs", 0), ("glyphs", 1)]


def test_an_open_data_set_is_equal_only_to_itself():
    one, other = open_dataset("glyphs"), open_dataset("glyphs")
    assert one != other
    assert len({one, other, one}) == 2


def test_preparing_is_reported_and_done_once(cache, tmp_path):
    add_folder("birds", class_folders(tmp_path / "birds", 16))
    reported = []
    first = open_dataset("birds:size=8", report=reported.append)
    assert reported
    assert {progress.unit for progress in reported} == {"images"}
    assert reported[-1].done > 0
    again = open_dataset("birds:size=8", report=pytest.fail)
    assert again.fingerprint == first.fingerprint


def test_what_is_not_downloaded_says_what_to_run(cache):
    with pytest.raises(DataError, match="run: mlw download omniglot"):
        open_dataset("omniglot")
    assert not (cache / "prepared").exists()


def test_all_names_are_known_before_data_are_opened_or_none_is(cache):
    with pytest.raises(UnknownName, match="no data set 'nothing'"):
        open_datasets(["nothing", "omniglot"])


# --- a split that there is not


def opened(*splits, **given):
    rows = np.zeros((2, 3, 5, 4), np.uint8)
    table = Table(rows, ("a",), np.array([0, 2]), "content")
    return OpenDataset("land:size=5", "land", dict.fromkeys(splits, table), **given)


def test_a_split_is_a_table():
    dataset = opened("train", "test")
    assert dataset.table("test") is dataset.tables["test"]
    assert dataset.fingerprint == "content"
    assert dataset.image_shape == (3, 5, 4)


@pytest.mark.parametrize(
    ("splits", "split", "given", "message"),
    [
        (("test",), "val", {}, "land:size=5 has no val classes; its splits: test"),
        (
            ("test",),
            "train",
            {},
            "land:size=5 has no train classes; its splits: test",
        ),
        (
            ("test",),
            "train",
            {"label_of_whole": "land:size=5,split=train"},
            "land:size=5 has no train classes; its splits: test; to train on all its classes: "
            "land:size=5,split=train",
        ),
        (
            ("train",),
            "test",
            {},
            "land:size=5 has no test classes; its splits: train; all its classes are training "
            "classes, so test on another data set",
        ),
        (("train", "val"), "test", {}, "land:size=5 has no test classes; its splits: train, val"),
    ],
)
def test_a_split_that_there_is_not_says_what_to_do(splits, split, given, message):
    with pytest.raises(DataError) as caught:
        opened(*splits, **given).table(split)
    assert str(caught.value) == message


# --- damage


def test_damaged_images_are_refused_with_the_command_that_mends_them(cache, tmp_path):
    write_noise(tmp_path / "mine", 3, 4, size=40)
    add_folder("mine", tmp_path / "mine")
    whole = open_dataset("mine").table("test").images.copy()
    (folder,) = (cache / "prepared").glob("mine-*")
    content = bytearray((folder / "test.npy").read_bytes())
    content[20_000:24_000] = bytes(4000)
    (folder / "test.npy").write_bytes(content)
    with pytest.raises(
        DataError,
        match=r"test images of mine are damaged: .* To prepare them again, run: mlw download mine$",
    ):
        open_dataset("mine").table("test")
    mended = open_dataset("mine", check=True).table("test").images  # as mlw download does
    assert (mended == whole).all()
