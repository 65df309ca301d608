"""Nothing is tested that was trained on, under whatever name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from registered import open_already

from workbench.data.opening import OpenDataset, open_dataset
from workbench.data.tables import Table, image_hashes
from workbench.errors import UsageError
from workbench.tasks.leaks import refuse_leak, tell_validation_leak
from workbench.tasks.splits import TrainingData


def table(*names, images=2, seed=0):
    """Return classes of some images each, that are others for each seed."""
    random = np.random.default_rng(seed)
    rows = random.integers(0, 256, (images * len(names), 1, 4, 4), np.uint8)
    starts = np.arange(len(names) + 1) * images
    return Table(rows, names, starts, "content", hashes=image_hashes(rows))


def dataset(label, name="", source="", **tables):
    return OpenDataset(label, name or label, tables, source=source)


def notes_on(train, test, earlier=(), split="test"):
    notes = []
    refuse_leak(TrainingData(train), test, earlier, notes.append, split=split)
    return notes


def notes_on_validation(*train):
    notes = []
    tell_validation_leak(TrainingData(train), (), notes.append)
    return notes


WHOLE = dataset("land:split=train", "land", train=table("River", "Sea", seed=1))
USUAL = dataset("land", train=table("Wood", seed=2), test=table("Sea", seed=3))
WOODS = dataset("woods", train=table("Sea", seed=4))

# --- classes


def test_no_training_on_test_classes_by_another_split():
    words = "land:split=train trains on 1 of the test classes of land, Sea for instance"
    for members in ((WHOLE,), (WOODS, WHOLE)):
        with pytest.raises(UsageError, match=words):
            notes_on(members, USUAL)


def test_no_training_on_test_classes_under_another_name_of_the_same_files():
    one = dataset("cifarfs", source="cifar100", train=table("fish/ray", seed=1))
    other = dataset("cifar100", source="cifar100", test=table("fish/ray", "fish/trout", seed=2))
    with pytest.raises(UsageError, match="cifarfs trains on 1 of the test classes of cifar100"):
        notes_on([one], other)


def test_the_own_splits_of_a_data_set_are_allowed():
    assert notes_on([USUAL], USUAL) == []
    elsewhere = replace(WHOLE, tables={"train": table("River")})
    assert notes_on([elsewhere], USUAL) == []


def test_a_class_of_the_same_name_in_another_source_is_said():
    (note,) = notes_on([WOODS], USUAL)
    assert note.startswith("1 of the test classes of land have the name of a training class of woo")


def test_no_training_on_test_classes_by_a_run_that_came_before(monkeypatch):
    open_already(monkeypatch, [WHOLE, WOODS])
    now = [dataset("hills", train=table("Hill", seed=5))]
    with pytest.raises(UsageError, match="land:split=train trains on 1 of the test classes of lan"):
        notes_on(now, USUAL, earlier={"woods", "land:split=train"})
    gone, same_name = notes_on(now, USUAL, earlier={"woods", "gone"})
    assert gone.startswith("gone, which an earlier run learned from, was not compared with land")
    assert "training class of woods" in same_name


# --- images


def test_no_training_on_test_images_under_another_name():
    one = dataset("same-a", train=table("a", "b", images=6))
    other = dataset("same-b", test=table("c", "d", images=6))
    words = "12 of the 12 test images of same-b are also training images of same-a, most of th"
    with pytest.raises(UsageError, match=words):
        notes_on([one], other)


def test_no_training_on_test_images_of_the_same_data_set():
    nested = dataset("nested", train=table("a"), test=table("other/a"))
    with pytest.raises(UsageError, match="2 of the 2 test images of nested are also training imag"):
        notes_on([nested], nested)


def test_no_training_on_test_images_by_a_run_that_came_before(monkeypatch):
    open_already(monkeypatch, [dataset("same-a", train=table("a"))])
    with pytest.raises(UsageError, match="are also training images of same-a"):
        notes_on([WOODS], dataset("same-b", test=table("b")), earlier={"same-a"})


def test_what_came_before_in_another_size_is_compared_in_that_of_the_test():
    small = open_dataset("glyphs:size=14")
    notes = []
    other = replace(small, label="scans", name="scans", tables={"test": small.table("train")})
    with pytest.raises(UsageError, match="test images of scans are also training images of glyphs"):
        refuse_leak(TrainingData([WOODS]), other, {"glyphs"}, notes.append)


def test_few_images_that_are_shared_are_said():
    one, other = table("a", images=300, seed=1), table("b", images=300, seed=2)
    other.hashes[:3] = one.hashes[:3]
    birds = dataset("birds", test=other)
    (note,) = notes_on([dataset("photos", train=one)], birds)
    assert note.startswith("3 of the 300 test images of birds are also training images of photos")
    other.hashes[3] = one.hashes[3]
    with pytest.raises(UsageError, match="4 of the 300 test images of birds"):
        notes_on([dataset("photos", train=one)], birds)


def test_images_of_one_colour_are_not_compared():
    white = np.full((4, 1, 4, 4), 255, np.uint8)
    rows = Table(white, ("a",), np.array([0, 4]), "content", hashes=image_hashes(white))
    assert notes_on([dataset("one", train=rows)], dataset("other", test=rows)) == [
        "1 of the test classes of other have the name of a training class of one, a for instance: "
        "if they are the same things, they are not new"
    ]


# --- validation, which chooses options and the best weights

CHOSEN = dataset("chosen", train=table("a", seed=6), val=table("b", images=6, seed=7))


def test_no_testing_on_validation_images_under_another_name():
    words = (
        "6 of the 6 test images of again are also validation images of chosen, which choose "
        "options and the best weights, most of them in c"
    )
    with pytest.raises(UsageError, match=words):
        notes_on([CHOSEN], dataset("again", test=table("c", images=6, seed=7)))


def test_no_testing_on_validation_classes_of_the_same_files():
    other = dataset("chosen:split=b", "chosen", test=table("b", seed=8))
    with pytest.raises(UsageError, match="chosen validates on 1 of the test classes of chosen:spl"):
        notes_on([CHOSEN], other)


def test_validation_classes_are_evaluated_as_long_as_they_were_not_trained_on():
    assert notes_on([CHOSEN], CHOSEN, split="val") == []
    assert notes_on([CHOSEN], CHOSEN, split="train") == []  # asked for by its name
    trained = dataset("trained", train=table("x", images=6, seed=7))
    words = "6 of the 6 validation images of chosen are also training images of trained"
    with pytest.raises(UsageError, match=words):
        notes_on([trained], CHOSEN, split="val")


def test_validation_on_training_images_is_said():
    assert notes_on_validation(CHOSEN) == []
    nested = dataset("nested", train=table("a"), val=table("other/a"))
    assert notes_on_validation(nested) == [
        "2 of the 2 validation images of nested are also training images of nested, most of them "
        "in other/a: validation accuracy is too high, and chooses badly"
    ]
    trained = dataset("trained", train=table("x", images=6, seed=7))
    (note,) = notes_on_validation(trained, CHOSEN)
    assert note.startswith("6 of the 6 validation images of chosen are also training images of tr")
