"""Files that annotate images and are no tables: they are not passed over in silence."""

from __future__ import annotations

import json
import pickle
import random
import zipfile
from pathlib import Path

import pytest
from image_folders import write_images

from workbench.data.files.archive import Archive
from workbench.data.image_folder import annotations
from workbench.data.image_folder.annotations import read_annotations
from workbench.data.image_folder.choice import LayoutChoice
from workbench.data.image_folder.register import add_folder
from workbench.errors import DataError

IMAGES = [f"zoo{'AB'[number % 2]}/{number:02}.png" for number in range(12)]
KINDS = ("cat", "dog", "owl")  # not the folders
FOLDERS = {"test": {"zooA": 6, "zooB": 6}}


def coco(labels: list[str]) -> str:
    kinds = sorted(set(labels))
    images = [{"id": 7 + n, "file_name": name, "height": 9} for n, name in enumerate(IMAGES)]
    found = []
    for number, label in enumerate(labels):
        found.append({"id": number, "image_id": 7 + number, "category_id": kinds.index(label)})
    categories = [{"id": number, "name": kind} for number, kind in enumerate(kinds)]
    return json.dumps({"images": images, "annotations": found, "categories": categories})


def records(labels: list[str]) -> str:
    return json.dumps([{"image": n, "label": k} for n, k in zip(IMAGES, labels, strict=True)])


def by_name(labels: list[str]) -> str:
    return json.dumps(dict(zip(IMAGES, labels, strict=True)))


def by_stem(labels: list[str]) -> str:
    return json.dumps({n[5:-4]: k for n, k in zip(IMAGES, labels, strict=True)})


def label_studio(labels: list[str]) -> str:
    tasks = []
    for name, label in zip(IMAGES, labels, strict=True):
        result = [{"type": "choices", "value": {"label": [label]}}]
        url = f"/data/local-files/?d={name}"
        tasks.append({"data": {"image": url}, "annotations": [{"result": result}]})
    return json.dumps(tasks)


def cvat(labels: list[str]) -> str:
    parts = []
    for name, label in zip(IMAGES, labels, strict=True):
        parts.append(f'<image id="1" name="{name}"><box label="{label}"/></image>')
    return f"<annotations>{''.join(parts)}</annotations>"


FORMS = {
    "annotations.json": coco,
    "records.json": records,
    "by_name.json": by_name,
    "by_stem.json": by_stem,
    "cvat.xml": cvat,
}


@pytest.mark.parametrize("name", FORMS)
def test_annotations_that_differ_from_folders_are_asked_about(tmp_path, name):
    own = write_images(tmp_path / "own", *IMAGES)
    (own / name).write_text(FORMS[name]([KINDS[number % 3] for number in range(12)]))
    with pytest.raises(
        DataError,
        match=rf"annotations that are not read: {name}, which name 12 of the 12 images\. .* "
        r"columns filename,label, .* download own --from .*own --level 1$",
    ):
        add_folder("own", own)
    assert add_folder("own", own, LayoutChoice(level="1")).images == FOLDERS
    rows = [f"{image},{KINDS[number % 3]}" for number, image in enumerate(IMAGES)]
    (own / "labels.csv").write_text("\n".join(["filename,label", *rows]))
    assert add_folder("own", own).images == {"test": {"cat": 4, "dog": 4, "owl": 4}}


@pytest.mark.parametrize("name", FORMS)
def test_annotations_that_agree_with_folders_are_not_asked_about(tmp_path, name):
    own = write_images(tmp_path / "own", *IMAGES)
    (own / name).write_text(FORMS[name](["first", "second"] * 6))
    assert add_folder("own", own).images == FOLDERS


def voc(own: Path, labels: list[str]) -> None:
    for image, label in zip(IMAGES, labels, strict=True):
        folder, name = image.split("/")
        text = (
            f"<annotation><folder>{folder}</folder><filename>{name}</filename>"
            f"<object><name>{label}</name></object></annotation>"
        )
        (own / image).with_suffix(".xml").write_text(text)


def test_a_file_for_each_image(tmp_path):
    own = write_images(tmp_path / "own", *IMAGES)
    voc(own, ["cat", "dog", "owl"] * 4)
    with pytest.raises(DataError, match=r"zooA/00.xml and 11 more, which name 12 of the 12 images"):
        add_folder("own", own)
    voc(own, ["cat", "dog"] * 6)
    assert add_folder("own", own).images == FOLDERS


def test_files_called_like_their_images(tmp_path):
    for form, suffix in (("{} 0.5 0.5 0.1 0.2\n", ".txt"), ("<a><name>{}</name></a>", "")):
        own = write_images(tmp_path / f"own{suffix}", *IMAGES)
        (own / "Annotation").mkdir()
        for number, image in enumerate(IMAGES):
            place = own / "Annotation" / f"{image[5:-4]}{suffix}"
            place.write_text(form.format(number % 3))
        with pytest.raises(
            DataError, match=rf"Annotation/00{suffix} and 11 more, which name 12 of"
        ):
            add_folder("own", own)
        for number, image in enumerate(IMAGES):
            place = own / "Annotation" / f"{image[5:-4]}{suffix}"
            place.write_text(form.format(number % 2))
        assert add_folder("own", own).images == FOLDERS


def test_pickles_that_name_images_are_asked_about(tmp_path):
    own = write_images(tmp_path / "own", *IMAGES)
    (own / "labels.pkl").write_bytes(pickle.dumps(dict.fromkeys(IMAGES, KINDS[0])))
    with pytest.raises(DataError, match=r"not read: labels.pkl, which name 12 .* --level 1$"):
        add_folder("own", own)
    assert add_folder("own", own, LayoutChoice(level="1")).images == FOLDERS
    (own / "labels.pkl").write_bytes(pickle.dumps({"steps": 3, "from": "zoo.png"}))
    assert add_folder("own", own).images == FOLDERS


def test_texts_called_like_their_images_may_be_prose(tmp_path):
    own = write_images(tmp_path / "own", *IMAGES)
    for image in IMAGES:
        (own / image).with_suffix(".txt").write_text("a photo of 3 cats\n1 2 3 4 5 and more\n")
    assert add_folder("own", own).images == FOLDERS


@pytest.mark.parametrize(
    ("book", "part"),
    [("l.xlsx", "xl/sharedStrings.xml"), ("l.ods", "content.xml")],
)
def test_a_spreadsheet_that_names_images_is_asked_about(tmp_path, book, part):
    own = write_images(tmp_path / "own", *IMAGES)
    (own / "damaged.xlsx").write_bytes(b"PK")
    cells = "".join(f"<t>{image}</t><t>cat</t>" for image in IMAGES)
    with zipfile.ZipFile(own / book, "w") as file:
        file.writestr(part, f"<sst>{cells}</sst>")
    with pytest.raises(DataError, match=rf"{book}, which name 12 of the 12 images"):
        add_folder("own", own)
    assert add_folder("own", own, LayoutChoice(level="1")).images == FOLDERS


def test_what_is_too_big_is_read_in_part_and_asked_about(tmp_path, monkeypatch):
    own = write_images(tmp_path / "own", *IMAGES)
    (own / "big.json").write_text(records(["cat", "dog"] * 6))
    monkeypatch.setattr(annotations, "LIMIT", 100)
    with pytest.raises(DataError, match=r"big.json, which name images, among them zooA/00.png"):
        add_folder("own", own)


def test_few_annotations_that_differ_from_folders_are_asked_about(tmp_path):
    own = write_images(tmp_path / "own", *IMAGES)
    few = [{"image": image, "label": f"kind{number // 2}"} for number, image in enumerate(IMAGES)]
    (own / "few.json").write_text(json.dumps(few[:4]))
    with pytest.raises(DataError, match=r"few.json, which name 4 of the 12 images"):
        add_folder("own", own)
    agreeing = [{**each, "label": each["image"][:4]} for each in few[:4]]
    (own / "few.json").write_text(json.dumps(agreeing))
    assert add_folder("own", own).images == FOLDERS


def test_many_files_that_name_no_image(tmp_path):
    own = write_images(tmp_path / "own", *IMAGES)
    for number in range(annotations.FILES + 1):
        (own / f"{number}.json").write_text('{"weather": "fine"}')
    assert add_folder("own", own).images == FOLDERS


def test_json_that_names_few_images_or_none_decides_nothing(tmp_path):
    own = write_images(tmp_path / "own", *IMAGES)
    (own / "dataset-metadata.json").write_text('{"title": "Cats", "image": "zooA/00.png"}')
    (own / "config.json").write_text('{"00": 1, "size": 3, "model": "zooA", "rate": 0.5}')
    (own / "broken.json").write_text("[" * 100_000)
    (own / "a.xml").write_text('<!DOCTYPE x [<!ENTITY a "&a;&a;">]><x>&a;</x>')
    assert add_folder("own", own).images == FOLDERS


def test_any_bytes_are_read_without_an_error(tmp_path):
    draw = random.Random(0)
    own = write_images(tmp_path / "own", *IMAGES)
    text = coco(["cat", "dog"] * 6)
    for number in range(60):
        cut = list(text)
        for _ in range(20):
            cut[draw.randrange(len(cut))] = draw.choice('[]{}",:0x')
        (own / f"{number}.json").write_text("".join(cut))
    with Archive(own) as archive:
        assert read_annotations(archive, IMAGES).images <= set(IMAGES)


LISTS = {
    "path_label.lst": "{image} {kind}",
    "numbers.lst": "{image} {number}",
    "mxnet.lst": "{row}\t{number}.000000\t{image}",
    "three.txt": "{image} {kind} 0",
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_differs_from_folders_is_asked_about_and_can_be_read(tmp_path, name):
    own = write_images(tmp_path / "own", *IMAGES)
    lines = []
    for row, image in enumerate(IMAGES):
        kind = KINDS[row % 3]
        lines.append(LISTS[name].format(row=row, image=image, kind=kind, number=row % 3))
    (own / name).write_text("\n".join(lines))
    with pytest.raises(DataError, match=rf"table {name}.* --label 2.*--level 1|--level 1.*label 2"):
        add_folder("own", own)
    assert list(add_folder("own", own, LayoutChoice(label="2")).images["test"].values()) == [4] * 3
    assert add_folder("own", own, LayoutChoice(level="1")).images == FOLDERS


def test_lines_of_json_are_a_table(tmp_path):
    own = write_images(tmp_path / "own", *IMAGES)
    lines = [json.dumps({"img": n, "label": KINDS[k % 3]}) for k, n in enumerate(IMAGES)]
    (own / "all.ndjson").write_text("\n".join(lines))
    assert add_folder("own", own).images == {"test": {"cat": 4, "dog": 4, "owl": 4}}
