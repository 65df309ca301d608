"""Files of data sets that can be opened and hold something else: one sentence each."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from cross_domain_layouts import ISIC
from few_shot_layouts import tiered
from making_archives import SPLITS, tar, zipped
from mlw_vision.data.chestx import ChestX
from mlw_vision.data.cifar import BATCHES, Cifar10, CifarFs
from mlw_vision.data.isic import Isic
from mlw_vision.data.miniimagenet import MiniImageNet
from mlw_vision.data.tieredimagenet import TieredImageNet

from workbench.errors import DataError

LONG = "x" * 131_073  # one character more than Python's reader of CSV takes
RAGGED = np.array([np.zeros(2, np.uint8), np.zeros(3, np.uint8)], dtype=object)
CYCLE: list = []
CYCLE.append(CYCLE)


def sentence_of(dataset, split, folder):
    """Read a split of the files in a folder, and return the error, which must be one of ours."""
    files = {path.name: path for path in folder.iterdir()}
    with pytest.raises(DataError) as caught:
        list(dataset.classes(split, files))
    return str(caught.value)


# --- CIFAR

ROWS = np.zeros((2, 3072), np.uint8)
# values that replace good ones, or the whole table; and what the sentence says
WRONG_BATCHES = {
    "a list": ([1], "holds a list, not a table"),
    "nothing": ({}, r"has no data among []"),
    "keys that are numbers": ({1: 2, b"data": 3}, "has no data among"),
    "no labels": ({"data": ROWS}, "has no {labels} among ['data']"),
    "floats": ({"data": ROWS.astype(float)}, "data is float64 of shape (2, 3072), not uint8"),
    "wide numbers": ({"data": ROWS.astype(np.int64)}, "data is int64 of shape"),
    "another size": ({"data": ROWS[:, :-1]}, "data is uint8 of shape (2, 3071), not uint8 of"),
    "three axes": ({"data": ROWS[None]}, "data is uint8 of shape (1, 2, 3072)"),
    "a number": ({"data": 5}, "data is int64 of shape ()"),
    "objects": ({"data": RAGGED}, "data is object of shape (2,)"),
    "ragged lists": ({"data": [[1, 2], [3]]}, "data has items of different shapes"),
    "no images": ({"data": ROWS[:0], "{labels}": []}, "with at least one image"),
    "text": ({"data": "zebra"}, "data is <U5 of shape ()"),
    "None": ({"data": None}, "data is object of shape ()"),
    "labels too large": ({"{labels}": [0, 999]}, "{labels} has 999 where there are"),
    "labels below 0": ({"{labels}": [0, -1]}, "{labels} has -1 where labels count from 0"),
    "fewer labels": ({"{labels}": [0]}, "has 2 images and 1 {labels}"),
    "more labels": ({"{labels}": [0, 1, 2]}, "has 2 images and 3 {labels}"),
    "labels of text": ({"{labels}": ["a", "b"]}, "{labels} is <U1 of shape (2,)"),
    "labels of floats": ({"{labels}": [0.0, 1.0]}, "{labels} is float64 of shape (2,)"),
    "labels of objects": ({"{labels}": [0, None]}, "{labels} is object of shape (2,)"),
    "huge labels": ({"{labels}": [0, 2**70]}, "{labels} is object of shape (2,)"),
    "labels in a table": ({"{labels}": {0: 1}}, "{labels} is object of shape ()"),
    "no labels at all": ({"{labels}": []}, "{labels} is empty"),
    "a cycle": ({"{labels}": CYCLE}, "{labels}"),
}
CIFARS = {"cifar10": (Cifar10, "test", "labels"), "cifar100": (CifarFs, "train", "fine_labels")}


def cifar(folder, name, batch=None, names=None):
    """Write an archive of CIFAR, of two images in each batch, with one batch or the names wrong."""
    labels = CIFARS[name][2]
    good = {"data": ROWS, labels: [0, 1]}
    wrong = good if batch is None else batch
    if name == "cifar10":
        meta = {"label_names": names or [f"class {n}" for n in range(10)]}
        members = {"batches.meta": meta} | dict.fromkeys(BATCHES, good) | {"test_batch": wrong}
    else:
        meta = {"fine_label_names": names or [f"class {n}" for n in range(100)]}
        members = {"meta": meta, "train": good, "test": wrong}
    pickled = {f"c/{file}": pickle.dumps(content) for file, content in members.items()}
    archive = {"cifar10": "cifar-10-python.tar.gz", "cifar100": "cifar-100-python.tar.gz"}[name]
    (folder / archive).write_bytes(tar(pickled))


@pytest.mark.parametrize("name", CIFARS)
@pytest.mark.parametrize("kind", WRONG_BATCHES)
def test_a_wrong_batch_of_cifar(name, kind, tmp_path):
    dataset, split, labels = CIFARS[name]
    content, words = WRONG_BATCHES[kind]
    if isinstance(content, dict):
        content = {str(k).replace("{labels}", labels): v for k, v in content.items()}
        if content.keys() <= {"data", labels} and kind != "no labels" and content:
            content = {"data": ROWS, labels: [0, 1]} | content
    cifar(tmp_path, name, batch=content)
    sentence = sentence_of(dataset(), split, tmp_path)
    assert words.replace("{labels}", labels) in sentence
    batch = "test_batch" if name == "cifar10" else "test"
    assert sentence.startswith(f"c/{batch} in {tmp_path}")
    assert f"mlw download {name} --remove" in sentence


@pytest.mark.parametrize("name", CIFARS)
@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([1, 2], "has a int among its names"),
        ([b"a", None], "has a bytes among its names"),
        ("abc", "is not a list of names"),
        ({"a": 1}, "is not a list of names"),
        (["one"], "where there are 1 classes"),
    ],
)
def test_wrong_names_of_cifar(name, names, words, tmp_path):
    cifar(tmp_path, name, names=names)
    dataset, split, _ = CIFARS[name]
    assert words in sentence_of(dataset(), split, tmp_path)


def test_a_class_of_cifar_that_is_not_there(tmp_path):
    cifar(tmp_path, "cifar100")
    assert "fine_label_names lacks the class " in sentence_of(CifarFs(), "train", tmp_path)


# --- miniImageNet

IMAGES = np.zeros((4, 84, 84, 3), np.uint8)
WRONG_CACHES = {
    "a list": ([1], "holds a list, not a table"),
    "nothing": ({}, "holds [], neither image_data"),
    "mixed keys": ({1: 2, "a": 3}, "holds ['1', 'a'], neither image_data"),
    "one key": ({"image_data": IMAGES}, "holds ['image_data'], neither"),
    "floats": ({"image_data": IMAGES / 1, "class_dict": {"a": [0]}}, "image_data is float64"),
    "grey": ({"image_data": IMAGES[..., 0], "class_dict": {"a": [0]}}, "of shape (4, 84, 84)"),
    "planes": ({"data": IMAGES.transpose(0, 3, 1, 2), "labels": [0]}, "of shape (4, 3, 84, 84)"),
    "objects": ({"data": RAGGED, "labels": [0]}, "data is object of shape (2,)"),
    "no images": ({"data": IMAGES[:0], "labels": []}, "at least one image"),
    "rows in a list": ({"image_data": IMAGES, "class_dict": [0]}, "class_dict is not a table"),
    "no rows": ({"image_data": IMAGES, "class_dict": {}}, "class_dict is not a table"),
    "an empty class": ({"image_data": IMAGES, "class_dict": {"a": []}}, "of a is empty"),
    "numbers as names": (
        {"image_data": IMAGES, "class_dict": {1: [0], "a": [1]}},
        "class_dict has a int among its names",
    ),
    "rows of text": (
        {"image_data": IMAGES, "class_dict": {"a": ["0"]}},
        "class_dict of a is <U1 of shape (1,)",
    ),
    "rows too large": (
        {"image_data": IMAGES, "class_dict": {"a": [0, 4]}},
        "class_dict of a names images beyond the 4",
    ),
    "rows below 0": (
        {"image_data": IMAGES, "class_dict": {"a": [-1]}},
        "class_dict of a names images beyond the 4",
    ),
    "a row twice": (
        {"image_data": IMAGES, "class_dict": {"a": [1, 1]}},
        "class_dict of a names an image twice",
    ),
    "a row of two": (
        {"image_data": IMAGES, "class_dict": {"a": [1], "b": [1]}},
        "class_dict of b names an image twice",
    ),
    "fewer labels": ({"data": IMAGES, "labels": [0]}, "has 4 images and 1 labels"),
    "too few classes": ({"data": IMAGES, "labels": [0, 0, 1, 1]}, "of 2 classes, not of 64"),
}


@pytest.mark.parametrize("kind", WRONG_CACHES)
@pytest.mark.parametrize("layout", ["files", "archive"])
def test_wrong_pickles_of_miniimagenet(kind, layout, tmp_path):
    content, words = WRONG_CACHES[kind]
    name = "mini-imagenet-cache-train.pkl"
    if layout == "files":
        (tmp_path / name).write_bytes(pickle.dumps(content))
        place = str(tmp_path / name)
    else:
        archive = tmp_path / "mini-imagenet.tar"
        archive.write_bytes(tar({name: pickle.dumps(content)}, "w"))
        place = f"{name} in {archive}"
    sentence = sentence_of(MiniImageNet(), "train", tmp_path)
    assert words in sentence
    assert sentence.startswith(place)
    assert "mlw download miniimagenet --remove" in sentence


# --- tieredImageNet


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("train_labels.pkl", [1], "holds a list, not a table"),
        ("train_labels.pkl", {}, "has no label_specific_str among []"),
        ("train_labels.pkl", {"label_specific_str": [1]}, "has a int among its names"),
        ("train_images_png.pkl", {}, "is not a list of images"),
        ("train_images_png.pkl", [], "is not a list of images"),
        ("train_images_png.pkl", ["a"], "has a str among its images"),
        ("train_images_png.pkl", [np.zeros(3)], "has a ndarray among its images"),
    ],
)
def test_wrong_pickles_of_tieredimagenet(file, content, words, tmp_path):
    members, _ = tiered()
    members[file] = pickle.dumps(content)
    (tmp_path / "tiered-imagenet.tar").write_bytes(tar(members, "w"))
    sentence = sentence_of(TieredImageNet(), "train", tmp_path)
    assert words in sentence
    assert file in sentence
    assert "mlw download tieredimagenet --remove" in sentence


def test_fewer_images_than_labels_in_tieredimagenet(tmp_path):
    members, _ = tiered()
    members["train_images_png.pkl"] = pickle.dumps([np.zeros(3, np.uint8)])
    (tmp_path / "tiered-imagenet.tar").write_bytes(tar(members, "w"))
    sentence = sentence_of(TieredImageNet(), "train", tmp_path)
    assert "it has 1 images and 9 label_specific" in sentence


def test_names_of_tieredimagenet_that_are_no_text(tmp_path):
    members, _ = tiered()
    members["class_names.txt"] = b"\xff\xfe\x00"
    (tmp_path / "tiered-imagenet.tar").write_bytes(tar(members, "w"))
    assert "class_names.txt in" in sentence_of(TieredImageNet(), "train", tmp_path)


# --- tables in CSV

WRONG_TABLES = {
    "a long field": ("{head}\n" + LONG + ",1\n", "no table in CSV (field larger than field limit"),
    "no text": (b"\xff\xfe\x81", "no table in CSV ('utf-8' codec"),
    "other columns": ("a,b\n1,2\n", "it has no columns "),
    "empty": ("", "it has no columns "),
    "short": ("{head}\nx\n", ""),
}


@pytest.mark.parametrize("kind", WRONG_TABLES)
@pytest.mark.parametrize("name", ["miniimagenet", "isic", "chestx"])
def test_wrong_tables(name, kind, tmp_path):
    heads = {
        "miniimagenet": "filename,label",
        "isic": "image,MEL,NV",
        "chestx": "Image Index,Finding Labels",
    }
    content, words = WRONG_TABLES[kind]
    if isinstance(content, str):
        content = content.replace("{head}", heads[name]).encode()
    if name == "miniimagenet":
        file = "train.csv"
        (tmp_path / "mini.zip").write_bytes(zipped({file: content, "images/x": b"y"}))
        dataset, split = MiniImageNet(), "train"
    elif name == "isic":
        file = f"{ISIC}_GroundTruth.csv"
        (tmp_path / "isic.zip").write_bytes(zipped({file: content, "x.jpg": b"y"}))
        dataset, split = Isic(), "test"
    else:
        file = "Data_Entry_2017.csv"
        (tmp_path / file).write_bytes(content)
        dataset, split = ChestX(), "test"
    sentence = sentence_of(dataset, split, tmp_path)
    assert words in sentence
    assert file in sentence
    assert f"mlw download {name} --remove" in sentence


def test_every_split_of_the_fixture_is_read(tmp_path):
    """The tests above change one thing of files that are right otherwise."""
    members, classes = tiered()
    (tmp_path / "tiered-imagenet.tar").write_bytes(tar(members, "w"))
    files = {"tiered-imagenet.tar": tmp_path / "tiered-imagenet.tar"}
    for split in SPLITS:
        found = [each.name for each in TieredImageNet().classes(split, files)]
        assert found == classes[split]
