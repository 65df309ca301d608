"""Names of class folders that seem to say something else, or look as if they did."""

from __future__ import annotations

import pytest
from image_folders import write_images

from workbench.data.image_folder.choice import LayoutChoice
from workbench.data.image_folder.register import add_folder
from workbench.errors import DataError


def made(place, *folders, **given):
    images = [f"{folder}/{number}.png" for folder in folders for number in range(2)]
    return add_folder("own", write_images(place / "own", *images), LayoutChoice(**given))


@pytest.mark.parametrize(
    "names",
    [
        ("owl", "owl_aug", "elk"),
        ("owl", "owl_flipped_2", "elk"),
        ("owl_64", "owl_224", "elk_64", "elk_224"),
        ("owl 64x64", "owl 96x96", "elk 64x64", "elk 96x96"),
    ],
)
def test_classes_made_from_one_another_are_asked_about(tmp_path, names):
    with pytest.raises(DataError, match=r"may hold images made from one another: .* --level 1$"):
        made(tmp_path, *names)
    assert made(tmp_path, *names, level="1").classes == len(names)


@pytest.mark.parametrize(
    "names",
    [
        ("owl_aug", "elk_aug"),  # nothing is there that they were made from
        ("boeing_737", "boeing_747", "airbus_320", "airbus_330"),
        ("audi_2011", "audi_2012", "bmw_2011", "bmw_2012"),
        ("class_01", "class_02", "class_11"),
        ("owl_64", "elk_64"),
    ],
)
def test_classes_whose_names_look_alike_are_classes(tmp_path, names):
    assert made(tmp_path, *names).classes == len(names)


@pytest.mark.parametrize("folder", ["misc", "rejected", "BACKGROUND_Google", "others"])
def test_a_class_that_may_be_none_is_told(tmp_path, folder):
    record = made(tmp_path, "owl", "elk", folder)
    assert record.classes == 3
    assert f"taken as a class: {folder}; what is none" in str(record)
