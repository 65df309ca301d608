"""What all transfer baselines share: the contract, trainings, recipes and published numbers."""

import pytest
import torch

from workbench.experiments.build import build_learner
from workbench.experiments.plan import TrainingRequest, make_plan
from workbench.learning.evaluation import evaluate
from workbench.learning.training import Training
from workbench.plugin.options import parse_spec
from workbench.plugin.recipes import RECIPES, Condition, matching_number, published_numbers
from workbench.plugin.registry import registry
from workbench.tasks.source import Source
from workbench.testing import check_learner, tiny_data, tiny_source

HEADS = ["linear_probe", "simpleshot", "nearest_neighbor"]  # on a trained backbone
METHODS = [
    "baseline",
    "baseline:head_epochs=3,head_batch=5,head_lr=0.1",
    "baselinepp",
    "baselinepp:scale=5,head_epochs=3",
    "linear_probe",
    "linear_probe:c=10",
    "simpleshot",
    "simpleshot:transform=un",
    "simpleshot:transform=l2n",
    "nearest_neighbor",
    "nearest_neighbor:distance=cosine,neighbors=3",
    "nearest_neighbor:neighbors=100",
    "nearest_pixel",
]


@pytest.mark.parametrize("spec", METHODS)
def test_the_contract(spec):
    check_learner(spec, backbone="conv4:width=8")


@pytest.mark.parametrize("spec", ["baseline", "baselinepp", *HEADS])
def test_the_contract_with_the_recipes_backbone(spec):
    check_learner(spec)


@pytest.mark.parametrize("spec", METHODS)
@pytest.mark.parametrize("ways", [3, 5])
def test_what_is_trained_once_is_judged_at_any_way_and_shot(spec, ways):
    data = tiny_data()
    learner = build_learner(
        make_plan(spec, data, TrainingRequest(ways=3, shots=2, backbone="conv4:width=8")), data
    )
    assert evaluate(learner, tiny_source(ways=ways, shots=1, split="test"), 4).accuracy.shape == (
        4,
    )


@pytest.mark.parametrize("name", ["baseline", "baselinepp"])
def test_training_lowers_the_loss(name):
    data = tiny_data()
    plan = make_plan(
        f"{name}:steps=40,lr=3e-3", data, TrainingRequest(ways=3, shots=2, backbone="conv4:width=8")
    )
    source = Source(data.domains("train"), None, batch_size=16)
    losses = [
        record.loss for record in Training(build_learner(plan, data), source, plan.settings).steps()
    ]
    assert sum(losses[-5:]) < sum(losses[:5])


@pytest.mark.parametrize("name", [*HEADS, "nearest_pixel"])
def test_heads_take_no_training_step(name):
    data = tiny_data()
    learner = build_learner(
        make_plan(name, data, TrainingRequest(ways=3, shots=2, backbone="conv4:width=8")), data
    )
    before = {
        key: value.clone() for key, value in learner.state_dict().items() if key != "base_mean"
    }
    settings = make_plan("baseline:steps=5", data, TrainingRequest(ways=3, shots=2)).settings
    training = Training(learner, Source(data.domains("train"), None, batch_size=16), settings)
    assert list(training.steps()) == []
    assert not learner.training
    assert all(torch.equal(before[key], learner.state_dict()[key]) for key in before)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", ["baseline", "baselinepp", *HEADS, "nearest_pixel"])
def test_recipes_can_be_planned_where_they_say(name, recipe):
    places = {("miniimagenet" if recipe == "paper" else "glyphs", 5, 1)}
    for number in published_numbers(find(name)):
        (train_on,) = number.trained_on
        places.add((parse_spec(train_on).name, number.ways, number.shots))
    for train_on, ways, shots in places:
        data = tiny_data(classes=20, images=24, name=train_on)
        plan = make_plan(name, data, TrainingRequest(ways, shots, recipe=recipe))
        assert plan.algorithm == name


def test_published_numbers_are_those_of_the_options():
    condition = Condition(("miniimagenet",), "miniimagenet", "way-shot", 5, 5)

    def published(name, **options):
        number = matching_number(find(name), options, condition, "conv4")
        return number and number.accuracy

    assert published("baseline", head_epochs=100, head_lr=0.01) == 62.53
    assert published("baselinepp") == 66.43
    assert published("simpleshot", transform="un") == 63.25
    assert published("simpleshot", transform="cl2n") == 66.92
    assert published("simpleshot", transform="l2n") is None
    assert published("nearest_pixel", space="pixels") is None


def find(name):
    return registry().find("algorithms", name)


@pytest.mark.parametrize("name", HEADS)
def test_heads_of_the_quick_recipe_start_from_the_same_baseline(name):
    data = tiny_data(classes=20, images=24, name="miniimagenet")
    baseline = make_plan("baseline", data, TrainingRequest(5, 1))
    assert make_plan(name, data, TrainingRequest(5, 1)).init == baseline


@pytest.mark.parametrize("recipe", RECIPES)
def test_nearest_pixel_starts_from_nothing(recipe):
    data = tiny_data(classes=20, images=24, name="miniimagenet")
    assert make_plan("nearest_pixel", data, TrainingRequest(5, 1, recipe=recipe)).init == ""
