"""Evaluations and trainings tell, and refuse, what their data share, like comparisons."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_runs import evaluated, plan_of, trained

from workbench.data.tables import Note, image_hashes
from workbench.errors import UsageError
from workbench.experiments.evaluate_run import evaluate_run
from workbench.experiments.train_run import train_run
from workbench.experiments.workspace import Workspace
from workbench.tasks.settings import EvaluationSettings, evaluation_tasks
from workbench.tasks.splits import TrainingData


def hashed(table):
    """Return a table with the hashes of its images, which open data sets have."""
    return table._replace(hashes=image_hashes(table.images))


def other_of(data, **tables):
    """Return a data set of another name, made of splits of the first one."""
    (tiny, *_) = data.members
    return TrainingData((replace(tiny, label="other", name="other", tables=tables),))


@pytest.fixture
def own(data):
    """The tiny data set with hashes; validation has images of its own."""
    (tiny, *_) = data.members
    tables = {split: hashed(table) for split, table in tiny.tables.items()}
    return TrainingData((replace(tiny, tables=tables),))


def test_evaluating_validation_images_under_another_name_is_refused(own, tmp_path):
    run = trained(own, tmp_path)
    tables = own.members[0].tables
    for split, word in (("val", "validation"), ("train", "training")):
        with pytest.raises(UsageError, match=f"are also {word} images of tiny"):
            evaluated(run, own, on=other_of(own, test=tables[split]))
    # validation tasks too, of what was trained on
    with pytest.raises(UsageError, match="validation images of other are also training images"):
        evaluated(run, own, on=other_of(own, val=tables["train"]), split="val")
    assert not (run.folder / "eval").exists()


def test_evaluating_tells_equal_names_and_grave_notes(own, tmp_path):
    run = trained(own, tmp_path)
    test = own.members[0].tables["test"]
    names = own.members[0].tables["train"].names[: len(test.names)]
    note = Note("its images are all alike", grave=True)
    renamed = test._replace(names=names, notes=[note])
    tasks = evaluation_tasks(
        other_of(own, test=renamed).members[0],
        EvaluationSettings(ways=3, shots=2, queries=4, episodes=4),
    )
    told = []
    evaluate_run(run, tasks, Workspace(device="cpu", note=told.append), trained_on=own)
    assert told[0].startswith(f"{len(names)} of the test classes of other have the name of a train")
    assert told[1] == "other: its images are all alike"


def test_training_tells_that_validation_images_are_training_images(own, tmp_path):
    tables = {**own.members[0].tables, "val": own.members[0].tables["train"]}
    nested = TrainingData((replace(own.members[0], tables=tables),))
    for _ in range(2):  # a finished run is read, and told of as well
        told = []
        train_run(plan_of(nested), nested, Workspace(tmp_path, "cpu", note=told.append))
        (note,) = told
        assert "validation images of tiny are also training images of tiny" in note
        assert note.endswith("validation accuracy is too high, and chooses badly")
