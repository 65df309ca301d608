"""Published numbers: each stands once, where a result can meet it, as the literature prints it."""

from __future__ import annotations

import csv

import pytest
from places import SHARED

from workbench.plugin.options import canonical_spec, convert_options, options_of, parse_spec
from workbench.plugin.recipes import published_numbers
from workbench.plugin.registry import registry

TABLE = SHARED.parent / "reference" / "published-results.csv"
NOT_HERE = (
    "wrn-28-10",
    "conv4-96-192-384-512",
)  # backbones of papers that the workbench does not have
# The names of our data sets in the table of the literature, each after "Meta-Dataset:" too.
NAMES = {
    "omniglot": ("Omniglot", "Omniglot 5 classes/episode"),
    "miniimagenet": ("miniImageNet",),
    "tieredimagenet": ("tieredImageNet",),
    "cub": ("CUB",),
    "cifarfs": ("CIFAR-FS",),
    "fc100": ("FC100",),
    "lake_runs": ("Omniglot within-alphabet",),
    "ilsvrc_2012": ("ILSVRC", "ImageNet"),
    "aircraft": ("Aircraft",),
    "cu_birds": ("Birds",),
    "dtd": ("Textures",),
    "quickdraw": ("QuickDraw",),
    "fungi": ("Fungi",),
    "vgg_flower": ("VGGFlower",),
    "traffic_sign": ("Trafficsigns", "TrafficSign"),
    "mscoco": ("MSCOCO",),
    "mnist": ("MNIST",),
    "cifar10": ("CIFAR-10",),
    "cifar100": ("CIFAR-100",),
    "chestx": ("ChestX",),
    "isic": ("ISIC",),
    "eurosat": ("EuroSAT",),
    "cropdisease": ("CropDisease", "CropDiseases"),
}
# How the table calls the instances of a class within a sequence.
ORDINALS = {
    1: "1st instance",
    2: "2nd instance",
    3: "3rd instance",
    4: "4th instance",
    5: "5th instance",
    10: "10th instance",
}
# Numbers of papers that the table does not have.
NOT_IN_THE_TABLE = {
    ("anil", 20, 1, 96.7),
    ("anil", 20, 5, 98.0),
    ("imaml", 5, 1, 48.96),
}


def numbers():
    """Return (algorithm, number) for all of our plugins, aliases apart."""
    found = []
    for name, registration in registry().entries("algorithms").items():
        if registration.distribution.startswith("mlw-") and not registration.base:
            found += [(name, number) for number in published_numbers(registration)]
    return found


def test_no_number_stands_twice():
    places = []
    for name, number in numbers():
        options = tuple(sorted(number.options.items()))
        task = (number.data, number.ways, number.shots, number.drawn, number.instance)
        places.append((name, options, number.backbone, number.trained_on, *task))
    assert len(places) > 200
    assert len(places) == len(set(places))


@pytest.mark.parametrize("kind", ["data", "backbone"])
def test_specs_are_written_as_results_write_them(kind):
    """A spec in another order, or with a default, would never match."""
    kinds = {"data": "datasets", "backbone": "backbones"}
    for _, number in numbers():
        text = getattr(number, kind)
        if text in ("", *NOT_HERE):
            continue
        spec = parse_spec(text)
        known = options_of(registry().find(kinds[kind], spec.name).load())
        resolved = convert_options(spec.name, spec.options, known)
        assert canonical_spec(spec.name, resolved, known) == text


def test_training_data_have_training_classes_and_images_like_the_tests():
    for name, number in numbers():
        where = f"{name} on {number.data}"
        test = data_options(number.data)
        for spec in number.trained_on:
            trained = data_options(spec)
            assert trained.get("split") != "test", f"{where} is never trained on {spec}"
            assert parse_spec(spec).name not in ("lake_runs", "traffic_sign", "mscoco"), where
            if "channels" not in trained and "channels" in test:
                assert test["channels"] == 3, f"{where} needs the colours of {spec}"


def test_optimisation_based_methods_have_no_running_averages():
    """They refuse them, so a number with such a backbone would never be met."""
    for name, number in numbers():
        if name in ("anil", "cavia", "imaml", "maml", "metasgd", "reptile"):
            assert parse_spec(number.backbone).options["norm"] == "batch"


def test_options_are_of_the_algorithm():
    for name, number in numbers():
        known = options_of(registry().find("algorithms", name).load())
        convert_options(name, number.options, known)


def test_each_number_is_that_of_the_literature():
    if not TABLE.is_file():
        pytest.skip(f"the table of the literature, {TABLE.name}, is not here")
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for name, number in numbers():
        place = (name, number.ways, number.shots, number.accuracy)
        if place in NOT_IN_THE_TABLE and not is_in(rows, number):
            continue
        assert is_in(rows, number), f"{name}: {number}"


def is_in(rows, number):
    """Return whether a row has the number, its spread, ways, shots, data set and network."""
    names = NAMES[parse_spec(number.data).name]
    tasks = (str(number.ways), str(number.shots))
    if number.ways is None:
        tasks = ("var", "var")
    if number.instance > 0:
        tasks = (str(number.ways), ORDINALS[number.instance])
    for row in rows:
        test_set = row["dataset"].split("->")[-1].split(":")[-1]
        same_tasks = (row["way"], row["shot"]) == tasks
        spread = float(row["ci95"]) if row["ci95"] else None
        same_number = (as_number(row["mean"]), spread) == (number.accuracy, number.spread)
        same_data = test_set in names
        if same_tasks and same_number and same_data and same_network(row["backbone"], number):
            return True
    return False


def as_number(text):
    return float(text) if text else None


def same_network(printed, number):
    """Return whether a network of the table may be the backbone of a number."""
    ours = parse_spec(number.backbone).name if number.backbone else ""
    printed = printed.lower()
    if ours == "koch":
        return printed.startswith("siamese")
    if ours == "mlp":
        return printed.startswith("lstm")  # MANN reads pixels
    if ours.startswith("conv"):
        return printed.startswith("conv")
    if ours.startswith("wrn"):
        return printed.startswith("wrn")
    return not ours or printed.startswith(ours)


def data_options(text):
    spec = parse_spec(text)
    known = options_of(registry().find("datasets", spec.name).load())
    defaults = {key: option.default for key, option in known.items()}
    return defaults | convert_options(spec.name, spec.options, known)
