"""A user's own images: how folders, archives and tables are read, split, recorded, and used when they are gone."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from places import SHARED

from workbench.data.catalog import find_dataset
from workbench.data.image_folder.record import folder_names, read_record, record_path
from workbench.data.image_folder.register import add_folder, split_classes
from workbench.data.opening import open_dataset, part_here
from workbench.data.tables import Table
from workbench.errors import DataError, UnknownName, UsageError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def image(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (12, 10), (shade, 255 - shade, 0)).save(stream, "PNG")
    return stream.getvalue()


def write(folder: Path, *names: str) -> Path:
    """Images of different colours, by path."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image(number % 256))
    return folder


def class_folders(folder: Path, classes: int, images: int = 3) -> Path:
    return write(folder, *(f"class {c:02d}/{i}.png" for c in range(classes) for i in range(images)))


def tables(text: str) -> dict[str, Table]:
    choice = find_dataset(text)
    return open_dataset(choice.name, choice.dataset)


def shades(table: Table, name: str) -> list[int]:
    """The red of a class's images."""
    at = table.names.index(name)
    return [int(image[0, 0, 0]) for image in table.images[table.starts[at] : table.starts[at + 1]]]


# --- layouts


def test_three_classes_with_umlauts_a_corrupt_file_and_other_files(tmp_path):
    folder = write(
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
        "1 file ignored that are no images",
        "1 class with fewer than 2 images left out: Rare (1)",
        "1 file skipped that cannot be read:\n  Grünfink/broken.jpg is not an image",
    ):
        assert part in text
    assert read_record("birds") == record
    (table,) = tables("birds").values()
    assert table.names == ("Blaumeise", "Grünfink", "House sparrow")
    assert table.images.shape == (18, 3, 84, 84)
    assert shades(table, "Grünfink") == [6, 7, 8, 9, 10, 11]


def test_options_are_those_of_any_data_set(tmp_path):
    add_folder("birds", class_folders(tmp_path / "birds", 3))
    assert tables("birds:size=20,channels=1")["test"].images.shape == (9, 1, 20, 20)
    with pytest.raises(UsageError, match=r"birds has no option 'sise'. Did you mean size\?"):
        find_dataset("birds:sise=3")
    with pytest.raises(UsageError, match=r"birds:size=0 cannot be"):
        find_dataset("birds:size=0")
    with pytest.raises(UsageError, match="channels"):
        add_folder("birds:channels=2", tmp_path / "birds")


def test_names_written_in_two_codings_are_one_name(tmp_path):
    apart = unicodedata.normalize("NFD", "Grünfink")
    record = add_folder(
        "birds",
        write(tmp_path / "birds", f"{apart}/1.png", f"{apart}/2.png", "Meise/1.png", "Meise/2.png"),
    )
    assert list(record.images["test"]) == ["Grünfink", "Meise"]
    write(tmp_path / "birds", "Grünfink/3.png")
    if len(list((tmp_path / "birds").iterdir())) == 3:  # some systems take the two for one
        with pytest.raises(
            DataError, match=r"two folders 'Grünfink', coded differently; rename one"
        ):
            add_folder("birds", tmp_path / "birds")


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
    record = add_folder("birds", write(tmp_path / "birds", *paths))
    assert record.split == "as given: 2 train, 2 val, 2 test classes"
    assert list(tables("birds")) == ["train", "val", "test"]
    assert list(record.images["val"]) == [f"{names[1]} class 0", f"{names[1]} class 1"]


def test_a_class_in_two_splits_is_split_anew(tmp_path):
    paths = [
        f"{split}/class {c:02d}/{i}.png"
        for split in ("train", "test")
        for c in range(20)
        for i in range(2)
    ]
    record = add_folder("birds", write(tmp_path / "birds", *paths))
    assert "20 classes in more than one split" in str(record)
    assert record.split.startswith("by the SHA-256 of the classes' names: 10 train, 5 val, 5 test")
    assert {count for classes in record.images.values() for count in classes.values()} == {4}


def test_classes_may_be_called_like_a_split(tmp_path):
    paths = [f"{vehicle}/{i}.png" for vehicle in ("car", "plane", "train") for i in range(2)]
    assert list(add_folder("vehicles", write(tmp_path / "v", *paths)).images["test"]) == [
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
    assert list(add_folder("birds", write(tmp_path / "b", *paths)).images["test"]) == [
        "jay/blue",
        "owl/barn",
        "owl/tawny",
    ]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["a.png", "b.png"], r"has no class folders: all 2 images lie in one folder"),
        (["train/a.png", "test/a.png"], r"has images in test, train without class folders"),
        (
            ["train/a/1.png", "test/b/1.png", "more/c/1.png"],
            r"the folders test, train, and beside them more; which\?",
        ),
        (
            ["a/1.png", "b/1.png"],
            r"holds no class with 2 images or more; 2 classes .* left out: a \(1\), b \(1\)",
        ),
    ],
)
def test_what_cannot_be_told_is_one_sentence(tmp_path, paths, message):
    with pytest.raises(DataError, match=message):
        add_folder("birds", write(tmp_path / "birds", *paths))
    assert folder_names() == ()


def test_a_folder_without_images(tmp_path):
    (tmp_path / "birds").mkdir()
    (tmp_path / "birds" / "a.txt").write_text("")
    with pytest.raises(DataError, match=r"birds holds no images \(\.png, \.jpg"):
        add_folder("birds", tmp_path / "birds")


# --- tables


def with_table(folder: Path, text: str, name: str = "labels.csv", encoding: str = "utf-8") -> Path:
    write(folder, *(f"images/{i}.png" for i in range(6)))
    (folder / name).write_text(text, encoding=encoding)
    return folder


@pytest.mark.parametrize(
    "text",
    [
        "filename,label\n0.png,a\n1.png,a\n2.png,ä b\n3.png,ä b\n",
        "id;Image;Class\n7;images/0.png;a\n7;images/1.png;a\n7;images/2.png;ä b\n7;images/3.png;ä b\n",
        '\ufeffpath\tcategory\r\n"images\\0.png"\ta\r\n.\\images\\1.png\ta\r\n2\tä b\r\n3\tä b\r\n',
    ],
    ids=["commas", "semicolons", "tabs, marked, without suffix"],
)
def test_images_with_a_table(tmp_path, text):
    record = add_folder("birds", with_table(tmp_path / "birds", text))
    assert record.images == {"test": {"a": 2, "ä b": 2}}
    assert record.how.startswith("images with labels.csv: ")
    assert "2 images of no class ignored" in record.notes
    assert shades(tables("birds")["test"], "ä b") == [2, 3]


def test_a_table_of_an_old_spreadsheet(tmp_path):
    text = "file,species\n0.png,Grünfink\n1.png,Grünfink\n"
    assert list(
        add_folder("b", with_table(tmp_path / "b", text, encoding="cp1252")).images["test"]
    ) == ["Grünfink"]


def test_a_table_with_splits(tmp_path):
    text = "filename,label,split\n0.png,a,train\n1.png,a,train\n2.png,b,valid\n3.png,b,valid\n4.png,c,TEST\n5.png,c,test\n"
    record = add_folder("birds", with_table(tmp_path / "birds", text))
    assert record.images == {"train": {"a": 2}, "val": {"b": 2}, "test": {"c": 2}}


def test_tables_named_like_splits(tmp_path):
    folder = with_table(tmp_path / "birds", "filename,label\n0.png,a\n1.png,a\n", "train.csv")
    (folder / "test.csv").write_text("filename,label\n2.png,b\n3.png,b\n")
    assert add_folder("birds", folder).images == {"train": {"a": 2}, "test": {"b": 2}}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "0.png,a\n0.png,b\n",
            r"row 3 of labels.csv in .* gives 0.png another label or split than a row before it",
        ),
        ("0.png,\n", r"row 2 of labels.csv in .* gives 0.png no label"),
        ("x.png,a\ny.png,a\n", r"None of the files that labels.csv names, x.png first, is in"),
    ],
)
def test_a_table_that_cannot_be_meant(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        add_folder("birds", with_table(tmp_path / "birds", "filename,label\n" + rows))


def test_rows_without_a_file_are_named(tmp_path):
    text = "filename,label\n0.png,a\n1.png,a\nlost.png,a\n"
    assert "1 row ignored whose file is not there: lost.png" in str(
        add_folder("b", with_table(tmp_path / "b", text))
    )


def test_a_split_that_is_none(tmp_path):
    with pytest.raises(
        DataError,
        match=r"row 2 of labels.csv in .* has the split 'fold 3'; it must be one of train",
    ):
        add_folder("b", with_table(tmp_path / "b", "filename,label,split\n0.png,a,fold 3\n"))


def test_a_name_that_two_images_have(tmp_path):
    folder = write(tmp_path / "b", "one/0.png", "two/0.png")
    (folder / "labels.csv").write_text("filename,label\n0.png,a\n")
    with pytest.raises(
        DataError, match=r"row 2 of .* names 0.png, which could be one/0.png or two/0.png"
    ):
        add_folder("b", folder)


def test_a_table_of_something_else_is_a_file_like_others(tmp_path):
    folder = class_folders(tmp_path / "b", 3)
    (folder / "weather.csv").write_text("day,rain\n1,2\n")
    assert add_folder("b", folder).how == "class folders"


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
    write(folder, "class 03/more.png")
    after = add_folder("birds", folder).images
    assert {split: list(classes) for split, classes in after.items()} == {
        s: list(c) for s, c in before.items()
    }
    assert after["test"]["class 03"] == 3


# --- names


@pytest.mark.parametrize("name", ["my birds", "../birds", "a/b", "vögel", ".birds", ""])
def test_names_that_cannot_be(tmp_path, name):
    with pytest.raises(
        UsageError, match=r"cannot be a data set's name; use letters|has no name before"
    ):
        add_folder(name or ":size=3", class_folders(tmp_path / "birds", 3))


def test_a_plugin_s_name_is_refused(tmp_path):
    with pytest.raises(UsageError, match="'omniglot' is a data set of mlw-vision; choose another"):
        add_folder("omniglot", class_folders(tmp_path / "birds", 3))


def test_a_name_that_a_plugin_brings_later_is_not_used_in_silence(tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.data.image_folder.register.check_name", lambda name: None)
    add_folder("glyphs", class_folders(tmp_path / "birds", 3))
    with pytest.raises(
        UsageError, match="'glyphs' is a folder of yours and mlw-vision/glyphs; use mlw-vision/g"
    ):
        find_dataset("glyphs")
    assert find_dataset("mlw-vision/glyphs").name == "mlw-vision/glyphs"


def test_an_unknown_name_offers_the_user_s_own(tmp_path):
    add_folder("my-birds", class_folders(tmp_path / "birds", 3))
    with pytest.raises(UnknownName, match=r"no data set 'my-bird'. Did you mean my-birds\?"):
        find_dataset("my-bird")


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(
        UsageError, match="nowhere does not exist; --from takes a folder or an archive of your own"
    ):
        add_folder("birds", tmp_path / "nowhere")


# --- originals that are gone, or others


def test_originals_are_not_copied_and_what_is_prepared_outlives_them(tmp_path, cache):
    folder = class_folders(tmp_path / "birds", 3)
    add_folder("birds:size=20", folder)
    before = tables("birds:size=20")["test"].fingerprint
    assert not list(cache.rglob("*.png"))
    shutil.rmtree(folder)
    assert tables("birds:size=20")["test"].fingerprint == before
    with pytest.raises(
        DataError,
        match=r"birds is gone; type: mlw download birds --from FOLDER \(or use it as birds:size=20,channels=3\)",
    ):
        tables("birds")


def test_originals_that_changed_are_not_mixed_with_what_was_recorded(tmp_path):
    folder = class_folders(tmp_path / "my birds", 3)
    add_folder("birds", folder)
    (folder / "class 00" / "0.png").write_bytes(image(77))
    with pytest.raises(
        DataError, match=r"is no longer as it was; type: mlw download birds --from '.*/my birds'$"
    ):
        tables("birds")
    add_folder("birds", folder)
    assert shades(tables("birds")["test"], "class 00")[0] == 77


def test_the_same_images_of_another_date_are_the_same(tmp_path):
    folder = class_folders(tmp_path / "birds", 3)
    add_folder("birds", folder)
    for path in folder.rglob("*.png"):
        os.utime(path, (0, 0))
    assert tables("birds")["test"].images.shape[0] == 9


def test_an_image_that_changes_while_it_is_read(tmp_path, monkeypatch):
    folder = class_folders(tmp_path / "birds", 3)
    add_folder("birds", folder)
    from workbench.data.image_folder import dataset as folders

    content_of = folders.content_of

    def then_change(archive, classes):
        content = content_of(archive, classes)
        (folder / "class 02" / "0.png").write_bytes(image(77))
        return content

    monkeypatch.setattr(folders, "content_of", then_change)
    with pytest.raises(DataError, match=r"class 02/0.png changed while it was read"):
        tables("birds")


def test_a_damaged_record_is_one_sentence(tmp_path):
    add_folder("birds", class_folders(tmp_path / "birds", 3))
    record_path("birds").write_text("name = 3")
    with pytest.raises(
        DataError, match=r"birds.toml cannot be read: .*; type: mlw download birds --from FOLDER"
    ):
        find_dataset("birds")


def test_a_folder_is_no_part_of_anything(tmp_path):
    add_folder("birds", class_folders(tmp_path / "birds", 3))
    assert part_here(find_dataset("birds").dataset) == ""


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real archives are not in {SHARED}")
def test_a_real_archive_of_class_folders():
    record = add_folder("eurosat-of-mine", SHARED / "EuroSAT_RGB-subset.zip")
    assert record.images["test"]["Forest"] == 400
    assert (record.classes, record.count, record.unreadable) == (10, 4000, {})
