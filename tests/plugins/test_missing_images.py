"""Files that name classes or images which are not there: one sentence, which says what lacks."""

from __future__ import annotations

import io
import json
import pickle
import tarfile

import numpy as np
import pytest
from making_archives import idx, tar, zipped
from meta_dataset_layouts import aircraft, fungi
from mlw_vision.data.aircraft import Aircraft
from mlw_vision.data.cifar import BATCHES, Cifar10, Cifar100, CifarFs, Fc100
from mlw_vision.data.fungi import Fungi
from mlw_vision.data.idx import Mnist
from mlw_vision.data.lake_runs import LakeRuns
from mlw_vision.data.quickdraw import QuickDraw
from mlw_vision.data.reading import split_lists

from workbench.errors import DataError


def sentence_of(dataset, split, folder, files):
    """Read a split of files that are written to a folder; return the error, which must be ours."""
    paths = {}
    for name, content in files.items():
        paths[name] = folder / name
        paths[name].write_bytes(content)
    with pytest.raises(DataError) as caught:
        list(dataset.classes(split, paths))
    return str(caught.value)


def members_of(content):
    """Return the members of a tar archive by name."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {item.name: archive.extractfile(item).read() for item in archive}


# --- CIFAR


def fine_names():
    """Return the names of all classes of CIFAR-100, as its `meta` has them."""
    names = []
    for parts in split_lists("cifar100")["cifarfs"].values():
        for classes in parts.values():
            names += classes.split()
    return names


@pytest.mark.parametrize("size", [32, 16])  # no resizing, and resizing
@pytest.mark.parametrize("kind", [Cifar100, CifarFs, Fc100])
def test_a_class_of_cifar_100_without_images(kind, size, tmp_path):
    names = fine_names()
    batch = {"data": np.zeros((1, 3072), np.uint8), "fine_labels": [99]}
    members = {"meta": {"fine_label_names": names}, "train": batch, "test": batch}
    content = tar({f"c/{file}": pickle.dumps(value) for file, value in members.items()})
    files = {"cifar-100-python.tar.gz": content}
    sentence = sentence_of(kind(size=size), "test", tmp_path, files)
    assert sentence.startswith(f"c/train in {tmp_path}")
    assert "has no images in any batch" in sentence
    assert "mlw download cifar100 --remove" in sentence


def test_a_class_of_cifar_10_without_images(tmp_path):
    meta = {"label_names": [f"class {number}" for number in range(10)]}
    batch = {"data": np.zeros((1, 3072), np.uint8), "labels": [0]}
    members = {"batches.meta": meta} | dict.fromkeys(BATCHES, batch)
    content = tar({f"c/{file}": pickle.dumps(value) for file, value in members.items()})
    sentence = sentence_of(Cifar10(), "test", tmp_path, {"cifar-10-python.tar.gz": content})
    assert "the class class 1 has no images in any batch" in sentence


# --- Meta-Dataset


def test_an_aircraft_without_a_box(tmp_path):
    (files, _), name = aircraft(), "fgvc-aircraft-2013b.tar.gz"
    members = members_of(files[name])
    (boxes,) = (each for each in members if each.endswith("images_box.txt"))
    lines = members[boxes].decode().splitlines()
    files[name] = tar(members | {boxes: "\n".join(lines[1:]).encode()})
    sentences = []
    for split in ("train", "val", "test"):
        try:
            list(Aircraft().classes(split, write(tmp_path, files)))
        except DataError as error:
            sentences.append(str(error))
    assert len(sentences) == 1
    assert "it has no box for " in sentences[0]
    files[name] = tar(members | {boxes: b"0034309 1 2 three 4\n"})
    assert "'0034309 1 2 three 4' is no box" in sentence_of(Aircraft(), "test", tmp_path, files)


def write(folder, files):
    """Write files; return their paths by name."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in files}


def test_fungi_without_annotations_or_with_those_of_no_image(tmp_path):
    (files, _), name = fungi(), "train_val_annotations.tgz"
    members = members_of(files[name])
    empty = {"images": [], "annotations": [], "categories": []}
    files[name] = tar(dict.fromkeys(members, json.dumps(empty).encode()))
    assert "its tables hold no annotations" in sentence_of(Fungi(), "test", tmp_path, files)
    odd = empty | {"annotations": [{"image_id": 7, "category_id": 1}]}
    files[name] = tar(dict.fromkeys(members, json.dumps(odd).encode()))
    assert "an annotation of no image, 7" in sentence_of(Fungi(), "test", tmp_path, files)


@pytest.mark.parametrize("size", [28, 14])
def test_a_file_of_drawings_without_drawings(size, tmp_path):
    stream = io.BytesIO()
    np.save(stream, np.zeros((0, 784), np.uint8))
    thing = split_lists("quickdraw")["test"][0]
    sentence = sentence_of(
        QuickDraw(size=size), "test", tmp_path, {f"{thing}.npy": stream.getvalue()}
    )
    assert "holds uint8 (0, 784), not bitmaps" in sentence


# --- others


def test_images_and_labels_of_digits_that_do_not_belong_together(tmp_path):
    files = {}
    for part in ("train", "t10k"):
        files[f"{part}-images-idx3-ubyte.gz"] = idx(np.zeros((2, 28, 28), np.uint8))
        files[f"{part}-labels-idx1-ubyte.gz"] = idx(np.zeros(3, np.uint8))
    assert "There are 4 images and 6 labels" in sentence_of(Mnist(), "test", tmp_path, files)


def test_a_drawing_of_a_run_that_is_not_there(tmp_path):
    pairs = []
    for number in range(1, 21):
        pairs.append(f"run01/test/item{number:02d}.png run01/training/class{number:02d}.png")
    members = {"run01/class_labels.txt": "\n".join(pairs).encode()}
    sentence = sentence_of(LakeRuns(), "test", tmp_path, {"all_runs.zip": zipped(members)})
    assert sentence.endswith("all_runs.zip contains no run01/training/class01.png.")
    members = {"run01/class_labels.txt": b"one word two\n"}
    sentence = sentence_of(LakeRuns(), "test", tmp_path, {"all_runs.zip": zipped(members)})
    assert "does not pair 20 classes" in sentence
