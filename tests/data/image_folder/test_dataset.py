"""A user's own images as a data set: options, and originals that are gone or have changed."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from image_folders import class_folders, image, shades, tables, write_images

from workbench.data.catalog import find_dataset
from workbench.data.dataset import Groups
from workbench.data.image_folder import dataset
from workbench.data.image_folder.choice import LayoutChoice
from workbench.data.image_folder.record import read_record
from workbench.data.image_folder.register import add_folder
from workbench.data.opening import open_dataset
from workbench.errors import DataError, UsageError
from workbench.tasks.protocols.within_group import WithinGroup
from workbench.tasks.splits import class_index

NESTED = [f"{path}/{i}.png" for path in ("jays/blue", "owls/barn", "owls/tawny") for i in range(2)]


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
    command = "run: mlw download birds:size=20 --from FOLDER"
    alternative = r"\(or use it as birds:size=20\)"
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
    with pytest.raises(DataError, match=r"run: mlw download birds --from '.*/my birds'$"):
        tables("birds:size=20")  # no other options help
    add_folder("birds", folder)
    assert shades(tables("birds")["test"], "class 00")[0] == 77


def test_the_date_of_an_image_does_not_matter(tmp_path):
    folder = class_folders(tmp_path / "birds", 3)
    add_folder("birds", folder)
    for path in folder.rglob("*.png"):
        os.utime(path, (0, 0))
    assert tables("birds")["test"].images.shape[0] == 9


# --- originals that changed after their images were prepared


def change_a_class(folder):
    shutil.rmtree(folder / "class 00")


def add_an_image(folder):
    shutil.copy(folder / "class 00" / "0.png", folder / "class 00" / "9.png")


def add_a_class(folder):
    shutil.copytree(folder / "class 00", folder / "class 99")


def replace_an_image(folder):
    (folder / "class 01" / "0.png").write_bytes(image(99))


def move_an_image(folder):
    (folder / "class 01" / "0.png").rename(folder / "class 02" / "9.png")


def add_a_table(folder):
    rows = [f"class 0{c}/{i}.png,{i % 2}" for c in range(3) for i in range(3)]
    (folder / "labels.csv").write_text("\n".join(["file,label", *rows]))


@pytest.mark.parametrize(
    "change",
    [change_a_class, add_an_image, add_a_class, replace_an_image, move_an_image, add_a_table],
)
def test_prepared_images_are_refused_after_the_originals_changed(tmp_path, change):
    folder = class_folders(tmp_path / "birds", 3)
    add_folder("birds:size=20", folder)
    assert len(tables("birds:size=20")["test"].images) == 9
    change(folder)
    command = f"run: mlw download birds:size=20 --from {folder}"
    with pytest.raises(DataError, match=f"has changed since it was registered; {command}$"):
        tables("birds:size=20")
    record = add_folder("birds:size=20", folder)
    assert len(tables("birds:size=20")["test"].images) == record.count


def test_new_dates_of_the_same_images_are_learnt(tmp_path):
    folder = class_folders(tmp_path / "birds", 3)
    first = add_folder("birds", folder)
    tables("birds")
    for path in folder.rglob("*.png"):
        os.utime(path, (0, 0))
    tables("birds")
    second = read_record("birds")
    assert second.state != first.state
    assert second == replace(first, state=second.state)


def test_an_unmounted_disk_is_no_change(tmp_path):
    folder = class_folders(tmp_path / "birds", 3)
    add_folder("birds", folder)
    before = tables("birds")["test"].fingerprint
    shutil.rmtree(folder)
    folder.mkdir()
    assert tables("birds")["test"].fingerprint == before


def test_an_archive_that_was_replaced(tmp_path):
    folder = class_folders(tmp_path / "birds", 3)
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", folder))
    add_folder("birds", packed)
    tables("birds")
    (folder / "class 00" / "0.png").unlink()
    shutil.make_archive(str(tmp_path / "packed"), "zip", folder)
    with pytest.raises(
        DataError, match=r"packed.zip has changed since it was registered; run: mlw"
    ):
        tables("birds")


def test_the_command_of_a_message_says_what_the_user_said(tmp_path):
    folder = class_folders(tmp_path / "birds", 3)
    add_folder("birds:channels=1", folder, LayoutChoice(level="1", group_from="a b"))
    add_an_image(folder)
    with pytest.raises(DataError) as caught:
        tables("birds:channels=1")
    assert str(caught.value).endswith(
        f"run: mlw download birds:channels=1 --from {folder} --level 1 --group-from 'a b'"
    )


def test_classes_have_the_groups_of_their_folders(tmp_path):
    add_folder("birds", write_images(tmp_path / "birds", *NESTED))
    (table,) = tables("birds").values()
    assert table.groups == Groups((("jays/blue",), ("owls/barn", "owls/tawny")), whole=False)
    add_folder("birds", tmp_path / "birds", LayoutChoice(group_from="none"))
    assert tables("birds")["test"].groups is None


def test_within_group_works_on_folders_in_folders(tmp_path):
    add_folder("birds:size=8", write_images(tmp_path / "birds", *NESTED))
    classes = class_index(open_dataset("birds:size=8"), "test")
    protocol = WithinGroup(ways=2, shots=1, queries=1)
    protocol.check(classes, "birds")
    (rows,) = protocol.draw(classes, 0, 0)
    assert set(rows.support.flatten().tolist()) <= {2, 3, 4, 5}  # the owls


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
