"""A plugin's recipes mean its own things, whatever others register under the same names."""

from __future__ import annotations

import pytest
from registered import register

from workbench.data.catalog import find_dataset
from workbench.experiments.plan import TrainingRequest, make_plan
from workbench.learning.learner import Learner
from workbench.plugin.nearest import nearest_spec
from workbench.plugin.recipes import recipe_settings
from workbench.plugin.registry import DEFAULT_DATASET, registry
from workbench.testing import tiny_data


def own(kind, name):
    return registry().find(kind, name)


def test_a_name_that_one_plugin_has_stays_short():
    owner = own("algorithms", "linear_probe")
    assert nearest_spec("algorithms", "baseline:lr=0.1", owner) == "baseline:lr=0.1"
    assert nearest_spec("algorithms", "runs/baseline-x", owner) == "runs/baseline-x"
    assert nearest_spec("backbones", "none", owner) == "none"


def test_what_another_plugin_registers_changes_no_shipped_recipe(monkeypatch):
    owner = own("algorithms", "linear_probe")
    before = recipe_settings(owner, "quick", "omniglot", 5, 1)
    register(monkeypatch, "algorithms", "baseline", Learner)
    register(monkeypatch, "backbones", "conv4", Learner)
    register(monkeypatch, "datasets", "omniglot", Learner)
    after = recipe_settings(owner, "quick", "mlw-vision/omniglot", 5, 1)
    assert before["init"].startswith("baseline")
    assert after == before | {
        "init": "mlw-transfer/" + before["init"],
        **({"backbone": "mlw-vision/" + before["backbone"]} if "backbone" in before else {}),
    }
    plan = make_plan("protonet", tiny_data(), TrainingRequest())
    assert plan.backbone.startswith("mlw-vision/conv4")


def test_a_recipe_of_another_plugin_means_its_own(monkeypatch):
    register(monkeypatch, "algorithms", "baseline", Learner)
    theirs = own("algorithms", "tests/baseline")
    assert nearest_spec("algorithms", "baseline:lr=1", theirs) == "tests/baseline:lr=1"


@pytest.mark.parametrize("others", [0, 1])
def test_the_default_data_set_is_the_shipped_one(others, monkeypatch):
    for _ in range(others):
        register(monkeypatch, "datasets", "glyphs", Learner)
    assert type(find_dataset(DEFAULT_DATASET).dataset).__module__ == "mlw_vision.data.glyphs"
    assert find_dataset(DEFAULT_DATASET).label == ("mlw-vision/glyphs" if others else "glyphs")
