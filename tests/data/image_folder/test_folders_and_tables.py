"""Which of the two tells the classes where folders and tables both could."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_folders import write_images

from workbench.data.image_folder.choice import LayoutChoice
from workbench.data.image_folder.register import add_folder
from workbench.errors import DataError

IMAGES = [f"class{number // 6}/{number:02}.png" for number in range(18)]
FOLDERS = {"test": {"class0": 6, "class1": 6, "class2": 6}}


def made(place: Path, **tables: str) -> Path:
    """Write three class folders of six images, and tables beside them."""
    write_images(place, *IMAGES)
    for name, text in tables.items():
        (place / name.replace("_", ".")).write_text(text)
    return place


def table(head: str, *values: str) -> str:
    """A table that gives the images the values in turn."""
    lines = [head] if head else []
    for number, image in enumerate(IMAGES):
        lines.append(f"{image},{values[number % len(values)]}")
    return "\n".join(lines) + "\n"


def test_a_column_that_is_no_known_label_does_not_replace_class_folders(tmp_path):
    own = made(tmp_path / "own", attribution_csv=table("filename,photographer", "Ann", "Bo"))
    with pytest.raises(
        DataError,
        match=r"class folders \(3 classes: class0, class1, class2\), and a table attribution.csv "
        r".* photographer \(2 classes: Ann, Bo\)\. .* add --label photographer; from the folders: "
        r"mlw download own --from .*own --level 1$",
    ):
        add_folder("own", own)
    assert add_folder("own", own, LayoutChoice(level="1")).images == FOLDERS
    record = add_folder("own", own, LayoutChoice(label="photographer"))
    assert record.images == {"test": {"Ann": 9, "Bo": 9}}


def test_sizes_and_checksums_are_no_labels(tmp_path):
    sizes = table("", *(str(1000 + number % 15) for number in range(18)))
    sums = table("", *(f"{number % 17:032x}f" for number in range(18)))
    record = add_folder("own", made(tmp_path / "own", sizes_txt=sizes, md5sums_txt=sums))
    assert record.images == FOLDERS
    assert "not used: md5sums.txt, sizes.txt, which names 18 images" in str(record)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("boxes_csv", table("Filename,Roi.X1,Roi.Y1,Roi.X2,height", "1,2,9,8", "1,3,9,8")),
        ("bounds_csv", table("filename,x_min,y min,Width,H", "1,2,9,8", "1,3,9,8")),
        ("boxes_txt", table("", "60.0,27.0,8,9", "60.0,28.0,8,9")),
    ],
)
def test_boxes_are_no_labels(tmp_path, name, text):
    record = add_folder("own", made(tmp_path / "own", **{name: text}))
    assert record.images == FOLDERS
    assert f"not used: {name.replace('_', '.')}, which names 18 images" in str(record)
    assert "other file ignored" not in str(record)


def test_a_class_in_a_list_of_boxes_is_a_label(tmp_path):
    text = table("Filename,x1,y1,x2,y2,kind", "1,2,9,8,owl", "1,2,9,8,jay")
    with pytest.raises(DataError, match=r"not clear which .* --label kind"):
        add_folder("own", made(tmp_path / "own", boxes_csv=text))


def test_a_column_of_cameras_is_no_label(tmp_path):
    own = write_images(tmp_path / "own", *(f"cam{'AB'[n % 2]}/{n}.png" for n in range(8)))
    rows = [f"{n}.png,cam{'AB'[n % 2]},{60 + n}" for n in range(8)]
    (own / "list.csv").write_text("\n".join(["file,camera,age", *rows]))
    with pytest.raises(DataError, match=r"not clear which of its columns is the label"):
        add_folder("own", own)


def test_a_question_about_columns_says_how_folders_are_taken(tmp_path):
    own = write_images(tmp_path / "own", *(f"run{1 + n % 2}/{n}.png" for n in range(8)))
    rows = [f"{n}.png,{n % 3},{n % 2}" for n in range(8)]
    (own / "list.csv").write_text("\n".join(["file,a,b", *rows]))
    with pytest.raises(DataError, match=r"To take the classes from the folders, add --level 1\. "):
        add_folder("own", own)
    assert add_folder("own", own, LayoutChoice(level="1")).classes == 2


def test_a_table_that_agrees_with_the_folders_is_no_contradiction(tmp_path):
    kinds = ("owl",) * 6 + ("jay",) * 6 + ("tit",) * 6
    record = add_folder("own", made(tmp_path / "own", list_csv=table("file,bird", *kinds)))
    assert record.images == {"test": {"jay": 6, "owl": 6, "tit": 6}}
    assert "the classes are those of" not in str(record)


def test_a_known_label_wins_over_folders_and_it_is_said(tmp_path):
    own = made(tmp_path / "own", labels_csv=table("file,species", "owl", "jay"))
    record = add_folder("own", own)
    assert record.images == {"test": {"jay": 9, "owl": 9}}
    assert record.notes[0] == (
        "the classes are those of labels.csv, not of the folders (3 classes: class0, class1, "
        "class2); for the folders, add --level 1"
    )


def test_a_known_label_beside_another_table(tmp_path):
    labels = table("file,label", "owl", "jay")
    credits = table("filename,photographer", "Ann", "Bo", "Cy")
    record = add_folder("own", made(tmp_path / "own", labels_csv=labels, credits_csv=credits))
    assert record.images == {"test": {"jay": 9, "owl": 9}}
    assert "not used: credits.csv, which names 18 images" in str(record)


def test_two_tables_of_images_without_folders_are_asked_about(tmp_path):
    own = write_images(tmp_path / "own", *(f"{number}.png" for number in range(6)))
    for name, column, values in (("a", "licence", "xyz"), ("b", "photographer", "pq")):
        lines = [f"{number}.png,{values[number % len(values)]}" for number in range(6)]
        (own / f"{name}.csv").write_text("\n".join([f"filename,{column}", *lines]))
    with pytest.raises(
        DataError, match=r"licence in a.csv, photographer in b.csv\. .* --label licence$"
    ):
        add_folder("own", own)
    record = add_folder("own", own, LayoutChoice(label="photographer"))
    assert record.images == {"test": {"p": 3, "q": 3}}


def test_files_of_systems_are_no_images(tmp_path):
    hidden = [
        "class0/@eaDir/00.png/SYNOPHOTO_THUMB_M.png",
        "class1/__MACOSX/class1/x.png",
        "__MACOSX/class1/._06.png",
        "class2/.thumbnails/1.png",
        "class2/.ipynb_checkpoints/12-checkpoint.png",
        "Birds Previews.lrdata/A/B/1.png",
        "#recycle/old.png",
        "$RECYCLE.BIN/S-1/old.png",
        "System Volume Information/1.png",
    ]
    own = made(tmp_path / "own")
    write_images(own, *hidden)
    (own / "class0" / "Thumbs.db").write_bytes(b"1")
    record = add_folder("own", own)
    assert record.images == FOLDERS
    assert record.notes == []


def test_the_only_other_column_is_asked_about_if_no_folders_confirm_it(tmp_path):
    own = write_images(tmp_path / "own", *(f"{number}.png" for number in range(6)))
    rows = [f"{number}.png,{'pq'[number % 2]}" for number in range(6)]
    (own / "list.csv").write_text("\n".join(["filename,photographer", *rows]))
    with pytest.raises(
        DataError, match=r"column photographer may be the label or .* --label photographer$"
    ):
        add_folder("own", own)
    record = add_folder("own", own, LayoutChoice(label="photographer"))
    assert record.images == {"test": {"p": 3, "q": 3}}
    (own / "list.csv").write_text("\n".join(rows))  # a list of images and one word each
    assert add_folder("own", own).images == {"test": {"p": 3, "q": 3}}


@pytest.mark.parametrize("folder", ["", "images/"])
def test_classes_in_the_names_of_files(tmp_path, folder):
    names = [f"{folder}{bird}_{number:03}.png" for bird in ("jay", "owl") for number in range(3)]
    own = write_images(tmp_path / "own", *names)
    with pytest.raises(
        DataError, match=r"labels.csv, with the columns filename,label; .* \(jay_000.png,jay\)\.$"
    ):
        add_folder("own", own)


@pytest.mark.parametrize("folder", ["", "jay/"])
def test_a_form_for_answers_labels_nothing(tmp_path, folder):
    own = write_images(tmp_path / "own", *(f"train/{folder}{n}.png" for n in range(4)))
    write_images(own, *(f"train/owl/{n}.png" for n in range(4, 8)))
    write_images(own, *(f"test/{n}.png" for n in range(10, 14)))
    labels = [f"{n},{'jay' if n < 4 else 'owl'}" for n in range(8)]
    form = [f"{n},jay" for n in range(10, 14)]
    (own / "train.csv").write_text("\n".join(["id,label", *labels]))
    (own / "sample_submission.csv").write_text("\n".join(["id,label", *form]))
    record = add_folder("own", own)
    assert record.images == {"test": {"jay": 4, "owl": 4}}
    assert "sample_submission.csv is a form for answers by its name" in str(record)


def test_sizes_that_repeat_are_no_labels(tmp_path):
    own = write_images(tmp_path / "own", *(f"{n}.png" for n in range(12)))
    sizes = [f"{n}.png {700 + n % 3}" for n in range(12)]
    (own / "sizes.txt").write_text("\n".join(sizes))
    with pytest.raises(DataError, match=r"sizes.txt.* not clear which of its columns is the label"):
        add_folder("own", own)
    assert len(add_folder("own", own, LayoutChoice(label="2")).images["test"]) == 3
    numbers = [f"{n}.png {1 + n % 3}" for n in range(12)]
    (own / "sizes.txt").write_text("\n".join(numbers))
    assert add_folder("own", own).images == {"test": {"1": 4, "2": 4, "3": 4}}


# --- lists that are one table together, and numbers that mean images of several folders


def cub(folder: Path) -> Path:
    """Write six images in one folder, and the lists of CUB-200-2011 beside them."""
    write_images(folder / "images", *[f"pic_{number}.png" for number in range(1, 7)])
    lines = [f"{number} pic_{number}.png" for number in range(1, 7)]
    (folder / "images.txt").write_text("\n".join(lines))
    (folder / "image_class_labels.txt").write_text("1 1\n2 1\n3 2\n4 2\n5 3\n6 3\n")
    (folder / "train_test_split.txt").write_text("1 1\n2 0\n3 1\n4 0\n5 1\n6 0\n")
    return folder


def test_lists_of_cub_are_joined(tmp_path):
    folder = cub(tmp_path / "mine")
    (folder / "classes.txt").write_text("1 Albatross\n2 Snowy Owl\n3 Jay\n")
    record = add_folder("mine", folder)
    assert record.images == {"test": {"Albatross": 2, "Jay": 2, "Snowy Owl": 2}}
    assert "1 other file ignored: train_test_split.txt" in str(record)


def test_lists_without_names_of_classes_give_numbers(tmp_path):
    record = add_folder("mine", cub(tmp_path / "mine"))
    assert record.images == {"test": {"1": 2, "2": 2, "3": 2}}


@pytest.mark.parametrize("name", ["train.csv", "train_labels.csv"])
def test_the_name_of_a_table_says_whose_numbers_it_has(tmp_path, name):
    folder = tmp_path / "mine"
    for part in ("train", "test"):
        write_images(folder / part, *[f"{number}.png" for number in range(4)])
    (folder / name).write_text("id,label\n0,cat\n1,dog\n2,cat\n3,dog\n")
    record = add_folder("mine", folder)
    assert record.images == {"test": {"cat": 2, "dog": 2}}
    assert "4 images without a class ignored, in test (4)" in str(record)


def test_numbers_of_several_folders_are_asked_about(tmp_path):
    folder = tmp_path / "mine"
    for part in ("train", "test"):
        write_images(folder / part, *[f"{number}.png" for number in range(4)])
    (folder / "labels.csv").write_text("id,label\n0,cat\n1,dog\n2,cat\n3,dog\n")
    with pytest.raises(DataError, match=r"0 in its first row may be .* --only test or --only tra"):
        add_folder("mine", folder)
    record = add_folder("mine", folder, LayoutChoice(only="train"))
    assert record.images == {"test": {"cat": 2, "dog": 2}}
