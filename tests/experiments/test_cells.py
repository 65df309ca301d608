"""What a comparison consists of: data sets that are opened once, places, test tasks, refusals."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from registered import open_already

from workbench.data import opening
from workbench.errors import DataError, UnknownName, UsageError
from workbench.experiments.cells import Comparison, plan_cells
from workbench.progress import say_nothing
from workbench.tasks.settings import EvaluationSettings


def cells_of(*algorithms, note=say_nothing, ways=(None,), shots=(1,), **given):
    evaluations = tuple(EvaluationSettings(*each, episodes=4) for each in product(ways, shots))
    return plan_cells(Comparison(algorithms, evaluations=evaluations, **given), Path("runs"), note)


def test_all_axes_are_crossed():
    cells = cells_of(
        "protonet",
        "baseline",
        on=("glyphs", "glyphs:seed=1"),
        shots=(1, 5),
        backbones=("conv4", "conv4:width=8"),
        seeds=2,
    )
    assert len(cells) == 2 * 2 * 2 * 2 * 2
    assert (
        len({repr((cell.plan, cell.tasks.dataset.label, cell.tasks.shots)) for cell in cells}) == 32
    )
    assert {cell.plan.seed for cell in cells} == {0, 1}
    for cell in cells:
        assert cell.train.members == (cell.tasks.dataset,)
        assert cell.plan.data == cell.train.labels


def test_two_specs_of_one_data_set_are_one():
    cells = cells_of("protonet", on=("glyphs", "glyphs:seed=0", "glyphs"))
    assert len(cells) == 1
    (cell,) = cells_of("protonet", on=("glyphs:seed=0",), train_on=("glyphs",))
    assert cell.train.members == (cell.tasks.dataset,)
    with pytest.raises(UsageError, match="The training data name glyphs twice; name it once"):
        cells_of("protonet", train_on=("glyphs", "glyphs:seed=0"))


def test_a_data_set_is_opened_once(monkeypatch):
    opened = []
    prepare = opening.prepare

    def count(name, *given, **options):
        opened.append(name)
        return prepare(name, *given, **options)

    monkeypatch.setattr(opening, "prepare", count)
    cells_of("protonet", "maml", on=("glyphs", "glyphs:seed=0"), train_on=("glyphs",), shots=(1, 5))
    assert opened == ["glyphs"]


def test_a_protocol_is_built_once_for_all_methods():
    cells = cells_of("protonet", "maml", seeds=2)
    assert len(cells) == 4
    assert len({id(cell.tasks) for cell in cells}) == 1


@pytest.fixture
def opened_two(two, monkeypatch):
    """The two data sets, for cells too."""
    open_already(monkeypatch, two.members)
    by_label = {member.label: member for member in two.members}
    monkeypatch.setattr(
        "workbench.experiments.cells.open_datasets", lambda labels, _: [by_label[x] for x in labels]
    )
    return two


def test_each_is_left_out_once(opened_two):
    said = []
    cells = cells_of(
        "protonet", on=("one", "other"), leave_one_out=True, ways=(3,), note=said.append
    )
    pairs = [(cell.tasks.dataset.label, cell.train.label) for cell in cells]
    assert pairs == [("one", "other"), ("other", "one")]
    assert said == []


def test_what_has_no_training_classes_is_only_tested_on(opened_two):
    said = []
    del opened_two.members[1].tables["train"]
    with pytest.raises(UsageError, match="Nothing is left to train on when one is left out"):
        cells_of("protonet", on=("one", "other"), leave_one_out=True, ways=(3,), note=said.append)
    assert said == ["only tested on, without training classes: other"]


def test_a_misspelt_name_is_refused_before_data_are_opened(monkeypatch):
    def refuse(labels, _):
        raise AssertionError(f"{labels} are opened")

    monkeypatch.setattr("workbench.experiments.cells.open_datasets", refuse)
    with pytest.raises(UnknownName, match="Did you mean maml"):
        cells_of("protonet", "mamml")


def test_tasks_for_which_one_data_set_is_too_small_are_left_out(opened_two):
    said = []
    places = {"on": ("one", "other"), "train_on": ("one",)}
    cells = cells_of("protonet", **places, ways=(3, 7), note=said.append)
    found = [(cell.tasks.dataset.label, cell.tasks.ways) for cell in cells]
    assert found == [("one", 3), ("one", 7), ("other", 3)]
    (note,) = said
    assert note.startswith("left out: 7 ways are more than the 6 classes")
    with pytest.raises(DataError, match="7 ways are more than the 6 classes"):
        cells_of("protonet", **places, ways=(7,))  # nothing would be left of `other`
    with pytest.raises(DataError, match="9 ways are more than the 8 classes"):
        cells_of("protonet", **places, ways=(3, 9))  # nothing would be left of 9 ways


def test_images_of_another_shape_are_refused():
    with pytest.raises(UsageError, match=r"images of glyphs are 1 x 28 x 28.* for instance glyphs"):
        cells_of("protonet", on=("glyphs:size=20",), train_on=("glyphs",))


def test_test_classes_that_were_trained_on_are_refused(opened_two, monkeypatch):
    one, _ = opened_two.members
    swapped = replace(one, label="one:split=other", tables={"test": one.tables["train"]})
    by_label = {"one": one, "one:split=other": swapped}
    monkeypatch.setattr(
        "workbench.experiments.cells.open_datasets", lambda labels, _: [by_label[x] for x in labels]
    )
    with pytest.raises(UsageError, match="one trains on 8 of the test classes of one:split=other"):
        cells_of("protonet", on=("one:split=other",), train_on=("one",))


def test_a_baseline_must_be_compared():
    assert cells_of("protonet", "baseline", baselines=("baseline",))
    with pytest.raises(UnknownName, match=r"no method 'protonets'\. Did you mean protonet"):
        cells_of("protonet", baselines=("protonets",))
