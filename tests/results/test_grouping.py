"""Labels of methods, and rows grouped by condition."""

from __future__ import annotations

import pandas as pd
import pytest
from frames import cell, frame_of

from workbench.errors import WorkbenchError
from workbench.results.frame import for_csv, records
from workbench.results.grouping import conditions, labelled, separations, varying


def test_backbone_is_named_only_where_it_tells_two_apart():
    values = [0.1, 0.2]
    frame = frame_of(
        cell("a", values),
        cell("a", values, backbone="resnet12"),
        cell("a", values, options="k=1"),
        cell("b", values, backbone="resnet12"),
    )
    labels = list(labelled(frame)["method"].unique())
    assert labels == ["a (conv4)", "a (resnet12)", "a:k=1", "b"]


def test_settings_in_which_two_runs_differ_are_named():
    values = [0.1, 0.2]
    two, forty = "steps=2,lr=0.1,train_shots=1", "steps=40,lr=0.1,train_shots=1"
    frame = frame_of(
        cell("a", values, settings=two),
        cell("a", values, settings=forty),
        cell("a", values, settings=two.replace("shots=1", "shots=5"), shots=5),
        cell("b", values, settings=two),
        cell("b", values, settings=two.replace("shots=1", "shots=5"), shots=5),
        cell("c", values, all_options="k=1", options="k=1"),
        cell("c", values, all_options="k=2", backbone="resnet12"),
        cell("c", values, all_options="k=3", backbone="resnet12"),
    )
    labels = list(labelled(frame)["method"].unique())
    # the training shots of b follow from the test's: they tell nothing apart
    assert labels == ["a (steps=2)", "a (steps=40)", "b", "c:k=1", "c (k=2)", "c (k=3)"]


def test_conditions_and_methods_have_one_order():
    values = [0.1, 0.2]
    frame = frame_of(
        cell("b", values, shots=5),
        cell("c", values, shots=5),
        cell("a", values, shots=5),
        cell("b", values, protocol="meta-dataset", ways=None, shots=None, queries=None),
        cell("b", values, shots=1),
        cell("c", values, shots=1, ways=20),
        cell("a", values, shots=1),
    )
    ordered = labelled(frame)
    names = ["ways", "shots", "method"]
    cells = [list(row.values()) for row in records(ordered[names].drop_duplicates())]
    assert cells == [
        [5, 1, "b"],
        [5, 1, "a"],
        [5, 5, "b"],
        [5, 5, "a"],
        [5, 5, "c"],
        [20, 1, "c"],
        [None, None, "b"],
    ]
    assert ordered["task"].tolist() == [0, 1] * 7
    pd.testing.assert_frame_equal(labelled(ordered), ordered)


def test_names_that_stand_for_two_contents_say_which():
    values = [0.1, 0.2]
    frame = frame_of(
        cell("a", values, test_on="x", test_fingerprint="1" * 64),
        cell("a", values, test_on="x", test_fingerprint="2" * 64),
        cell("a", values, train_on="x", train_fingerprint="1" * 64, test_on="y"),
    )
    ordered = labelled(frame)
    assert list(ordered["test_on"].unique()) == ["x (images 11111111)", "x (images 22222222)", "y"]
    assert list(ordered["train_on"].unique()) == ["glyphs", "x (images 11111111)"]
    assert separations(frame) == [
        "x had different images in these runs (fingerprints 11111111 and 22222222): results on "
        "different images stand apart and are not paired"
    ]
    assert separations(ordered.iloc[:2]) == []


def test_results_of_two_versions_stand_apart():
    frame = frame_of(cell("a", [0.1, 0.2]), cell("b", [0.3, 0.1], results_version=1))
    assert [len(rows) for _, rows in conditions(labelled(frame))] == [2, 2]
    (line,) = separations(frame)
    assert "versions 1 and 2 are not of the same tasks" in line


def test_what_varies_among_tasks_is_none_in_a_condition():
    frame = frame_of(
        cell("a", [0.5], protocol="meta-dataset", ways=None, shots=None, queries=None),
        cell("a", [0.5, 0.6]),
    )
    (first, rows), (second, _) = conditions(frame)
    assert [first[name] for name in ("ways", "shots", "queries")] == [None, None, None]
    assert [second[name] for name in ("ways", "shots", "queries")] == [5, 1, 15]
    assert len(rows) == 1
    assert varying(frame) == ["protocol", "ways", "shots", "queries"]


def test_nothing_to_report(frame):
    with pytest.raises(WorkbenchError, match="no results to report"):
        labelled(frame.iloc[:0])
    with pytest.raises(WorkbenchError, match="has no column task, loss"):
        labelled(frame.drop(columns=["loss", "task"]))


def test_a_csv_file_is_refused_instead_of_parsed(frame, tmp_path):
    for_csv(frame).to_csv(tmp_path / "tasks.csv", index=False)
    read = pd.read_csv(tmp_path / "tasks.csv", keep_default_na=False)
    with pytest.raises(WorkbenchError, match="train_sets holds text instead of lists"):
        labelled(read)


def test_lists_of_a_parquet_file_read_with_pandas_are_fine(frame, tmp_path):
    frame.to_parquet(tmp_path / "tasks.parquet")
    read = pd.read_parquet(tmp_path / "tasks.parquet")
    assert list(labelled(read)["method"]) == list(labelled(frame)["method"])
