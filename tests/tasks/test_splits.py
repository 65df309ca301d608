"""Data sets as what tasks are drawn from, and several as one."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from workbench.data.opening import OpenDataset
from workbench.data.tables import Groups, Table
from workbench.errors import DataError, UsageError
from workbench.tasks.splits import (
    TrainingData,
    class_index,
    domain,
    open_training_data,
    parts_of,
    require_same_shape,
    require_training_classes,
    smallest,
    training_data,
)
from workbench.testing import tiny_data


def table(*names, images=2, shape=(1, 4, 4), groups=None):
    """Return classes of some images each."""
    rows = np.zeros((images * len(names), *shape), np.uint8)
    return Table(rows, names, np.arange(len(names) + 1) * images, "content", groups)


def dataset(label, name="", **tables):
    return OpenDataset(label, name or label, tables)


@pytest.fixture
def tiny():
    return tiny_data().members[0]


# --- one split


def test_a_split_has_its_classes_as_rows(tiny):
    index = class_index(tiny, "test")
    assert index.counts.tolist() == [12] * 8
    assert index.groups == ()
    found = domain(tiny, "test")
    assert found.name == "tiny"
    assert found.images is tiny.tables["test"].images
    assert np.array_equal(found.classes.starts, index.starts)


def test_groups_are_numbers_of_classes():
    groups = Groups((("b", "c"), ("a",)), whole=True)
    index = class_index(dataset("letters", test=table("a", "b", "c", groups=groups)), "test")
    assert [group.tolist() for group in index.groups] == [[1, 2], [0]]
    assert index.whole


def test_a_split_that_there_is_not_is_refused(tiny):
    for use in (class_index, domain):
        with pytest.raises(DataError, match="tiny has no holdout classes; its splits: train, val"):
            use(tiny, "holdout")


def test_the_smallest_classes_of_all_splits_are_found():
    one = class_index(dataset("one", train=table("a", "b", "c", images=5)), "train")
    other = class_index(dataset("other", train=table("a", "b", images=7)), "train")
    assert smallest([one, other]) == (2, 5)
    assert smallest([other]) == (2, 7)


# --- several data sets as one


def test_one_data_set_is_itself(tiny):
    data = training_data([tiny])
    assert data.members == (tiny,)
    assert (data.labels, data.label, data.name) == (("tiny",), "tiny", "tiny")
    assert data.fingerprint == tiny.fingerprint
    assert data.image_shape == (1, 16, 16)


def test_several_have_one_name_and_one_fingerprint(tiny):
    labels = ("aircraft", "dtd:size=16")
    one, other = (replace(tiny, label=label, name=label.partition(":")[0]) for label in labels)
    data = training_data([one, other])
    assert data.labels == labels
    assert data.label == "aircraft + dtd:size=16"
    assert data.name == "aircraft+dtd"
    together = hashlib.sha256((tiny.fingerprint * 2).encode()).hexdigest()
    assert data.fingerprint == together
    assert [each.name for each in data.domains("train")] == list(labels)


def test_a_data_set_that_is_named_twice_is_refused():
    for texts in (["glyphs", "glyphs"], ["glyphs", "glyphs:seed=0"]):
        with pytest.raises(UsageError, match="The training data name glyphs twice; name it once"):
            open_training_data(texts)


def test_all_must_have_training_classes(tiny):
    only_test = dataset("crops", test=table("a", shape=(1, 16, 16)))
    with pytest.raises(DataError, match="crops has no train classes; its splits: test"):
        training_data([tiny, only_test])
    assert training_data([only_test]).labels == ("crops",)  # it says so when it is trained on


def test_without_training_classes_a_command_that_works_is_named(tiny):
    require_training_classes(tiny, ["protonet"])
    crops = dataset("crops:size=40", "crops", test=table("a", shape=(3, 40, 40)))
    with pytest.raises(DataError) as caught:
        require_training_classes(crops, ["protonet", "maml:inner_steps=1"])
    assert str(caught.value) == (
        "crops:size=40 has no training classes, only test classes. Train on another data set, for "
        "instance: mlw compare protonet maml:inner_steps=1 --train-on glyphs:channels=3,size=40 "
        "--test-on crops:size=40"
    )
    whole = replace(crops, label_of_whole="crops:size=40,split=train")
    with pytest.raises(DataError, match=r"test elsewhere: crops:size=40,split=train$"):
        require_training_classes(whole, ["protonet"])


def test_all_must_have_images_of_one_shape(tiny):
    wide = dataset("wide", train=table("a", shape=(1, 8, 8)))
    with pytest.raises(UsageError, match="The images of tiny are 1 x 16 x 16, and those of wide"):
        training_data([tiny, wide])


@pytest.mark.parametrize(
    ("name", "found", "shape", "advice"),
    [
        ("omniglot", (1, 4, 4), (1, 8, 8), "for instance omniglot:size=8"),
        ("omniglot", (1, 4, 4), (3, 8, 8), "for instance omniglot:channels=3,size=8"),
        ("eurosat", (3, 4, 4), (3, 8, 8), "for instance eurosat:size=8"),
        ("eurosat", (3, 4, 4), (1, 8, 8), "for instance eurosat:channels=1,size=8"),
        ("glyphs", (1, 4, 4), (3, 8, 8), "for instance glyphs:channels=3,size=8"),
        # it has no options, but Omniglot has
        ("no_such_set", (3, 4, 4), (1, 8, 8), "for instance train on omniglot:channels=3,size=4"),
        ("no_such_set", (3, 4, 4), (3, 8, 8), "train on omniglot:size=4"),
    ],
)
def test_another_shape_says_which_options_to_add(name, found, shape, advice):
    wide = dataset(f"{name}:size=4", name, train=table("a", shape=found))
    require_same_shape("They are", found, wide)
    with pytest.raises(UsageError, match=f"those of {name}:size=4 are . x 4 x 4") as caught:
        require_same_shape("They are", shape, wide, ["omniglot"])
    assert str(caught.value).endswith(advice)


def test_where_no_option_helps_it_says_so():
    wide = dataset("no_such_set", "no_such_set", train=table("a", shape=(3, 4, 4)))
    with pytest.raises(UsageError, match=r"no option of no_such_set makes them equal"):
        require_same_shape("They are", (1, 4, 4), wide)


def test_domains_are_those_that_have_the_split():
    one = dataset("one", train=table("a"), val=table("v"))
    other = dataset("other", train=table("b"))
    data = training_data([one, other])
    assert [each.name for each in data.domains("train")] == ["one", "other"]
    assert [each.name for each in data.domains("val")] == ["one"]
    assert data.validated_on == ("one",)
    with pytest.raises(DataError, match="one has no test classes"):
        data.domains("test")


def test_parts_are_those_of_incomplete_data_sets(tiny):
    part = replace(tiny, label="eurosat", part="4,000 of 27,000 images")
    assert list(parts_of([tiny, part])) == ["eurosat: 4,000 of 27,000 images"]
    assert TrainingData((tiny, part)).parts == ("eurosat: 4,000 of 27,000 images",)


# --- validation tasks


@pytest.mark.parametrize(
    ("asked", "images", "shape"),
    [
        ((3, 1), 20, (3, 1, 15)),
        ((3, 10), 20, (3, 10, 10)),  # what the shots leave
        ((30, 1), 20, (8, 1, 15)),  # eight classes
        ((3, 40), 20, (3, 19, 1)),  # one image is left to query
        ((3, 5), 1, (3, 1, 1)),
    ],
)
def test_validation_tasks_are_as_asked_if_the_classes_allow(asked, images, shape):
    assert tiny_data(images=images).validation_shape(*asked) == shape


def test_validation_tasks_fit_the_smallest_data_set():
    one = dataset("one", train=table("a"), val=table("v", "w", "x", images=9))
    other = dataset("other", train=table("b"), val=table("y", "z", images=30))
    assert training_data([one, other]).validation_shape(5, 4) == (2, 4, 5)


def test_without_validation_classes_there_are_no_queries():
    assert training_data([dataset("one", train=table("a"))]).validation_shape(5, 4) == (5, 4, 0)
