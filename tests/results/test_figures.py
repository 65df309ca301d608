"""Figures show the numbers of the tables, and all that is written in them can be read."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from frames import cell, curves_of, frame_of

from workbench.errors import WorkbenchError
from workbench.results.figures import accuracy_figure, curves_figure, difference_figure
from workbench.results.heatmap import heatmap_figure
from workbench.results.page.whole import html_page
from workbench.results.summary import summary


def bars(container, axis):
    """Return the points and half-widths of an error bar container; None where it has no bars."""
    line, _, collections = container
    points = np.column_stack(line.get_data(orig=False))
    if not collections:
        return points, None
    ends = np.array([segment[:, axis] for segment in collections[0].get_segments()])
    return points, (ends[:, 1] - ends[:, 0]) / 2


def methods_in(axis):
    """Return the labels of what is drawn, in order."""
    if axis.containers:
        return [container.get_label() for container in axis.containers]
    return [line.get_label() for line in axis.lines]


def saved(figure):
    """Return a figure as the bytes of a PNG file."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=50)
    return stream.getvalue()


class TestFigures:
    def test_accuracy_shows_the_summary(self, frame):
        table = summary(frame)
        figure = accuracy_figure(frame)
        figure.draw_without_rendering()
        (axis,) = figure.axes
        assert [text.get_text() for text in axis.get_xticklabels()] == ["1-shot", "5-shot"]
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
        assert names == [
            "protonet",
            "maml:lr=0.1 (transductive)",
            "baseline",
            "hollow: published",
        ]

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
        left, right = curves_figure(curves.assign(val_shots=1)).axes
        assert (
            len(left.lines) == len(right.lines) == curves["run"].nunique()
        )  # 40 records are not smoothed
        drawn = []  # the runs of a label side by side
        for _, of_label in curves.groupby("label", sort=False):
            drawn += [rows for _, rows in of_label.groupby("run", sort=False)]
        for i, rows in enumerate(drawn):
            validated = rows.dropna()
            assert left.lines[i].get_xdata().tolist() == validated["step"].tolist()
            assert left.lines[i].get_ydata() == pytest.approx(
                100 * validated["val_accuracy"].to_numpy()
            )
            assert right.lines[i].get_ydata() == pytest.approx(rows["loss"].to_numpy())

    def test_curves_beside_a_frame_have_its_methods_looks_and_conditions(self, frame, curves):
        axes = curves_figure(curves, frame).axes
        assert [axis.get_title() for axis in axes[::2]] == [
            "validation classes of glyphs, 5-way 1-shot",
            "validation classes of glyphs, 5-way 5-shot",
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
        columns |= {"train_on": "x", "val_protocol": "way-shot", "val_ways": 5, "val_shots": 1}
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

    def test_curves_stand_under_what_was_validated(self, frame, curves):
        """A method that draws no tasks is validated at 5 shots, whatever it is tested at."""
        batches = curves["run"].str.startswith("baseline")
        axes = curves_figure(curves.assign(val_shots=curves["val_shots"].where(~batches, 5)), frame)
        drawn = {axis.get_title(): methods_in(axis) for axis in axes.axes[::2]}
        assert drawn == {
            "validation classes of glyphs, 5-way 1-shot": ["protonet", "maml:lr=0.1"],
            "validation classes of glyphs, 5-way 5-shot": [
                "protonet",
                "maml:lr=0.1",
                "baseline",
                "baseline",
            ],
        }

    def test_panels_have_one_scale(self):
        frame = frame_of(
            cell("a", [0.9, 0.95], test_on="x"),
            cell("b", [0.8, 0.85], test_on="x"),
            cell("a", [0.3, 0.35], test_on="y", shots=5),
            cell("b", [0.1, 0.35], test_on="y", shots=5),
        )
        axes = accuracy_figure(frame).axes
        assert len({axis.get_ylim() for axis in axes}) == 1
        for axis in axes:
            assert [text.get_text() for text in axis.get_xticklabels()] == ["1-shot", "5-shot"]
        assert len({axis.get_xlim() for axis in difference_figure(frame).axes}) == 1

    def test_fewer_queries_at_more_shots_make_no_panel_of_their_own(self):
        cells = [cell("a", [0.5, 0.6]), cell("a", [0.6, 0.7], shots=5, queries=11)]
        (axis,) = accuracy_figure(frame_of(*cells)).axes
        assert axis.get_title() == "glyphs, 5-way"
        cells.append(cell("a", [0.5, 0.6], queries=11))
        assert len(accuracy_figure(frame_of(*cells)).axes) == 2

    def test_a_condition_of_one_method_has_no_panel_of_differences(self):
        cells = [cell("a", [0.5, 0.6]), cell("b", [0.6, 0.7]), cell("a", [0.6, 0.7], shots=5)]
        (axis,) = difference_figure(frame_of(*cells)).axes
        assert axis.get_title() == "glyphs, 5-way 1-shot"
        assert "Paired differences" not in html_page(cells[0])

    def test_a_method_has_one_place_and_one_colour(self):
        """Runs come in any order: 5 shots first, other methods first."""
        given = [(5, "b"), (5, "c"), (5, "a"), (1, "a"), (1, "c"), (1, "b")]
        frame = frame_of(*(cell(name, [0.5, 0.6], shots=shots) for shots, name in given))
        accuracies, differences = accuracy_figure(frame), difference_figure(frame)
        curves = curves_figure(curves_of(frame), frame)
        orders = [[text.get_text() for text in differences.axes[0].get_yticklabels()]]
        looks = set()
        for figure in (accuracies, differences, curves):
            for legend in figure.legends:
                orders.append([text.get_text() for text in legend.get_texts()])
            for axis in figure.axes:
                lines = axis.lines if figure is curves else [each[0] for each in axis.containers]
                names = methods_in(axis)
                orders.append(names)
                looks |= {(name, line.get_color()) for name, line in zip(names, lines, strict=True)}
        assert {tuple(order) for order in orders} == {("a", "c", "b")}
        assert len(looks) == 3
        assert accuracies.axes[0].get_xticklabels()[0].get_text() == "1-shot"

    @pytest.mark.parametrize("style", [{"text.usetex": True}, {"text.color": "red"}])
    def test_the_style_is_our_own(self, style):
        """A dollar sign in a name is no mathematics, and a user's style changes nothing."""
        name = r"$\frac{a$ $b$"
        cells = [cell(name, [0.5, 0.6], test_on="$x"), cell("b", [0.4, 0.7], test_on="$x")]
        cells += [cell(name, [0.5, 0.6], test_on="y$"), cell("b", [0.4, 0.7], test_on="y$")]
        frame = frame_of(*cells)
        figures = (accuracy_figure, difference_figure, heatmap_figure)
        before = [saved(make(frame)) for make in figures]
        with mpl.rc_context(style):
            assert [saved(make(frame)) for make in figures] == before
            assert mpl.rcParams[next(iter(style))] == next(iter(style.values()))
            curves_figure(curves_of(frame), frame).savefig(io.BytesIO(), format="png")

    def test_a_single_task_is_drawn(self):
        frame = frame_of(cell("a", [0.5]), cell("b", [0.4]))
        for figure in (accuracy_figure(frame), difference_figure(frame)):
            figure.draw_without_rendering()


def test_accuracy_by_instance_stands_above_a_line_where_guessing_is():
    cells = []
    for instance, accuracy in ((1, 0.4), (2, 0.8)):
        cells.append(
            cell("mann", [accuracy] * 3, instance=instance, protocol="prequential", shots=2)
        )
    (axis,) = accuracy_figure(frame_of(*cells)).axes
    assert axis.get_xlabel() == "instance: 1 for the first image of its class"
    dotted = [line for line in axis.lines if line.get_linestyle() == ":"]
    assert [set(line.get_ydata()) for line in dotted] == [{20.0}]  # of 5 ways


@pytest.mark.parametrize(("accuracy", "lines"), [(0.3, 1), (0.9, 0)])
def test_a_line_where_guessing_is_stands_below_results_that_are_near(accuracy, lines):
    (axis,) = accuracy_figure(frame_of(cell("a", [accuracy] * 3))).axes
    assert [line.get_linestyle() for line in axis.lines].count(":") == lines


def test_where_ways_vary_beside_sequences_no_line_of_guessing_is_drawn():
    frame = pd.concat(
        [
            cell("mann", [0.4, 0.5, 0.6], instance=1, protocol="stream"),
            cell("mann", [0.4, 0.5, 0.6], instance=2, protocol="stream"),
            cell("mann", [0.4, 0.5, 0.6], protocol="meta-dataset", ways=None, shots=None),
        ],
        ignore_index=True,
    )
    figure = accuracy_figure(frame)
    titles = [axis.get_title(loc="left") or axis.get_title() for axis in figure.axes]
    assert len(titles) == 2
    lines = [sum(line.get_linestyle() == ":" for line in axis.lines) for axis in figure.axes]
    assert sorted(lines) == [0, 1]
