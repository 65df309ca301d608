"""Copies of images in a user's own folder are left out or kept, and always said."""

from __future__ import annotations

import io
import shutil

import numpy as np
import pytest
from image_folders import class_folders, tables, write_noise
from PIL import Image

from workbench.data.image_folder.record import read_record
from workbench.data.image_folder.register import add_folder
from workbench.errors import DataError


@pytest.fixture
def folder(tmp_path):
    """Return four classes of six images, which all differ."""
    return write_noise(tmp_path / "mine", 4, 6)


def copy_within(folder):
    for image in sorted(folder.glob("*/[0-2].png")):
        shutil.copy(image, image.with_name(f"{image.stem} (1).png"))


def test_copies_within_a_class_are_left_out(folder):
    copy_within(folder)
    record = add_folder("mine", folder)
    assert record.count == 24
    assert len(record.copies) == 12
    assert "12 copies left out (12 by their bytes, 0 by their pixels)" in str(record)
    assert str(record).count("mlw download mine:copies=keep --from") == 1
    assert len(tables("mine")["test"].images) == 24
    assert len(list(folder.glob("*/*"))) == 36  # nothing is removed


def test_copies_are_kept_on_request(folder):
    copy_within(folder)
    record = add_folder("mine:copies=keep", folder)
    assert record.count == 36
    assert record.copies == {}
    assert "12 copies kept (12 by their bytes" in str(record)
    kept = tables("mine:copies=keep")["test"]
    assert len(kept.images) == 36
    assert kept.notes[0].text.startswith("images that are copies of others of their class")
    with pytest.raises(
        DataError,
        match=r"^mine was registered with copies=keep: use it as mine:copies=keep, or run: "
        r"mlw download mine --from /",
    ):
        tables("mine")


def test_a_class_that_was_packed_twice_is_one_class(folder):
    shutil.copytree(folder / "class 00", folder / "twice" / "class 00")
    record = add_folder("mine", folder)
    assert record.classes == 4
    assert record.count == 24
    assert "6 copies lie in two classes: 6 in class 00 and twice" in str(record)


def test_what_lies_in_training_and_test_stays_in_training(tmp_path):
    write_noise(tmp_path / "mine" / "train", 3, 6)
    write_noise(tmp_path / "mine" / "test", 2, 6)
    for folder in sorted((tmp_path / "mine" / "test").iterdir()):
        folder.rename(folder.with_name(f"tested {folder.name}"))
    shutil.copytree(tmp_path / "mine/train/class 01", tmp_path / "mine/test/other")
    record = add_folder("mine", tmp_path / "mine")
    assert sum(record.images["train"].values()) == 18
    assert "other" not in record.images["test"]
    assert "6 in class 01 (train) and other (test)" in str(record)


def test_the_same_pixels_in_another_kind_of_file_are_a_copy(folder):
    for image in sorted(folder.glob("*/0.png")):
        Image.open(image).save(image.with_suffix(".bmp"))
    record = add_folder("mine", folder)
    assert "4 copies left out (0 by their bytes, 4 by their pixels)" in str(record)


def smooth(number):
    """Return a picture as a photograph is: a JPEG of it is nearly the same."""
    rows, columns = np.mgrid[0:32, 0:32] / 32
    grey = 127 + 120 * np.sin(3 * rows + number) * np.cos(5 * columns * (number + 1))
    return Image.fromarray(grey.astype(np.uint8))


def test_a_picture_saved_in_two_formats_is_one(folder):
    for number in range(3):
        smooth(number).save(folder / "class 00" / f"photo{number}.png")
        smooth(number).save(folder / "class 00" / f"photo{number}.jpg")
    record = add_folder("mine", folder)
    assert record.count == 27
    assert "3 copies left out (0 by their bytes, 0 by their pixels, 3 by their names)" in str(
        record
    )


def test_other_pictures_of_the_same_name_are_no_copies(folder):
    for number in range(3):
        smooth(number).save(folder / "class 00" / f"photo{number}.png")
        smooth(number + 5).save(folder / "class 00" / f"photo{number}.jpg")
    record = add_folder("mine", folder)
    assert record.count == 30
    assert "cop" not in str(record)


def test_altered_versions_that_a_program_wrote_are_one_picture(folder):
    for number in range(2):
        for version in range(3):
            picture = smooth(number).rotate(90 * version)
            name = f"photo{number}_png.rf.{version}0a1b2c3d.jpg"
            picture.save(folder / "class 00" / name)
    record = add_folder("mine", folder)
    assert record.count == 26
    assert "4 copies left out (0 by their bytes, 0 by their pixels, 4 by their names)" in str(
        record
    )


def test_images_of_one_colour_are_no_copies(tmp_path):
    write_noise(tmp_path / "mine", 2, 4)
    for number in range(3):
        blank = Image.new("RGB", (16, 16), "white")
        blank.save(tmp_path / "mine" / "class 00" / f"blank{number}.png")
    assert add_folder("mine", tmp_path / "mine").count == 11


# --- values of 16 bits


def scans(folder, values_of):
    """Write two classes of scans, whose values a function makes of a wave of -1 to 1."""
    for kind in range(2):
        place = folder / f"class{kind}"
        place.mkdir(parents=True)
        for number in range(4):
            wave = np.sin(np.arange(400).reshape(20, 20) * (0.1 + 0.7 * kind) + number)
            stream = io.BytesIO()
            Image.fromarray(values_of(wave).astype(np.uint16)).save(stream, "PNG")
            (place / f"{number}.png").write_bytes(stream.getvalue())
    return folder


def test_scans_of_twelve_bits_keep_their_contrast(tmp_path):
    add_folder("mine", scans(tmp_path / "mine", lambda wave: 1000 + 200 * wave))
    record = read_record("mine")
    assert record.levels == [800, 1199]
    assert "values of 16 bits: 800 becomes black and 1,199 white" in str(record)
    images = tables("mine:size=20,channels=1")["test"].images
    assert len(np.unique(images)) > 100  # 1 of 256 without the range of the data set
    assert (images.min(), images.max()) == (0, 255)
    assert tables("mine")["test"].notes == ()


def test_one_range_is_for_all_images(tmp_path):
    def values(wave):
        return 1000 + 100 * wave

    folder = scans(tmp_path / "mine", values)
    bright = np.full((20, 20), 3000, np.uint16)
    bright[0, 0] = 1000
    Image.fromarray(bright).save(folder / "class0" / "bright.png")
    add_folder("mine", folder)
    images = tables("mine:size=20,channels=1")["test"].images
    assert (images[:4].max(axis=(1, 2, 3)) < 30).all()  # dark beside the bright one
    assert images[4].max() == 255


def test_a_pixel_that_is_far_too_bright_is_said(tmp_path):
    folder = scans(tmp_path / "mine", lambda wave: 1000 + 200 * wave)
    broken = np.full((20, 20), 1000, np.uint16)
    broken[0, 0] = 65_535
    Image.fromarray(broken).save(folder / "class0" / "broken.png")
    add_folder("mine", folder)
    (note,) = tables("mine:size=20")["test"].notes
    assert note.grave
    assert "nearly equal" in note.text


def test_images_of_eight_bits_have_no_levels(tmp_path):
    assert add_folder("mine", class_folders(tmp_path / "mine", 2)).levels == []
