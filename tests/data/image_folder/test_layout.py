"""Layouts of folders and archives: class folders, split folders, and what is ambiguous."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest
from image_folders import class_folders, image, tables, write_images

from workbench.data.image_folder.choice import LayoutChoice
from workbench.data.image_folder.record import folder_names, read_record
from workbench.data.image_folder.register import add_folder
from workbench.errors import DataError


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar"])
def test_an_archive_is_read_as_the_folder_in_it(tmp_path, kind):
    folder = class_folders(tmp_path / "birds", 3)
    add_folder("loose", folder)
    packed = tmp_path / f"birds.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(packed, "w") as archive:
            for path in sorted(folder.rglob("*.png")):
                archive.write(path, Path("birds") / path.relative_to(folder))
    else:
        with tarfile.open(packed, "w:gz" if kind == "tar.gz" else "w") as archive:
            archive.add(folder, "birds")
    assert add_folder("packed", packed).images == read_record("loose").images
    assert tables("packed")["test"].fingerprint == tables("loose")["test"].fingerprint


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "valid", "TESTING")])
def test_given_splits_are_kept(tmp_path, names):
    paths = [
        f"{split}/{split} class {c}/{i}.png" for split in names for c in range(2) for i in range(2)
    ]
    record = add_folder("birds", write_images(tmp_path / "birds", *paths))
    assert record.split == "as given: 2 train, 2 val, 2 test classes"
    assert list(tables("birds")) == ["train", "val", "test"]
    assert list(record.images["val"]) == [f"{names[1]} class 0", f"{names[1]} class 1"]


def test_a_class_in_two_splits_is_split_again(tmp_path):
    paths = [
        f"{split}/class {c:02d}/{i}.png"
        for split in ("train", "test")
        for c in range(20)
        for i in range(2)
    ]
    record = add_folder("birds", write_images(tmp_path / "birds", *paths))
    assert "20 classes in more than one split" in str(record)
    assert record.split.startswith("by the SHA-256 of the class names: 10 train, 5 val, 5 test")
    assert {count for classes in record.images.values() for count in classes.values()} == {4}


def test_classes_may_be_called_like_a_split(tmp_path):
    paths = [f"{vehicle}/{i}.png" for vehicle in ("car", "plane", "train") for i in range(2)]
    assert list(add_folder("vehicles", write_images(tmp_path / "v", *paths)).images["test"]) == [
        "car",
        "plane",
        "train",
    ]


def test_nested_folders_are_classes_by_their_path(tmp_path):
    paths = [
        f"{family}/{name}/{i}.png"
        for family, name in (("owl", "barn"), ("owl", "tawny"), ("jay", "blue"))
        for i in "12"
    ]
    assert list(add_folder("birds", write_images(tmp_path / "b", *paths)).images["test"]) == [
        "jay/blue",
        "owl/barn",
        "owl/tawny",
    ]


# --- errors


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["a.png", "b.png"], r"has no class folders: all 2 images are in one folder"),
        (["train/a.png", "test/a.png"], r"has images in test, train without class folders"),
        (
            ["train/a/1.png", "test/b/1.png", "more/c/1.png"],
            r"the split folders test, train and other folders beside them: more",
        ),
        (
            ["a/1.png", "b/1.png"],
            r"has no class with at least 2 images; 2 classes .* left out: a \(1\), b \(1\)",
        ),
    ],
)
def test_ambiguous_folders(tmp_path, paths, message):
    with pytest.raises(DataError, match=message):
        add_folder("birds", write_images(tmp_path / "birds", *paths))
    assert folder_names() == ()


def test_a_folder_without_images(tmp_path):
    (tmp_path / "birds").mkdir()
    (tmp_path / "birds" / "a.txt").write_text("")
    with pytest.raises(DataError, match=r"birds contains no images \(\.png, \.jpg"):
        add_folder("birds", tmp_path / "birds")


def test_classes_with_nearly_the_same_names_are_named(tmp_path):
    folders = ("Class 0", "class 0", "class_1", "class-1", "jay")
    own = write_images(tmp_path / "own", *(f"{name}/{n}.png" for name in folders for n in (0, 1)))
    record = add_folder("own", own)
    assert record.classes == 5
    assert (
        "warning: 2 groups of classes with nearly the same names ('Class 0', 'class 0', "
        "'class-1', 'class_1')" in str(record)
    )


def test_copies_of_folders_are_named(tmp_path):
    folders = ("cat", "cat - Copy", "dog", "dog (2)", "owl copy 2", "owl", "cat3")
    own = write_images(tmp_path / "own", *(f"{name}/{n}.png" for name in folders for n in (0, 1)))
    record = add_folder("own", own)
    assert record.classes == 7
    assert (
        "3 groups of classes with nearly the same names ('cat', 'cat - Copy', 'dog', 'dog (2)', "
        "'owl', 'owl copy 2')" in str(record)
    )


def zipped(path: Path, coding: str, *folders: str) -> Path:
    """Write a zip of two images in each folder that does not say how its names are coded."""

    class Member(zipfile.ZipInfo):
        def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802
            return self.filename.encode(coding), 0

    with zipfile.ZipFile(path, "w") as file:
        for number in range(2 * len(folders)):
            file.writestr(Member(f"{folders[number // 2]}/{number}.png"), image(number))
    return path


@pytest.mark.parametrize(
    ("coding", "name", "read", "doubtful"),
    [
        ("utf-8", "猫", "猫", False),
        ("utf-8", "Grün", "Grün", True),  # one character may be UTF-8 by chance
        ("utf-8", "Größenänderung", "Größenänderung", False),
        ("cp437", "Grün", "Grün", True),
        ("latin-1", "Grün", "Grⁿn", True),
        ("shift-jis", "猫", "öL", True),
        ("gbk", "猫", "è", True),
        ("gbk", "猫狗", "├¿╣╖", True),
        ("ascii", "owl", "owl", False),
    ],
)
def test_classes_whose_names_a_zip_does_not_tell_are_named(tmp_path, coding, name, read, doubtful):
    record = add_folder("own", zipped(tmp_path / "own.zip", coding, name, "jay"))
    assert record.images == {"test": dict.fromkeys(sorted(["jay", read]), 2)}
    note = f"names are coded, so those of 1 class may be wrong ({read}); if they are, pack it again"
    assert (note in str(record)) == doubtful


def test_a_table_names_the_classes_of_a_zip_for_certain(tmp_path):
    path = zipped(tmp_path / "own.zip", "cp437", "Grün", "Blau")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("labels.csv", "filename,label\n0.png,ä\n1.png,ä\n2.png,b\n3.png,b\n")
    record = add_folder("own", path)
    assert record.images == {"test": {"b": 2, "ä": 2}}
    assert "coded" not in str(record)


@pytest.mark.parametrize(
    "names",
    [
        ("train", "test1"),
        ("train", "train_2"),
        ("public_test", "TEST_SIMPLE"),
        ("train-00", "train-01"),
    ],
)
def test_folders_named_like_splits_are_no_classes(tmp_path, names):
    write_images(tmp_path / "kaggle", *(f"{name}/{i}.png" for name in names for i in range(4)))
    with pytest.raises(DataError, match=r"named like splits|class folders"):
        add_folder("kaggle", tmp_path / "kaggle")
    record = add_folder("kaggle", tmp_path / "kaggle", LayoutChoice(level="1"))
    assert sum(len(classes) for classes in record.images.values()) == 2
