"""Search spaces: typed ones, and those that options give by themselves."""

from __future__ import annotations

from typing import Literal

import pytest
from small_runs import plan_of

from workbench.errors import UnknownName, UsageError
from workbench.plugin.options import Above, AtLeast, Between, Option
from workbench.testing import tiny_data
from workbench.tuning.space import Axis, in_words, own_axis, own_space, typed_space


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("inner_lr=1e-3..1", Axis("inner_lr", (), 1e-3, 1.0, False)),
        ("inner_steps=1..10", Axis("inner_steps", (), 1, 10, True)),
        ("inner_steps=1,5,1", Axis("inner_steps", (1, 5))),
        ("first_order=true,no", Axis("first_order", (True, False))),
        ("clip_norm=none,1", Axis("clip_norm", (None, 1.0))),
        ("clip_norm=1..10", Axis("clip_norm", (), 1.0, 10.0, False)),
        ("augment=none,flip", Axis("augment", ("none", "flip"))),
        (
            "backbone=conv4:width=32,norm=batch,resnet12",
            Axis("backbone", ("conv4:width=32,norm=batch", "resnet12")),
        ),
    ],
)
def test_typed_axes(text, axis):
    assert typed_space("maml", [text]) == (axis,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("inner_lr", "write OPTION=LOW..HIGH"),
        ("inner_lr=", "write OPTION=LOW..HIGH"),
        ("inner_lr=1..0.1", "is empty"),
        ("inner_lr=-1..1", "at least 0"),
        ("inner_lr=a..b", "must be float"),
        ("inner_lr=0.1", "leaves nothing to choose"),
        ("inner_steps=1.5..3", "must be int"),
        ("innerlr=1e-3..1", "Did you mean inner_lr?"),
        ("first_order=true..false", "is no number"),
        ("schedule=step..linear", "is no number"),
        ("augment=flip..crop", "is no number"),
    ],
)
def test_what_is_no_axis_is_one_sentence(text, words):
    with pytest.raises(UsageError) as error:
        typed_space("maml", [text])
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_an_option_twice_and_an_unknown_backbone_are_refused():
    with pytest.raises(UsageError, match="twice"):
        typed_space("maml", ["inner_lr=1e-3..1", "inner_lr=1,2"])
    with pytest.raises(UnknownName, match="conv4"):
        typed_space("maml", ["backbone=conv4,conv5x"])


@pytest.mark.parametrize(
    ("option", "value", "axis"),
    [
        (Option("a", float, 0.5, "", Between(0.1, 0.9)), 0.5, Axis("a", (), 0.1, 0.9)),
        (Option("a", int, 5, "", Between(1, 9)), 5, Axis("a", (), 1, 9, True)),
        (Option("a", float, 0.5, "", AtLeast(0)), 0.5, Axis("a", (), 0.05, 5.0)),
        (Option("a", float, 0.5, "", Above(0)), 0.5, Axis("a", (), 0.05, 5.0)),
        (Option("a", float, 0.5, "", AtLeast(0.3)), 0.5, Axis("a", (), 0.3, 5.0)),
        (Option("a", float | None, 0.5, ""), 0.5, Axis("a", (), 0.05, 5.0)),
        (Option("a", int, 5, "", AtLeast(3)), 5, Axis("a", (), 3, 20, True)),
        (Option("a", int, 5, "", AtLeast(1)), 5, Axis("a", (), 2, 20, True)),
        (Option("a", Literal["x", "y"], "x", ""), "x", Axis("a", ("x", "y"))),
        (Option("a", Literal["x"], "x", ""), "x", None),
        (Option("a", float, 0.0, "", AtLeast(0)), 0.0, None),
        (Option("a", float | None, None, ""), None, None),
        (Option("a", bool, True, ""), True, None),
        (Option("a", str, "x", ""), "x", None),
    ],
)
def test_the_range_of_an_option(option, value, axis):
    assert own_axis(option, value) == axis


def test_a_method_has_the_ranges_of_its_options_and_its_rate():
    data = tiny_data()
    names = [axis.name for axis in own_space(plan_of(data, "maml"))]
    assert {"inner_lr", "inner_steps", "lr"} <= set(names)
    assert "first_order" not in names  # a switch names another method
    fewer = own_space(plan_of(data, "maml:inner_lr=0.1,lr=0.01"))
    assert not {"inner_lr", "lr"} & {axis.name for axis in fewer}


def test_what_a_method_chooses_at_test_is_not_varied():
    plan = plan_of(tiny_data(), "finetune")
    assert "tune_lr" in plan.selects
    assert "tune_lr" not in [axis.name for axis in own_space(plan)]


def test_a_method_without_ranges_is_refused():
    spec = "nearest_pixel:distance=cosine,space=pixels,neighbors=1"
    with pytest.raises(UsageError, match="no option with a range of its own"):
        own_space(plan_of(tiny_data(), spec, backbone=None, steps=0))


def test_axes_are_shown_as_they_are_typed():
    texts = ["inner_lr=0.001..1", "inner_steps=1,5", "backbone=conv4:width=32,resnet12"]
    assert in_words(typed_space("maml", texts)) == " ".join(texts)
