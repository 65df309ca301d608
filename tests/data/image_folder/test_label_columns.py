"""Which column of a table is the label, what is asked, and tables in other forms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_folders import shades, tables, write_images

from workbench.data.image_folder.choice import LayoutChoice
from workbench.data.image_folder.image_lookup import ImageLookup
from workbench.data.image_folder.image_table import image_table
from workbench.data.image_folder.label_columns import find_labels
from workbench.data.image_folder.register import add_folder
from workbench.data.image_folder.table_file import UnreadTable, read_table
from workbench.errors import DataError, UsageError

SIX = [(f"{number:03}.png", f"kind{number // 2}") for number in range(6)]
CLASSES = {"test": {"kind0": 2, "kind1": 2, "kind2": 2}}


def flat(place: Path, text: str, name: str = "labels.csv", encoding: str = "utf-8") -> Path:
    """Write six images in one folder, and a table beside it."""
    write_images(place, *(f"images/{image}" for image, _ in SIX))
    (place / name).write_text(text, encoding=encoding)
    return place


def table(head: str, row: str) -> str:
    """A table with a row for each image; `row` is filled with its parts."""
    lines = [head] if head else []
    for number, (image, label) in enumerate(SIX):
        lines.append(row.format(image=image, id=image[:-4], label=label, n=number // 2, i=number))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "given"),
    [
        (table("", "{image},{label}"), {}),
        (table("", "{id}\t{label}"), {}),
        (table("", "{image},{label},train"), {}),
        (table("id,breed", "{id},{label}"), {}),
        (table("file,label", "{id}.PNG,{label}"), {}),
        (table("image,kind", "{image},{label}"), {"label": "kind"}),
        (table("Image_ID|Species", "{id}|{label}"), {}),
        (table("path;target", "D:\\set\\images\\{image};{label}"), {}),
        (table("file,width,Class Id,label", "{image},{i},{n},{label}"), {}),
        (table("file,label,class", "{image},same,{label}"), {}),
        (table("file,dx,age", "{image},{label},6{n}"), {"label": "dx"}),
        (table("file,Final Diagnosis,age", "{image},{label},6{n}"), {"label": "final_diagnosis"}),
        (table("", "{image},{label},6{n},7{i}"), {"label": "2"}),
        (table("file,label,part", "{image},{label},fold 3"), {"split_from": "none"}),
    ],
)
def test_labels_are_found(tmp_path, text, given):
    record = add_folder("own", flat(tmp_path / "own", text), LayoutChoice(**given))
    assert record.images == CLASSES


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "latin-1"])
def test_codings_of_texts(tmp_path, encoding):
    text = table("filename\tlabel", "{image}\tGrün {label}")
    record = add_folder("own", flat(tmp_path / "own", text, encoding=encoding))
    assert record.images == {"test": {"Grün kind0": 2, "Grün kind1": 2, "Grün kind2": 2}}


def test_numbers_of_classes(tmp_path):
    record = add_folder("a", flat(tmp_path / "a", table("Path,ClassId", "{image},{n}")))
    assert record.images == {"test": {"0": 2, "1": 2, "2": 2}}
    record = add_folder("b", flat(tmp_path / "b", table("", "{image} {n}"), name="list.txt"))
    assert record.images == {"test": {"0": 2, "1": 2, "2": 2}}


def test_one_column_for_each_class(tmp_path):
    ones = {0: "1.0,0.0,0.0", 1: "0.0,1.0,0.0", 2: "0.0,0.0,1.0"}
    lines = ["image,kind0,kind1,kind2"]
    lines += [f"{image[:-4]},{ones[number // 2]}" for number, (image, _) in enumerate(SIX)]
    record = add_folder("own", flat(tmp_path / "own", "\n".join(lines)))
    assert record.images == CLASSES
    assert record.how == "images with labels.csv: image, 3 columns of classes"


def test_several_labels_of_an_image_are_refused_or_named(tmp_path):
    own = write_images(tmp_path / "own", *(f"{n}.png" for n in range(8)))
    rows = [f"{n}.png,1,{n % 2},0" for n in range(8)]
    (own / "list.csv").write_text("\n".join(["filename,cat,big,wet", *rows]))
    with pytest.raises(DataError, match=r"several classes to one image: 1.png \(cat, big\)\. .*"):
        add_folder("own", own)
    rows = [f"{n}.png,{'cat' if n % 2 else 'cat|big'}" for n in range(8)]
    (own / "list.csv").write_text("\n".join(["filename,labels", *rows]))
    assert "1 class looks like several labels of an image (cat|big)" in str(add_folder("own", own))


def test_numbers_of_rows_do_not_name_images_where_names_are_beside_them(tmp_path):
    """The table that pandas writes begins with a column of numbers, here those of other images."""
    own = write_images(tmp_path / "own", *(f"{n}.png" for n in range(8)))
    for head, name in (("filename", "{}.png"), ("image_id", "{}")):
        rows = [f"{n},{name.format(7 - n)},{'cat' if n < 4 else 'dog'}" for n in range(8)]
        (own / "list.csv").write_text("\n".join([f",{head},label", *rows]))
        add_folder("own", own)
        assert sorted(shades(tables("own")["test"], "dog")) == [0, 1, 2, 3]


def test_json_lines(tmp_path):
    rows = [json.dumps({"file_name": image, "label": label}) for image, label in SIX]
    record = add_folder("own", flat(tmp_path / "own", "\n".join(rows), name="metadata.jsonl"))
    assert record.images == CLASSES


def test_the_end_of_a_path_settles_which_image_is_meant(tmp_path):
    folder = write_images(tmp_path / "own", *(f"pics/k{c}/{i}.png" for c in range(3) for i in "01"))
    rows = [f"/data/set/k{c}/{i}.png,kind{c}" for c in range(3) for i in "01"]
    rows.append("/data/set/k9/0.png,kind9")  # not here, and none of the others
    (folder / "labels.csv").write_text("\n".join(["path,label", *rows]))
    record = add_folder("own", folder)
    assert record.images == CLASSES
    assert "1 row without a file ignored: /data/set/k9/0.png" in record.notes


# --- asked


@pytest.mark.parametrize(
    ("head", "row", "possible", "command"),
    [
        ("image_id,lesion,dx", "{id},L{i},{label}", "dx (3 values)", "--label dx"),
        ("id,genus,sex", "{id},{label},m{n}", "genus (3 values), sex (3 values)", "--label COLUMN"),
        ("file,age", "{image},{n}", "age (3 values)", "--label age"),
        ("file,comment", "{image},text {i}", "its columns: comment", "--label COLUMN"),
        ("file,class,species", "{image},c{i},{label}", "species (3 values)", "--label species"),
        ("", "{image},{n},{n}", "2 (3 values), 3 (3 values)", "--label COLUMN"),
        (
            "file,label,label",
            "{image},m{n},{label}",
            "label (column 2) (3 values), label (column 3) (3 values)",
            "--label COLUMN",
        ),
    ],
)
def test_an_unknown_label_is_asked_for(tmp_path, head, row, possible, command):
    with pytest.raises(DataError) as caught:
        add_folder("own:size=20", flat(tmp_path / "own", table(head, row)))
    text = str(caught.value)
    assert "has the table labels.csv, which names 6 of the 6 images" in text
    assert possible in text
    assert text.endswith(f": mlw download own:size=20 --from {tmp_path / 'own'} {command}")


def test_parts_with_a_table_are_never_classes(tmp_path):
    images = [f"images_part_{1 + number % 2}/{image}" for number, (image, _) in enumerate(SIX)]
    folder = write_images(tmp_path / "own", *images)
    (folder / "metadata.csv").write_text(table("image_id,dx,age", "{id},{label},60"))
    with pytest.raises(DataError, match=r"--label dx$"):
        add_folder("own", folder)
    assert add_folder("own", folder, LayoutChoice(label="dx")).images == CLASSES


def test_a_column_that_there_is_not(tmp_path):
    folder = flat(tmp_path / "own", table("image,dx,age", "{image},{label},6{n}"))
    with pytest.raises(UsageError, match=r"the column dxx; labels.csv has image, dx, age"):
        add_folder("own", folder, LayoutChoice(label="dxx"))
    with pytest.raises(UsageError, match=r"has the column fold of --split-from; labels.csv has"):
        add_folder("own", folder, LayoutChoice(label="dx", split_from="fold"))


def test_an_image_that_could_be_two_asks_for_a_folder(tmp_path):
    folder = flat(tmp_path / "own", table("image,label", "{id},{label}"))
    write_images(folder, *(f"masks/{image}" for image, _ in SIX))
    with pytest.raises(DataError, match=r"lists 000, which could be .* add --only NAME"):
        add_folder("own", folder)
    assert add_folder("own", folder, LayoutChoice(only="images")).images == CLASSES


# --- tables and folders


def folders(place: Path) -> Path:
    return write_images(place, *(f"{label}/{image}" for image, label in SIX))


def test_a_table_that_says_the_same_as_the_folders_needs_no_name(tmp_path):
    folder = folders(tmp_path / "own")
    (folder / "about.csv").write_text(table("file,kind of thing,width", "{image},K{n},{i}"))
    assert add_folder("own", folder).images == CLASSES


def test_a_table_of_all_images_in_class_folders_is_asked_about(tmp_path):
    folder = folders(tmp_path / "own")
    (folder / "about.csv").write_text(table("file,age,weight", "{image},{i},{n}0{i}"))
    with pytest.raises(DataError, match=r"from the folders, add --level 1\. To say which"):
        add_folder("own", folder)
    assert add_folder("own", folder, LayoutChoice(level="1")).images == CLASSES


def test_a_small_table_does_not_win_over_many_images(tmp_path):
    folder = write_images(tmp_path / "own", *(f"c{n % 4}/{n:03}.png" for n in range(40)))
    (folder / "examples.csv").write_text("file,class\n000.png,c0\n001.png,c1\n")
    record = add_folder("own", folder)
    assert record.images == {"test": {"c0": 10, "c1": 10, "c2": 10, "c3": 10}}
    assert "examples.csv names 2 of the 40 images, in classes of the folders" in record.notes
    (folder / "examples.csv").write_text("file,class\n000.png,x\n004.png,y\n")
    with pytest.raises(
        DataError, match=r"examples.csv, which names 2 of the 40 images with other .* --level 1$"
    ):
        add_folder("own", folder)
    record = add_folder("own", folder, LayoutChoice(level="1"))
    assert record.classes == 4


def test_few_labels_without_class_folders_are_used_with_a_warning(tmp_path):
    folder = write_images(tmp_path / "own", *(f"images/{n:03}.png" for n in range(40)))
    (folder / "examples.csv").write_text("file,class\n000.png,x\n004.png,y\n005.png,x\n006.png,y\n")
    record = add_folder("own", folder)
    assert record.images == {"test": {"x": 2, "y": 2}}
    assert (
        "warning: most images are left out: 36 images without a class ignored, in images (36)"
        in record.notes
    )


def test_images_without_a_class_folder_get_the_class_of_a_list(tmp_path):
    """The layout of Tiny ImageNet: the list of validation images has no header."""
    train = [f"train/n{c}/images/n{c}_{i}.png" for c in range(3) for i in range(9)]
    val = [f"val/images/val_{i}.png" for i in range(6)]
    test = [f"test/images/test_{i}.png" for i in range(5)]
    folder = write_images(tmp_path / "own", *train, *val, *test)
    for c in range(3):
        boxes = [f"n{c}_{i}.png\t0\t{i}\t60\t60" for i in range(9)]
        (folder / "train" / f"n{c}" / f"n{c}_boxes.txt").write_text("\n".join(boxes))
    rows = [f"val_{i}.png\tn{i % 3}\t0\t{i}\t60\t62" for i in range(6)]
    (folder / "val" / "val_annotations.txt").write_text("\n".join(rows))
    (folder / "wnids.txt").write_text("n0\nn1\nn2\n")
    (folder / "words.txt").write_text("n0\tdog\nn1\tcat\nn2\towl\n")
    record = add_folder("own", folder)
    assert record.images == {"test": {"n0": 11, "n1": 11, "n2": 11}}
    assert "5 images without a class ignored, in test/images (5)" in record.notes


def test_tables_with_splits_beside_one_without(tmp_path):
    """The layout of a popular copy of GTSRB."""
    images = [f"Train/{c}/{c}_{i}.png" for c in range(3) for i in range(4)]
    images += [f"Test/{i:05}.png" for i in range(6)] + [f"Meta/{c}.png" for c in range(3)]
    folder = write_images(tmp_path / "own", *images)
    head = "Width,Height,ClassId,Path\n"
    train = "".join(f"30,3{i},{c},Train/{c}/{c}_{i}.png\n" for c in range(3) for i in range(4))
    test = "".join(f"30,30,{i % 3},Test/{i:05}.png\n" for i in range(6))
    (folder / "Train.csv").write_text(head + train)
    (folder / "Test.csv").write_text(head + test)
    meta = "".join(f"Meta/{c}.png,{c},1\n" for c in range(3))
    (folder / "Meta.csv").write_text("Path,ClassId,ShapeId\n" + meta)
    assert add_folder("own", folder).images == {"test": {"0": 7, "1": 7, "2": 7}}


def test_splits_of_folders_with_labels_of_a_table(tmp_path):
    images = [f"train/{i}.png" for i in range(4)] + [f"test/{i}.png" for i in range(4, 8)]
    folder = write_images(tmp_path / "own", *images)
    rows = "".join(f"{i}.png,k{i // 2}\n" for i in range(8))
    (folder / "labels.csv").write_text("file,label\n" + rows)
    record = add_folder("own", folder)
    assert record.images == {"train": {"k0": 2, "k1": 2}, "test": {"k2": 2, "k3": 2}}


def test_a_table_in_each_split_folder(tmp_path):
    folder = write_images(
        tmp_path / "own", *(f"{s}/{i}.png" for s in ("train", "test") for i in "01")
    )
    for split in ("train", "test"):
        text = f"file_name,text\n0.png,{split}ed\n1.png,{split}ed\n"
        (folder / split / "metadata.csv").write_text(text.replace("text", "label", 1))
    assert add_folder("own", folder).images == {"train": {"trained": 2}, "test": {"tested": 2}}


def test_groups_by_a_column(tmp_path):
    text = table("file,label,family", "{image},{label},F{n}").replace("F2", "F1")
    folder = flat(tmp_path / "own", text)
    record = add_folder("own", folder, LayoutChoice(group_from="family"))
    assert record.groups == {"kind0": "F0", "kind1": "F1", "kind2": "F1"}
    flat(folder, table("file,label,n", "{image},{label},{i}"))
    with pytest.raises(DataError, match="has class kind0 in the groups 0 and 1"):
        add_folder("own", folder, LayoutChoice(group_from="n"))


# --- damaged tables

TABLE = table("filename,label,split", "images/{image},{label},train").encode()
changes = st.lists(
    st.tuples(st.integers(0, len(TABLE)), st.integers(0, 20), st.binary(max_size=4)), max_size=8
)


@given(changes, st.sampled_from(["t.csv", "t.tsv", "t.txt", "t.jsonl"]))
def test_a_damaged_table_is_read_or_passed_over(changed, name):
    data = TABLE
    for place, removed, added in changed:
        data = data[:place] + added + data[place + removed :]
    file = read_table(name, data)
    if isinstance(file, UnreadTable):
        assert file.reason
        return
    lookup = ImageLookup([f"images/{image}" for image, _ in SIX])
    found = image_table(file, lookup, len(SIX))
    if found is None:
        return
    assert found.images
    assert len(found.rows) == len(found.found)
    labels = find_labels(found, {"images"})
    assert labels is None or len(labels.values) == len(found.rows)


@pytest.mark.parametrize(
    ("no", "yes"), [("0", "1"), ("False", "True"), ("-1", "1"), ("0.0", "1.0")]
)
def test_a_column_for_each_class_may_be_of_numbers_or_words(tmp_path, no, yes):
    lines = ["image,kind0,kind1,kind2"]
    for number, (image, _) in enumerate(SIX):
        lines.append(",".join([image, *(yes if number // 2 == k else no for k in range(3))]))
    record = add_folder("flat", flat(tmp_path / "flat", "\n".join(lines) + "\n"))
    assert record.images == CLASSES


def test_comments_before_a_table_are_passed_over(tmp_path):
    text = "# made by me\n#\n" + table("filename,label", "{image},{label}")
    assert add_folder("flat", flat(tmp_path / "flat", text)).images == CLASSES
