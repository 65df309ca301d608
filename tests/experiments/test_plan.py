"""From a spec, flags and a recipe to a plan: precedence, and what is trained first."""

from __future__ import annotations

import pytest
from small_runs import CONV, plan_of

from workbench.errors import UsageError
from workbench.experiments.plan import Plan, TrainingRequest, make_plan
from workbench.tasks.protocols.meta_dataset import MetaDataset
from workbench.tasks.protocols.way_shot import WayShot


def test_the_spec_comes_before_flags_and_flags_before_the_recipe(data):
    recipe = make_plan("protonet", data, TrainingRequest()).settings
    assert recipe.lr != 0.25
    assert plan_of(data, lr=0.25).settings.lr == 0.25
    assert plan_of(data, "protonet:lr=0.5", lr=0.25).settings.lr == 0.5
    assert plan_of(data, lr=0.25).label == "protonet"
    assert plan_of(data, "protonet:lr=0.50", lr=0.25).label == "protonet:lr=0.5"


def test_a_plan_holds_all_options_and_remembers_the_typed_ones(data):
    plan = plan_of(data, "protonet:temperature=2")
    assert plan.options == {"distance": "euclidean", "temperature": 2.0}
    assert plan.typed == {"temperature": "2.0"}
    assert plan.label == "protonet:temperature=2.0"
    assert plan.data == ("tiny",)


def test_a_method_without_tasks_has_no_training_protocol(data):
    plan = plan_of(data, "baseline")
    assert not plan.episodic
    assert plan.protocol is None
    assert (plan.settings.train_ways, plan.settings.train_shots) == (None, None)
    assert plan.val_protocol == WayShot(5, 5, 7)  # one training serves all ways and shots


def test_validation_tasks_are_as_test_tasks_unless_training_tasks_vary(data):
    plan = plan_of(data)
    assert plan.protocol == WayShot(8, 2, 5)
    assert plan.val_protocol == WayShot(3, 2, 10)
    varied = plan_of(data, train_protocol="meta-dataset")
    assert isinstance(varied.protocol, MetaDataset)
    assert varied.val_protocol == varied.protocol
    assert varied.settings.stack == 1  # few tasks have the same shape


def test_what_is_trained_first_is_a_plan_with_the_same_flags(data):
    plan = plan_of(data, "protonet:init=baseline", lr=0.25)
    assert isinstance(plan.init, Plan)
    assert (plan.init.algorithm, plan.init.settings.lr, plan.init.backbone) == (
        "baseline",
        0.25,
        CONV,
    )
    assert plan.init == plan_of(data, "baseline", lr=0.25)
    assert plan_of(data, "protonet:init=some-run").init == "some-run"
    assert plan_of(data, "protonet:init=none").init == ""


def test_one_algorithm_teaches_each_data_set_alone(two):
    plan = plan_of(two, "taught:teachers=baseline")
    assert [teacher.data for teacher in plan.teachers] == [("one",), ("other",)]
    assert plan_of(two, "taught:teachers=a+b").teachers == ("a", "b")


def test_too_few_teachers_are_one_sentence(two):
    with pytest.raises(UsageError, match="names 3 runs for 2 training data sets, one \\+ other"):
        plan_of(two, "taught:teachers=a+b+c")


def test_options_that_are_left_open_are_listed_unless_given(two):
    assert plan_of(two, "taught").selects == {"sharpness": (-1.0, 0.0, 1.0)}
    assert plan_of(two, "taught:sharpness=0").selects == {}


def test_a_recipe_s_backbone_keeps_its_options_under_the_user_s(data):
    for typed, backbone in (
        (None, "conv4:norm=batch,width=32"),  # the recipe's
        ("conv4:width=8", "conv4:norm=batch,width=8"),
        ("conv4:norm=group", "conv4:norm=group,width=32"),
        ("resnet12", "resnet12"),
    ):
        assert make_plan("maml", data, TrainingRequest(backbone=typed)).backbone == backbone


def test_a_precision_that_a_method_does_not_support_is_refused_before_any_training(data):
    assert plan_of(data, "maml", precision="bfloat16").settings.precision == "bfloat16"
    with pytest.raises(
        UsageError, match=r"imaml does not compute in bfloat16.*--precision float32"
    ):
        plan_of(data, "imaml", backbone="conv4:width=8", precision="bfloat16")
    with pytest.raises(UsageError, match="does not compute in bfloat16"):
        plan_of(data, "imaml:precision=bfloat16", backbone="conv4:width=8")
