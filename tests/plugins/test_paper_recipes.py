"""Settings of the `paper` recipes that are derived from the authors' code, for all methods."""

from __future__ import annotations

import pytest

from workbench.plugin.options import parse_spec
from workbench.plugin.recipes import recipe_settings, recipe_tables
from workbench.plugin.registry import registry

# What the authors' code does to training images, in the words of `workbench.learning.augment`.
AUGMENTATIONS = {
    ("baseline", "omniglot"): "none",
    ("baseline", "miniimagenet"): "crop+jitter+flip",
    ("baseline", "cub"): "crop+jitter+flip",
    ("baselinepp", "omniglot"): "none",
    ("baselinepp", "miniimagenet"): "crop+jitter+flip",
    ("baselinepp", "cub"): "crop+jitter+flip",
    ("leo", "miniimagenet"): "shift+jitter+flip",
    ("leo", "tieredimagenet"): "shift+jitter+flip",
    ("linear_probe", "miniimagenet"): "shift+jitter+flip",
    ("metaoptnet", "miniimagenet"): "shift+jitter+flip",
    ("metaoptnet", "tieredimagenet"): "shift+jitter+flip",
    ("metaoptnet", "cifarfs"): "shift+jitter+flip",
    ("metaoptnet", "fc100"): "shift+jitter+flip",
    ("simpleshot", "miniimagenet"): "crop+flip",
    ("tim", "miniimagenet"): "crop+jitter+flip",
    ("tim", "cub"): "crop+jitter+flip",
}


def paper(algorithm, data, ways=5, shots=1):
    return recipe_settings(registry().find("algorithms", algorithm), "paper", data, ways, shots)


@pytest.mark.parametrize("algorithm", ["maml", "fomaml", "anil", "metasgd"])
@pytest.mark.parametrize("shots", [1, 5])
def test_the_clamp_of_10_is_on_a_sum_over_the_queries_divided_by_the_shots(algorithm, shots):
    settings = paper(algorithm, "miniimagenet", shots=shots)
    times_the_mean = 5 * settings["train_queries"] / shots
    assert settings["train_queries"] == 15
    assert settings["clip_value"] == pytest.approx(10 / times_the_mean, abs=5e-4)


@pytest.mark.parametrize("shots", [1, 5])
def test_cavias_clamp_of_10_is_on_a_mean(shots):
    assert paper("cavia", "miniimagenet", shots=shots)["clip_value"] == 10


@pytest.mark.parametrize(("algorithm", "data"), AUGMENTATIONS)
def test_images_are_augmented_as_by_the_authors(algorithm, data):
    assert augmentation(paper(algorithm, data)) == AUGMENTATIONS[algorithm, data]


def test_no_other_recipe_augments():
    found = set()
    for name, registration in registry().entries("algorithms").items():
        for table in recipe_tables(registration):
            for recipe in ("quick", "paper"):
                if augmentation(table.get(recipe, {})) != "none":
                    found.add((name, table.get("data"), recipe))
    changed = {place for place, augment in AUGMENTATIONS.items() if augment != "none"}
    assert found == {(*place, "paper") for place in changed}


def test_rfs_drops_blocks():
    assert paper("linear_probe", "miniimagenet")["backbone"] == "resnet12:drop=0.1"


def augmentation(settings):
    """Return `augment` of a recipe, or of the training that it starts from."""
    first = parse_spec(settings.get("init", "none"))
    return settings.get("augment", first.options.get("augment", "none"))
