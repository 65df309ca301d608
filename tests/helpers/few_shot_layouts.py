"""miniImageNet, tieredImageNet, CUB and CIFAR in their official layouts."""

from __future__ import annotations

import io
import pickle
import tarfile

import numpy as np
from making_archives import (
    EACH,
    NOISE,
    SPLITS,
    Files,
    photographs,
    picture,
    shade,
    some,
    tar,
    zipped,
)
from mlw_vision.data.cifar import cifarfs
from mlw_vision.data.reading import split_lists
from mlw_vision.data.tieredimagenet import superclasses


def miniimagenet_pickles() -> tuple[Files, dict]:
    classes = some(split_lists("miniimagenet"))
    members = {}
    for split, names in classes.items():
        images = [
            np.full((84, 84, 3), shade(name, i), np.uint8) for i in range(EACH) for name in names
        ]
        members[f"mini-imagenet-cache-{split}.pkl"] = pickle.dumps(
            {
                "image_data": np.stack(images),
                "class_dict": {n: list(range(k, 6, 2)) for k, n in enumerate(names)},
            },
            2,
        )
    return {"mini-imagenet.tar.gz": tar(members | {"noise": NOISE})}, classes


def miniimagenet_files() -> tuple[Files, dict]:
    (archive,), classes = miniimagenet_pickles()[0].values(), some(split_lists("miniimagenet"))
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        files = {
            name.replace("-val", "-validation"): opened.extractfile(name).read()
            for name in opened.getnames()
        }
    return files, classes


def miniimagenet_labels() -> tuple[Files, dict]:
    """`data` and `labels`, which count on from split to split."""
    files, labels = {}, 0
    for split, word in (("train", "train"), ("val", "validation"), ("test", "test")):
        names = split_lists("miniimagenet")[split]
        images = np.stack(
            [np.full((84, 84, 3), shade(name, i), np.uint8) for name in names for i in range(EACH)]
        )
        numbers = np.repeat(np.arange(len(names)), EACH) + labels
        labels += len(names)
        files[f"mini-imagenet-cache-{word}.pkl"] = pickle.dumps(
            {"data": images, "labels": numbers.tolist()}
        )
    return files, dict(split_lists("miniimagenet"))


def miniimagenet_images() -> tuple[Files, dict]:
    classes = some(split_lists("miniimagenet"))
    members = photographs(classes, "images/{name}{number:08d}.jpg")
    for split, names in classes.items():
        rows = [f"{name}{number:08d}.jpg,{name}" for name in names for number in range(EACH)]
        members[f"{split}.csv"] = "\n".join(["filename,label", *rows, ""]).encode()
    return {"mini-imagenet.zip": zipped(members)}, classes


def miniimagenet_all() -> tuple[Files, dict]:
    files, classes = miniimagenet_images()
    return files, {"train": [name for split in SPLITS for name in classes[split]]}


def tiered() -> tuple[Files, dict]:
    """Two classes have the same name and differ in order. Labels of superclasses are empty."""
    members, classes, words, numbers = {}, {}, [], []
    for split in SPLITS:
        groups = superclasses(split)
        chosen = sorted(groups)[:3]
        names = [f"{groups[each]}/{each}" for each in chosen]
        called = ["crane", "crane", f"{split} bird"]
        words += called
        numbers += chosen
        order = [2, 0, 1]  # labels count in an order of their own
        labels = {
            "label_specific": np.repeat(np.arange(3), EACH),
            "label_general": np.zeros(3 * EACH, int),
            "label_specific_str": [called[k] for k in order],
            "label_general_str": ["thing"],
        }
        images = [
            np.frombuffer(picture(shade(names[k], i), "PNG"), np.uint8)[:, None]
            for k in order
            for i in range(EACH)
        ]
        members[f"{split}_labels.pkl"] = pickle.dumps(labels, 2)
        members[f"{split}_images_png.pkl"] = pickle.dumps(images, 2)
        classes[split] = sorted(names)
    members["class_names.txt"] = "\n".join([*words, "elsewhere"]).encode()
    members["synsets.txt"] = "\n".join([*numbers, "n00000000"]).encode()
    return members, classes


def tieredimagenet_tar() -> tuple[Files, dict]:
    members, classes = tiered()
    return {
        "tiered-imagenet.tar": tar({f"tiered-imagenet/{n}": c for n, c in members.items()}, "w")
    }, classes


def tieredimagenet_files() -> tuple[Files, dict]:
    members, classes = tiered()
    return {f"tiered-imagenet-{name}": content for name, content in members.items()}, classes


def cub(scheme: str) -> tuple[Files, dict]:
    classes = some(split_lists("cub")[scheme])
    members = photographs(classes, "CUB_200_2011/images/{name}/{name}_{number}.jpg")
    members["CUB_200_2011/classes.txt"] = b"1 001.Black_footed_Albatross\n"
    return {"CUB_200_2011.tgz": tar(members)}, classes


def cifar100(classes: dict) -> tuple[Files, dict]:
    """Both batches hold images of every class, in rows of three planes."""
    every = sorted(name for split in SPLITS for name in cifarfs(split))
    fine = sorted(name.partition("/")[2] for name in every)
    members = {
        "cifar-100-python/meta": pickle.dumps(
            {"fine_label_names": fine, "coarse_label_names": []}, 2
        )
    }
    for part, numbers in (("train", range(2)), ("test", range(2, 3))):
        pairs = [(name, number) for number in numbers for name in every]
        planes = [np.repeat(np.array(shade(*pair), np.uint8), 1024) for pair in pairs]
        labels = [fine.index(name.partition("/")[2]) for name, _ in pairs]
        content = {"data": np.stack(planes), "fine_labels": labels, "coarse_labels": labels}
        members[f"cifar-100-python/{part}"] = pickle.dumps(content, 2)
    return {"cifar-100-python.tar.gz": tar(members | {"cifar-100-python/noise": NOISE})}, classes


def cifar10() -> tuple[Files, dict]:
    names = ["airplane", "automobile", "bird"]
    members = {"cifar-10-batches-py/batches.meta": pickle.dumps({"label_names": names}, 2)}
    for number, batch in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        name = names[number % 3]  # two batches for each class
        planes = [np.repeat(np.array(shade(name, number // 3), np.uint8), 1024)]
        content = {"data": np.stack(planes), "labels": [number % 3]}
        members[f"cifar-10-batches-py/{batch}"] = pickle.dumps(content, 2)
    return {"cifar-10-python.tar.gz": tar(members)}, {"test": names}
