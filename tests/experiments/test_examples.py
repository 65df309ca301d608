"""Test tasks that are shown: drawn and answered again, as the evaluation answered them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import workbench as mlw
from workbench.data.opening import open_dataset
from workbench.experiments.examples import shown_tasks
from workbench.experiments.reported import evaluations_of
from workbench.experiments.run import find_runs
from workbench.experiments.workspace import Workspace

METHODS = ["protonet", "nearest_pixel"]


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    few = {"steps": 2, "backbone": "conv4:width=4", "episodes": 6, "ways": 3, "queries": 4}
    mlw.compare(METHODS, shots=[1, 2], seeds=2, out=out, device="cpu", **few)
    return evaluations_of(find_runs([out]), print)


@pytest.fixture(scope="module")
def shown(reported):
    return shown_tasks(reported.named, reported.tasks, 2, Workspace(device="cpu"))


def reasons(reported, **columns):
    frame = reported.tasks.assign(**columns)
    found = shown_tasks(reported.named, frame, 1, Workspace(device="cpu"))
    assert not found.examples
    return " ".join(found.reasons)


def test_answers_are_those_of_the_evaluation(shown):
    assert shown.reasons == ()
    assert [each.title for each in shown.examples] == [
        "glyphs, 3-way 1-shot",
        "glyphs, 3-way 2-shot",
    ]
    for each in shown.examples:
        assert each.differing == dict.fromkeys(METHODS, 0)
        assert [task.number for task in each.tasks] == [0, 1]


def test_other_answers_are_counted(reported):
    hits = [tuple(1 - hit for hit in task) for task in reported.tasks["hits"]]
    frame = reported.tasks.assign(hits=pd.Series(hits, dtype=object))
    found = shown_tasks(reported.named, frame, 1, Workspace(device="cpu"))
    assert found.examples[0].differing == dict.fromkeys(METHODS, 6 * 3 * 4)


def test_confusions_have_the_accuracy_of_the_frame(reported, shown):
    for shots, each in zip((1, 2), shown.examples, strict=True):
        rows = reported.tasks[
            (reported.tasks["shots"] == shots) & (reported.tasks["train_seed"] == 0)
        ]
        confusion = each.confusion
        assert confusion.tasks == 6
        for method, counts in confusion.counts.items():
            accuracy = rows.loc[rows["algorithm"] == method, "accuracy"].mean()
            assert np.trace(counts) / counts.sum() == pytest.approx(accuracy)
            assert list(counts.sum(1)) == list(np.diag(confusion.choices))
            assert (counts <= confusion.choices).all()


def test_pictures_are_the_images_of_the_classes(shown):
    table = open_dataset("glyphs").table("test")
    for task in shown.examples[1].tasks:
        assert task.support.shape == (6, 1, 28, 28)
        assert task.query.shape == (12, 1, 28, 28)
        assert len(set(task.classes)) == 3
        for images, labels in ((task.support, task.support_y), (task.query, task.query_y)):
            for image, label in zip(images, labels, strict=True):
                place = table.names.index(task.classes[label])
                of_class = table.images[table.starts[place] : table.starts[place + 1]]
                assert (of_class == image).all((1, 2, 3)).any()


def test_images_that_changed_or_are_gone(reported):
    assert "glyphs has other images today" in reasons(reported, test_fingerprint="other")
    words = "the images of omniglot are not in the cache; run: mlw download omniglot"
    assert words in reasons(reported, test_on="omniglot")


def test_code_and_tasks_that_changed(reported):
    assert "protonet, glyphs, 3-way 1-shot: its code has changed" in reasons(reported, code="other")
    assert "its tasks are of another version" in reasons(reported, results_version=1)


def test_protocols_that_ask_several_times(reported):
    assert "stream asks several times" in reasons(reported, protocol="stream", instance=1)
