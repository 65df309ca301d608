"""The frame of traces and its figure."""

from __future__ import annotations

import pandas as pd
import pytest
from frames import cell, follows, frame_of

from workbench.errors import DataError, WorkbenchError
from workbench.results.frame import names_of, typed
from workbench.results.trace_figure import trace_figure
from workbench.results.traces import TRACES, read_traces, write_traces


@pytest.fixture
def frame():
    """Two methods, a and b, on three tasks each."""
    return frame_of(cell("a", [0.5, 0.6, 0.7]), cell("b", [0.4, 0.6, 0.8]))


@pytest.fixture
def traces(frame):
    """Method a has three steps, and b has none."""
    rows = []
    for row in frame.to_dict("records"):
        for step in range(4 if row["algorithm"] == "a" else 1):
            for part, gain in (("support", 0.2), ("query", 0.1)):
                accuracy = row["accuracy"] / 2 + gain * step
                rows.append(
                    {**row, "step": step, "part": part, "accuracy": accuracy, "loss": 1.6 - step}
                )
    return typed(pd.DataFrame(rows), TRACES)[names_of(TRACES)]


def test_traces_follow_their_schema_in_memory_and_in_files(traces, tmp_path):
    follows(traces, TRACES)
    write_traces(traces, tmp_path / "a.parquet")
    again = read_traces(tmp_path / "a.parquet")
    follows(again, TRACES)
    pd.testing.assert_frame_equal(again, traces)


def test_a_damaged_file_is_one_sentence(traces, tmp_path):
    path = tmp_path / "a.parquet"
    write_traces(traces, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        read_traces(path)


def test_means_by_step_are_drawn_for_each_method(traces, frame):
    figure = trace_figure(traces, frame)
    accuracy, loss = figure.axes
    query, support, level, _ = accuracy.lines
    assert list(query.get_xdata()) == [0, 1, 2, 3]
    assert list(query.get_ydata()) == pytest.approx([30, 40, 50, 60])
    assert list(support.get_ydata()) == pytest.approx([30, 50, 70, 90])
    assert list(level.get_xdata()) == [0, 3]
    assert list(level.get_ydata()) == pytest.approx([30, 30])
    assert list(loss.lines[0].get_ydata()) == pytest.approx([1.6, 0.6, -0.4, -1.4])
    band = accuracy.collections[0].get_paths()[0].get_extents()
    assert band.y0 < 30 < 60 < band.y1


def test_many_steps_have_a_logarithmic_axis(traces, frame):
    traces.loc[traces["step"] == 3, "step"] = 50
    assert trace_figure(traces, frame).axes[0].get_xscale() == "symlog"


def test_each_condition_has_a_row_of_panels(traces, frame):
    both = pd.concat([frame, frame.assign(shots=5)])
    figure = trace_figure(pd.concat([traces, traces.assign(shots=5)]), both)
    titles = [axis.get_title() for axis in figure.axes]
    assert ["5-shot" in title for title in titles] == [False, False, True, True]


def test_a_missing_column_is_named(traces, frame):
    with pytest.raises(WorkbenchError, match="part"):
        trace_figure(traces.drop(columns="part"), frame)
