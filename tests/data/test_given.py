"""Images of a Python program as a data set: forms, splits, content, and what is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import TensorDataset
from torchvision.datasets import ImageFolder as TorchFolder

import workbench as mlw
from workbench.commands.own import named_data
from workbench.data.given import read_given
from workbench.data.opening import open_dataset
from workbench.errors import DataError, UsageError

CLASSES, EACH = 16, 3


@pytest.fixture(scope="module")
def pictures():
    """Return (n, 8, 8) images of 16 classes, and their labels."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (CLASSES * EACH, 8, 8)).astype(np.uint8)
    return images, np.repeat([f"c{number:02}" for number in range(CLASSES)], EACH)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "cache"))


def opened(data):
    (name,) = named_data(data)[:1] if isinstance(named_data(data), list) else [named_data(data)]
    return open_dataset(name)


def rows_by_class(dataset):
    found = {}
    for table in dataset.tables.values():
        for number, name in enumerate(table.names):
            found[name] = table.images[table.starts[number] : table.starts[number + 1]]
    return found


def test_classes_are_split_as_those_of_a_folder(pictures):
    dataset = opened(pictures)
    assert re.fullmatch("own-[0-9a-f]{6}", dataset.label)
    assert [len(dataset.tables[split].names) for split in ("train", "val", "test")] == [6, 5, 5]
    images, labels = pictures
    for name, rows in rows_by_class(dataset).items():
        assert np.array_equal(rows[:, 0], images[labels == name])


def forms(images, labels, folder):
    """Return the same images in every form that is taken."""
    names = [str(folder / f"{number}.png") for number in range(len(images))]
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image).save(name)
    numbers = torch.tensor([int(label[1:]) for label in labels])
    return {
        "array": (images[:, None], labels),
        "channels last": (images[..., None], labels.tolist()),
        "fractions": (images / 255, labels),
        "tensor": (torch.from_numpy(images)[:, None], labels),
        "PIL": ([Image.fromarray(image) for image in images], labels),
        "files": (names, list(labels)),
        "torch": TensorDataset(torch.from_numpy(images)[:, None] / 255, numbers),
    }


FORMS = ("array", "channels last", "fractions", "tensor", "PIL", "files", "torch")


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_give_the_same_pixels(pictures, form, tmp_path):
    images, labels = pictures
    dataset = opened({"given": forms(images, labels, tmp_path)[form]})
    assert dataset.label == "given"
    assert dataset.image_shape == (1, 8, 8)
    number = {True: lambda name: f"c{int(name):02}", False: str}[form == "torch"]
    for name, rows in rows_by_class(dataset).items():
        assert np.array_equal(rows[:, 0], images[labels == number(name)])


def test_an_image_folder_of_torchvision(pictures, tmp_path):
    images, labels = pictures
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = tmp_path / "folder" / label
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:03}.png")
    dataset = opened({"mine": TorchFolder(tmp_path / "folder")})
    assert dataset.image_shape == (3, 8, 8)  # its loader makes all images colour
    assert set(rows_by_class(dataset)) == set(labels), "by the names of its classes"


def test_options_bring_images_to_one_shape(pictures):
    images, labels = pictures
    mixed = [Image.fromarray(image).resize((8 + row % 2, 9)) for row, image in enumerate(images)]
    with pytest.raises(DataError, match=r'choose it with a name: on=\{"NAME:size=84"'):
        opened((mixed, labels))
    dataset = opened({"mixed:channels=3,size=6": (mixed, labels)})
    assert dataset.image_shape == (3, 6, 6)


def test_the_name_tells_the_content(pictures):
    images, labels = pictures
    changed = images.copy()
    changed[7, 0, 0] ^= 1
    swapped = np.roll(labels, 1)
    names = {named_data(pair) for pair in [(images, labels), (changed, labels), (images, swapped)]}
    assert len(names) == 3
    assert named_data((images.copy(), list(labels))) == named_data((images, labels))


def test_a_name_follows_its_images(pictures):
    """The same name with other images is prepared again."""
    images, labels = pictures
    first = opened({"mine": (images, labels)})
    second = opened({"mine": (255 - images, labels)})
    assert first.fingerprint != second.fingerprint
    assert opened({"mine": (images, labels)}).fingerprint == first.fingerprint


def test_a_comparison_on_several(pictures, tmp_path):
    with_names = {"mine": pictures, "others": (255 - pictures[0], pictures[1])}
    frame = mlw.compare(
        "nearest_pixel", on=with_names, out=tmp_path, episodes=3, queries=1, shots=1, ways=3
    )
    assert set(frame["test_on"]) == {"mine", "others"}


def test_a_run_finds_its_images_again(pictures, tmp_path, monkeypatch):
    """In another process, whose registry knows nothing."""
    from workbench.plugin.registry import registry

    run = mlw.train("nearest_pixel", on=pictures, out=tmp_path)
    registry.cache_clear()
    with pytest.raises(mlw.WorkbenchError, match="images that a program had") as error:
        mlw.evaluate(run, episodes=3, queries=1)
    assert "on=(images, labels)" in str(error.value)
    frame = mlw.evaluate(run, on=pictures, episodes=3, queries=1)
    assert len(frame) == 3


class Changing(TorchDataset):
    """Images that are augmented whenever they are read."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, number):
        noise = np.random.default_rng().integers(0, 9, (8, 8))
        return (self.images[number] // 2 + noise).astype(np.uint8), self.labels[number]


class Triples(Changing):
    def __getitem__(self, number):
        return self.images[number], self.labels[number], number


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda images, labels: (images, labels[:3]), "There are 48 images, and 3 labels"),
        (lambda images, labels: (images, ["a"] * 48), "labels of at least two classes"),
        (
            lambda images, labels: (images, ["a", "b", *["c"] * 46]),
            r"2 of 3 classes have one image only \(a, b\)",
        ),
        (lambda images, labels: images, "Images need labels"),
        (lambda images, labels: Changing(images, labels), "without random transforms"),
        (lambda images, labels: Triples(images, labels), "no pair of an image and a label"),
        (lambda images, labels: {"a": {"b": images}}, "a dictionary holds no other"),
        (lambda images, labels: {"a/b": (images, labels)}, "no name for a data set"),
        (lambda images, labels: (images * 1.0, labels), "has values outside of 0 to 1"),
        (lambda images, labels: (["lost.png"] * 48, labels), "lost.png cannot be read"),
        (lambda images, labels: iter([(images, labels)]), ""),
    ],
)
def test_what_is_not_understood_is_one_sentence(pictures, make, said):
    if not said:
        assert named_data(make(*pictures)) == [named_data(pictures)]
        return
    with pytest.raises((UsageError, DataError), match=said):
        opened(make(*pictures))


def test_labels_of_any_kind_are_texts():
    images = np.zeros((4, 2, 2), np.uint8)
    for labels in (
        [0, 0, 1, 1],
        np.array([0.0, 0, 1, 1]),
        torch.tensor([0, 0, 1, 1]),
        list("0011"),
    ):
        assert read_given(images, labels).labels == ["0", "0", "1", "1"]
