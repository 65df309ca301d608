"""Figures show the numbers of the tables, and all that is written in them can be read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from frames import cell, frame_of

from workbench.errors import WorkbenchError
from workbench.results.figures import accuracy_figure, curves_figure, difference_figure
from workbench.results.summary import summary


def bars(container, axis):
    """Return the points and half-widths of an error bar container; None where it has no bars."""
    line, _, collections = container
    points = np.column_stack(line.get_data(orig=False))
    if not collections:
        return points, None
    ends = np.array([segment[:, axis] for segment in collections[0].get_segments()])
    return points, (ends[:, 1] - ends[:, 0]) / 2


class TestFigures:
    def test_accuracy_shows_the_summary(self, frame):
        table = summary(frame)
        figure = accuracy_figure(frame)
        figure.draw_without_rendering()
        (axis,) = figure.axes
        assert [text.get_text() for text in axis.get_xticklabels()] == ["1", "5"]
        measured = {c.get_label(): c for c in axis.containers if c.get_label() != "published"}
        assert list(measured) == ["protonet", "maml:lr=0.1", "baseline"]
        for method, container in measured.items():
            cells = table[table["method"] == method]
            points, widths = bars(container, axis=1)
            assert points[:, 1] == pytest.approx(100 * cells["accuracy"].to_numpy())
            assert widths == pytest.approx(100 * cells["interval"].to_numpy())
            assert np.round(points[:, 0]).tolist() == [0, 1]  # beside its category
        (published,) = (c for c in axis.containers if c.get_label() == "published")
        points, widths = bars(published, axis=1)
        assert points[:, 1].tolist() == [98.8, 98.8]
        assert widths == pytest.approx([0.4, 0.4])
        assert published[0].get_markerfacecolor() == "none"
        assert points[:, 0] == pytest.approx(bars(measured["protonet"], axis=1)[0][:, 0])

    def test_accuracy_has_a_panel_for_each_way_and_data_set(self):
        values = [0.5, 0.6]
        frame = frame_of(
            cell("a", values),
            cell("a", values, ways=20),
            cell("a", values, test_on="digits", shots=20),
        )
        titles = [axis.get_title() for axis in accuracy_figure(frame).axes]
        assert titles == ["glyphs, 5-way", "glyphs, 20-way", "glyphs → digits, 5-way"]

    def test_legend_covers_no_data(self, frame):
        figure = accuracy_figure(frame)
        figure.draw_without_rendering()
        (legend,) = figure.legends
        assert not any(
            axis.get_window_extent().overlaps(legend.get_window_extent()) for axis in figure.axes
        )
        names = [text.get_text() for text in legend.get_texts()]
        assert names == ["protonet", "maml:lr=0.1", "baseline", "hollow: published"]

    def test_sixteen_methods_look_different(self):
        frame = frame_of(*(cell(f"method{i}", [0.5, 0.6]) for i in range(16)))
        lines = [container[0] for container in accuracy_figure(frame).axes[0].containers]
        assert len({(line.get_color(), line.get_marker()) for line in lines}) == 16

    def test_differences_show_the_summary(self, frame):
        table = summary(frame)
        figure = difference_figure(frame)
        assert [axis.get_title() for axis in figure.axes] == [
            "glyphs, 5-way 1-shot",
            "glyphs, 5-way 5-shot",
        ]
        for axis, (_, part) in zip(figure.axes, table.groupby("shots"), strict=True):
            for container, row in zip(axis.containers, part.to_dict("records"), strict=True):
                points, widths = bars(container, axis=0)
                assert container.get_label() == row["method"]
                assert points[0, 0] == pytest.approx(100 * row["difference"])
                if row["method"] == "protonet":
                    assert widths is None
                else:
                    assert widths == pytest.approx([100 * row["difference_interval"]])
        names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
        assert names == ["protonet", "maml:lr=0.1", "baseline"]
        heights = [bars(container, axis=0)[0][0, 1] for container in figure.axes[0].containers]
        assert heights == [0, 1, 2]  # where the names are, the best on top
        words = [text.get_text() for text in figure.axes[0].texts]
        assert words[0].startswith("best: ")

    def test_curves_show_what_was_recorded(self, curves):
        left, right = curves_figure(curves).axes
        assert (
            len(left.lines) == len(right.lines) == curves["run"].nunique()
        )  # 40 records are not smoothed
        for i, (_, rows) in enumerate(curves.groupby("run", sort=False)):
            validated = rows.dropna()
            assert left.lines[i].get_xdata().tolist() == validated["step"].tolist()
            assert left.lines[i].get_ydata() == pytest.approx(
                100 * validated["val_accuracy"].to_numpy()
            )
            assert right.lines[i].get_ydata() == pytest.approx(rows["loss"].to_numpy())

    def test_curves_beside_a_frame_have_its_methods_looks_and_conditions(self, frame, curves):
        axes = curves_figure(curves, frame).axes
        assert [axis.get_title() for axis in axes[::2]] == [
            "glyphs, 5-way 1-shot",
            "glyphs, 5-way 5-shot",
        ]
        colours = {
            c.get_label(): c[0].get_color() for c in accuracy_figure(frame).axes[0].containers
        }
        for axis in axes:
            assert {
                line.get_label(): line.get_color() for line in axis.lines
            }.items() <= colours.items()
            assert len(axis.lines) == 3

    def test_long_losses_are_smoothed(self):
        step = np.arange(300)
        loss = 1 + (-1.0) ** step
        columns = {"run": "a", "label": "a", "step": step, "loss": loss, "lr": 0.1, "seconds": 1.0}
        columns["val_accuracy"] = np.nan
        left, right = curves_figure(pd.DataFrame(columns)).axes
        raw, smooth = right.lines
        assert raw.get_ydata().tolist() == loss.tolist()
        assert abs(np.asarray(smooth.get_ydata())[20:-20] - 1).max() < 0.11
        assert [text.get_text() for text in left.texts] == ["not recorded"]

    def test_a_frame_without_runs_is_refused(self, curves):
        with pytest.raises(WorkbenchError, match="has no column run"):
            curves_figure(curves.drop(columns="run"))

    def test_varying_shots_are_named(self):
        varying = {"protocol": "meta-dataset", "ways": None, "shots": None, "queries": None}
        (axis,) = accuracy_figure(cell("a", [0.5, 0.6], **varying)).axes
        assert axis.get_title() == "glyphs, meta-dataset, varying ways"
        assert [text.get_text() for text in axis.get_xticklabels()] == ["varying"]

    def test_runs_without_a_step_are_no_error(self, frame, curves):
        for figure in (curves_figure(curves.iloc[:0]), curves_figure(curves.iloc[:0], frame)):
            assert {text.get_text() for axis in figure.axes for text in axis.texts} == {
                "not recorded"
            }

    def test_a_single_task_is_drawn(self):
        frame = frame_of(cell("a", [0.5]), cell("b", [0.4]))
        for figure in (accuracy_figure(frame), difference_figure(frame)):
            figure.draw_without_rendering()
