"""Labels of methods, and rows grouped by condition."""

from __future__ import annotations

import pandas as pd
import pytest
from frames import cell, frame_of

from workbench.errors import WorkbenchError
from workbench.results.frame import for_csv
from workbench.results.grouping import conditions, labelled, varying


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
