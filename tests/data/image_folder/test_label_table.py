"""Tables of file names and labels."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_folders import class_folders, shades, tables, write_images

from workbench.data.image_folder.register import add_folder
from workbench.errors import DataError


def with_table(folder: Path, text: str, name: str = "labels.csv", encoding: str = "utf-8") -> Path:
    write_images(folder, *(f"images/{i}.png" for i in range(6)))
    (folder / name).write_text(text, encoding=encoding)
    return folder


@pytest.mark.parametrize(
    "text",
    [
        "filename,label\n0.png,a\n1.png,a\n2.png,ä b\n3.png,ä b\n",
        "id;Image;Class\n"
        "7;images/0.png;a\n7;images/1.png;a\n7;images/2.png;ä b\n7;images/3.png;ä b\n",
        '\ufeffpath\tcategory\r\n"images\\0.png"\ta\r\n.\\images\\1.png\ta\r\n2\tä b\r\n3\tä b\r\n',
    ],
    ids=["commas", "semicolons", "tabs, marked, without suffix"],
)
def test_images_with_a_table(tmp_path, text):
    record = add_folder("birds", with_table(tmp_path / "birds", text))
    assert record.images == {"test": {"a": 2, "ä b": 2}}
    assert record.how.startswith("images with labels.csv: ")
    assert "2 images without a class ignored, in images (2)" in record.notes
    assert shades(tables("birds")["test"], "ä b") == [2, 3]


def test_a_table_of_an_old_spreadsheet(tmp_path):
    text = "file,species\n0.png,Grünfink\n1.png,Grünfink\n"
    assert list(
        add_folder("b", with_table(tmp_path / "b", text, encoding="cp1252")).images["test"]
    ) == ["Grünfink"]


def test_a_table_with_splits(tmp_path):
    rows = ["0.png,a,train", "1.png,a,train", "2.png,b,valid", "3.png,b,valid"]
    rows += ["4.png,c,TEST", "5.png,c,test"]
    text = "\n".join(["filename,label,split", *rows])
    record = add_folder("birds", with_table(tmp_path / "birds", text))
    assert record.images == {"train": {"a": 2}, "val": {"b": 2}, "test": {"c": 2}}


def test_tables_named_like_splits(tmp_path):
    folder = with_table(tmp_path / "birds", "filename,label\n0.png,a\n1.png,a\n", "train.csv")
    (folder / "test.csv").write_text("filename,label\n2.png,b\n3.png,b\n")
    assert add_folder("birds", folder).images == {"train": {"a": 2}, "test": {"b": 2}}


def test_a_table_of_something_else_is_ignored(tmp_path):
    folder = class_folders(tmp_path / "b", 3)
    (folder / "weather.csv").write_text("day,rain\n1,2\n")
    assert add_folder("b", folder).how == "class folders"


# --- errors


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "0.png,a\n0.png,b\n",
            r"row 3 of labels.csv in .* gives 0.png a different label or split than an earlier row",
        ),
        (
            "x.png,a\ny.png,a\n",
            r"has none of the files that labels.csv lists; the first .* is x.png",
        ),
    ],
)
def test_contradictions_and_missing_labels(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        add_folder("birds", with_table(tmp_path / "birds", "filename,label\n" + rows))


def test_rows_without_a_file_are_named(tmp_path):
    text = "filename,label\n0.png,a\n1.png,a\nlost.png,a\n"
    assert "1 row without a file ignored: lost.png" in str(
        add_folder("b", with_table(tmp_path / "b", text))
    )


def test_an_unknown_split(tmp_path):
    with pytest.raises(
        DataError,
        match=r"row 2 of labels.csv in .* has the split 'fold 3'; it must be one of train",
    ):
        add_folder("b", with_table(tmp_path / "b", "filename,label,split\n0.png,a,fold 3\n"))


def test_a_name_that_two_images_have(tmp_path):
    folder = write_images(tmp_path / "b", "one/0.png", "two/0.png")
    (folder / "labels.csv").write_text("filename,label\n0.png,a\n")
    with pytest.raises(
        DataError, match=r"row 2 of .* lists 0.png, which could be one/0.png or two/0.png"
    ):
        add_folder("b", folder)


def test_rows_without_a_label_are_no_class(tmp_path):
    words = ["nan", "NA", "?", "Unknown", "", "owl", "owl", "jay", "jay", "n/a"]
    own = write_images(tmp_path / "own", *(f"{number}.png" for number in range(10)))
    rows = [f"{number}.png,{word}" for number, word in enumerate(words)]
    (own / "labels.csv").write_text("\n".join(["filename,label", *rows]))
    record = add_folder("own", own)
    assert record.images == {"test": {"jay": 2, "owl": 2}}
    assert (
        "6 rows without a label ignored: nan (1), NA (1), ? (1), Unknown (1), an empty cell (1) "
        "and 1 more; if such a word is a class, write it differently in the table (unknown_class)"
        in record.notes
    )


def test_labels_that_differ_in_spaces_around_and_in_unicode_are_one(tmp_path):
    own = write_images(tmp_path / "own", *(f"{number}.png" for number in range(4)))
    rows = ["0.png,Gr\u00fcn", "1.png,Gru\u0308n", "2.png,owl", '3.png,"owl "']
    (own / "labels.csv").write_text("\n".join(["filename,label", *rows]), encoding="utf-8")
    assert add_folder("own", own).images == {"test": {"Gr\u00fcn": 2, "owl": 2}}
