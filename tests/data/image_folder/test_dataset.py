"""A user's own images as a data set: options, and originals that are gone or have changed."""

from __future__ import annotations

import os
import shutil

import pytest
from image_folders import class_folders, image, shades, tables

from workbench.data.catalog import find_dataset
from workbench.data.image_folder import dataset
from workbench.data.image_folder.register import add_folder
from workbench.data.opening import open_dataset
from workbench.errors import DataError, UsageError


def test_options_are_those_of_any_data_set(tmp_path):
    add_folder("birds", class_folders(tmp_path / "birds", 3))
    assert tables("birds:size=20,channels=1")["test"].images.shape == (9, 1, 20, 20)
    with pytest.raises(UsageError, match=r"birds has no option 'sise'. Did you mean size\?"):
        find_dataset("birds:sise=3")
    with pytest.raises(UsageError, match=r"Invalid value birds:size=0: must be at least 1"):
        find_dataset("birds:size=0")
    with pytest.raises(UsageError, match="channels"):
        add_folder("birds:channels=2", tmp_path / "birds")


def test_a_folder_is_no_part_of_anything(tmp_path):
    add_folder("birds", class_folders(tmp_path / "birds", 3))
    assert open_dataset("birds").part == ""


# --- originals


def test_originals_are_not_copied_and_prepared_images_outlive_them(tmp_path, cache):
    folder = class_folders(tmp_path / "birds", 3)
    add_folder("birds:size=20", folder)
    before = tables("birds:size=20")["test"].fingerprint
    assert not list(cache.rglob("*.png"))
    shutil.rmtree(folder)
    assert tables("birds:size=20")["test"].fingerprint == before
    command = "run: mlw download birds --from FOLDER"
    alternative = r"\(or use it as birds:size=20,channels=3\)"
    with pytest.raises(DataError, match=f"birds is gone; {command} {alternative}"):
        tables("birds")


def test_changed_originals_must_be_registered_again(tmp_path):
    folder = class_folders(tmp_path / "my birds", 3)
    add_folder("birds", folder)
    (folder / "class 00" / "0.png").write_bytes(image(77))
    with pytest.raises(
        DataError,
        match=r"has changed since it was registered; run: mlw download birds --from '.*/my birds'$",
    ):
        tables("birds")
    add_folder("birds", folder)
    assert shades(tables("birds")["test"], "class 00")[0] == 77


def test_the_date_of_an_image_does_not_matter(tmp_path):
    folder = class_folders(tmp_path / "birds", 3)
    add_folder("birds", folder)
    for path in folder.rglob("*.png"):
        os.utime(path, (0, 0))
    assert tables("birds")["test"].images.shape[0] == 9


def test_an_image_that_changes_while_it_is_read(tmp_path, monkeypatch):
    folder = class_folders(tmp_path / "birds", 3)
    add_folder("birds", folder)
    from workbench.data.image_folder import dataset as folders

    content_of = dataset.content_of

    def then_change(archive, classes):
        content = content_of(archive, classes)
        (folder / "class 02" / "0.png").write_bytes(image(77))
        return content

    monkeypatch.setattr(folders, "content_of", then_change)
    with pytest.raises(DataError, match=r"class 02/0.png changed while it was read"):
        tables("birds")
