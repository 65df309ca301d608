"""Tables, figures and the page, against formulas written here once more by hand."""

from __future__ import annotations

import base64
import math
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench import figures, page, report
from workbench.errors import UnknownName, WorkbenchError

DEFAULTS = {
    "options": "",
    "backbone": "conv4",
    "train_on": "glyphs",
    "test_on": "glyphs",
    "domain": "",
    "split": "test",
    "protocol": "way-shot",
    "ways": 5,
    "shots": 1,
    "queries": 15,
    "instance": 0,
    "train_seed": 0,
    "task_seed": 0,
    "loss": 0.5,
    "adapt_seconds": 0.002,
    "transductive": False,
    "episodic": True,
    "overlap": "",
    "selection": "",
    "pretrained_on": "",
    "calibration_error": 0.03,
    "train_seconds": 60.0,
    "eval_seconds": 7.0,
    "parameters": 1000,
    "published": float("nan"),
    "published_interval": float("nan"),
    "published_source": "",
}


def cell(algorithm, accuracy, first_task=0, **given):
    """The rows of one cell."""
    tasks = np.arange(first_task, first_task + len(accuracy))
    values = {**DEFAULTS, **given}
    run = f"{algorithm}-{values['options']}-{values['shots']}s-{values['train_seed']}"
    columns = {"algorithm": algorithm, **values, "task": tasks, "accuracy": accuracy, "run": run}
    return pd.DataFrame(columns, index=range(len(tasks)))


def frame_of(*cells):
    return pd.concat(cells, ignore_index=True)


def drawn(skill, tasks=40, seed=0):
    """Accuracies over tasks whose difficulty all methods share."""
    hard = np.random.default_rng(0).normal(0, 0.1, tasks)
    noise = np.random.default_rng(seed).normal(0, 0.02, tasks)
    return np.clip(skill + hard + noise, 0, 1)


@pytest.fixture
def frame():
    """Three methods (one transductive, one published) by two shots."""
    cells = []
    for shots, gain in ((1, 0.0), (5, 0.15)):
        published = {"published": 98.8, "published_interval": 0.4, "published_source": "Snell et al. 2017"}
        cells.append(cell("protonet", drawn(0.7 + gain, seed=1), shots=shots, **published))
        cells.append(cell("maml", drawn(0.65 + gain, seed=2), shots=shots, options="lr=0.1", transductive=True))
        cells.append(cell("baseline", drawn(0.4 + gain, seed=3), shots=shots))
    return frame_of(*cells)


@pytest.fixture
def curves(frame):
    """Learning curves of the runs: 40 steps, validated every tenth."""
    parts = []
    for i, run in enumerate(frame["run"].unique()):
        step = np.arange(1, 41)
        accuracy = np.where(step % 10 == 0, 0.5 + step / 100 - i / 100, np.nan)
        columns = {"step": step, "loss": 2 / step + i, "lr": 1e-3, "seconds": step / 10, "val_accuracy": accuracy}
        parts.append(pd.DataFrame({"run": run, "label": run.split("-")[0], **columns}))
    return pd.concat(parts, ignore_index=True)


def by_hand(values):
    """Mean and half-width, from the definitions."""
    n = len(values)
    mean = sum(values) / n
    variance = sum((value - mean) ** 2 for value in values) / (n - 1)
    return mean, 1.96 * math.sqrt(variance / n)


class TestSummary:
    def test_golden(self):
        table = report.summary(
            frame_of(cell("a", [0.5, 0.7, 0.9, 0.7]), cell("b", [0.4, 0.7, 0.7, 0.6], transductive=True, loss=1.5))
        )
        assert list(table["method"]) == ["a", "b"]
        a, b = table.to_dict("records")
        assert (a["episodes"], a["seeds"], a["transductive"], b["transductive"]) == (4, 1, False, True)
        assert a["accuracy"] == pytest.approx(0.7)
        assert a["interval"] == pytest.approx(0.160033, abs=1e-6)  # 1.96 * sqrt(0.08 / 3 / 4)
        assert (a["difference"], b["difference"]) == (0, pytest.approx(-0.1))
        assert math.isnan(a["difference_interval"])
        assert b["difference_interval"] == pytest.approx(0.080017, abs=1e-6)  # 1.96 * sqrt(0.02 / 3 / 4)
        assert math.isnan(a["seed_sd"])
        assert (b["loss"], b["parameters"], b["train_seconds"]) == (1.5, 1000, 60)

    @given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=2, max_size=30))
    def test_equals_the_definitions(self, rows):
        columns = list(zip(*rows, strict=True))
        names = ["a", "b", "c"]
        table = report.summary(frame_of(*map(cell, names, columns))).set_index("method")
        expected = {name: by_hand(values) for name, values in zip(names, columns, strict=True)}
        best = table["difference_interval"].isna().idxmax()
        assert expected[best][0] == pytest.approx(max(mean for mean, _ in expected.values()), abs=1e-12)
        for name, values in zip(names, columns, strict=True):
            assert tuple(table.loc[name, ["accuracy", "interval"]]) == pytest.approx(expected[name], abs=1e-12)
            if name != best:
                paired = [x - y for x, y in zip(values, columns[names.index(best)], strict=True)]
                found = tuple(table.loc[name, ["difference", "difference_interval"]])
                assert found == pytest.approx(by_hand(paired), abs=1e-12)

    def test_pairs_by_task_whatever_the_order_of_rows(self, frame):
        shuffled = frame.sample(frac=1, random_state=0)
        order = ["method", "shots"]
        first, second = (report.summary(f).sort_values(order, ignore_index=True) for f in (frame, shuffled))
        pd.testing.assert_frame_equal(first, second)

    def test_pairing_is_narrower_where_difficulty_is_shared(self, frame):
        table = report.summary(frame)
        others = table[table["difference"] < 0]
        assert (others["difference_interval"] < 0.5 * others["interval"]).all()

    def test_seeds_are_averaged_within_each_task_first(self):
        a0, a1, b0 = [0.2, 0.4, 0.9], [0.4, 0.8, 0.7], [0.1, 0.2, 0.3]
        table = report.summary(frame_of(cell("a", a0), cell("a", a1, train_seed=1), cell("b", b0)))
        a, b = table.to_dict("records")
        mean = [(x + y) / 2 for x, y in zip(a0, a1, strict=True)]
        assert (a["accuracy"], a["interval"]) == pytest.approx(by_hand(mean))
        assert (a["episodes"], a["seeds"], b["seeds"]) == (3, 2, 1)
        assert a["seed_sd"] == pytest.approx(abs(sum(a0) - sum(a1)) / 3 / math.sqrt(2))
        assert (b["difference"], b["difference_interval"]) == pytest.approx(
            by_hand([x - y for x, y in zip(b0, mean, strict=True)])
        )

    def test_conditions_are_apart(self, frame):
        table = report.summary(frame)
        assert table[["shots", "method"]].to_numpy().tolist() == [
            [shots, method] for shots in (1, 5) for method in ("protonet", "maml:lr=0.1", "baseline")
        ]
        for shots, part in frame.groupby("shots"):
            alone = report.summary(part)
            pd.testing.assert_frame_equal(alone, table[table["shots"] == shots].reset_index(drop=True))

    def test_one_task_has_no_interval(self):
        row = report.summary(cell("a", [0.5])).iloc[0]
        assert row["accuracy"] == 0.5
        assert math.isnan(row["interval"])

    def test_a_lost_accuracy_is_not_passed_over(self):
        table = report.summary(frame_of(cell("a", [0.5, math.nan]), cell("b", [0.5, 0.4])))
        assert math.isnan(table["accuracy"][0])
        assert table["difference"][1] == 0

    def test_options_lost_in_a_csv_file_are_no_options(self, frame, tmp_path):
        frame.to_csv(tmp_path / "tasks.csv", index=False)
        read = report.summary(pd.read_csv(tmp_path / "tasks.csv"))
        assert list(read["method"]) == list(report.summary(frame)["method"])


class TestMethods:
    def test_backbone_is_named_only_where_it_tells_two_apart(self):
        values = [0.1, 0.2]
        frame = frame_of(
            cell("a", values),
            cell("a", values, backbone="resnet12"),
            cell("a", values, options="k=1"),
            cell("b", values, backbone="resnet12"),
        )
        assert list(report.summary(frame)["method"]) == ["a (conv4)", "a (resnet12)", "a:k=1", "b"]


class TestDifferences:
    def test_all_pairs_and_one(self):
        frame = frame_of(cell("a", [0.5, 0.6]), cell("b", [0.4, 0.6]), cell("c", [0.1, 0.3]))
        pairs = report.differences(frame)
        assert list(zip(pairs["method"], pairs["other"], strict=True)) == [("a", "b"), ("a", "c"), ("b", "c")]
        found = pairs[["difference", "interval"]].to_numpy()
        assert found == pytest.approx(np.array([by_hand(d) for d in ([0.1, 0.0], [0.4, 0.3], [0.3, 0.3])]))
        to = report.differences(frame, "b")
        assert list(to["method"]) == ["a", "c"]
        assert list(to["difference"]) == pytest.approx([0.05, -0.3])
        assert set(to["episodes"]) == {2}

    def test_to_an_unknown_method(self, frame):
        with pytest.raises(UnknownName, match="Did you mean protonet"):
            report.differences(frame, "protone")

    def test_a_condition_without_the_method_is_left_out(self):
        frame = frame_of(cell("a", [0.5]), cell("b", [0.4]), cell("a", [0.5], shots=5))
        assert list(report.differences(frame, "b")["shots"]) == [1]

    def test_one_method_has_none(self):
        table = report.differences(cell("a", [0.5, 0.6]))
        assert table.empty
        assert "difference" in table


class TestTrainings:
    def test_a_method_against_itself_trained_on_something_else(self):
        frame = frame_of(
            cell("a", [0.5, 0.6], train_on="one", test_on="held"),
            cell("b", [0.1, 0.1], train_on="one", test_on="held"),
            cell("a", [0.6, 0.9], train_on="one + two", test_on="held"),
            cell("a", [0.2, 0.3], train_on="one + two", test_on="elsewhere"),
        )
        (row,) = report.trainings(frame).to_dict("records")
        assert (row["method"], row["test_on"], row["train_on"], row["other"]) == ("a", "held", "one + two", "one")
        assert (row["difference"], row["interval"]) == pytest.approx(by_hand([0.1, 0.3]))
        assert row["episodes"] == 2
        assert "a, held, 5-way 1-shot: trained on one + two rather than on one: " in page.html(frame)

    def test_none_where_all_were_trained_on_the_same(self, frame):
        assert report.trainings(frame).empty
        assert "rather than on" not in page.html(frame)


class TestBaselines:
    def test_the_best_that_draws_no_tasks_and_sees_only_the_support(self):
        frame = frame_of(
            cell("protonet", [0.9, 0.8]),
            cell("baseline", [0.5, 0.6], episodic=False),
            cell("simpleshot", [0.6, 0.7], episodic=False),
            cell("tim", [0.9, 0.9], episodic=False, transductive=True),
            cell("url", [0.8, 0.9], episodic=False, selection="oracle"),
        )
        table = report.summary(frame).set_index("method")
        assert set(table["baseline"]) == {"simpleshot"}
        assert table.loc["protonet", "to_baseline"] == pytest.approx(0.2)  # 0.85 - 0.65
        assert table.loc["protonet", "to_baseline_interval"] == pytest.approx(by_hand([0.3, 0.1])[1])
        assert table.loc["simpleshot", "to_baseline"] == 0
        assert math.isnan(table.loc["simpleshot", "to_baseline_interval"])
        assert "draws no tasks in training" in report.baseline_words(report.summary(frame))

    def test_named_ones(self):
        frame = frame_of(cell("a", [0.5]), cell("b", [0.7], options="lr=1"), cell("b", [0.6]), cell("c", [0.8]))
        for names, best in ((["b"], "b:lr=1"), (["b:lr=1"], "b:lr=1"), (["a", "c"], "c"), ([], "c")):
            assert set(report.summary(frame, names)["baseline"]) == {best}
        assert report.baseline_words(report.summary(frame, ["a"]), ["a"]) == "a"
        assert report.baseline_words(report.summary(frame)).startswith("the best method (")
        with pytest.raises(UnknownName, match=r"no method 'bb'\. Did you mean b\?"):
            report.summary(frame, ["bb"])

    def test_a_condition_without_one(self):
        frame = frame_of(cell("a", [0.5]), cell("a", [0.6], shots=5), cell("b", [0.7], shots=5, episodic=False))
        table = report.summary(frame)
        assert table["baseline"].tolist() == ["", "b", "b"]
        assert table["to_baseline"].isna().tolist() == [True, False, False]


class TestMarks:
    def test_each_has_a_sign_and_words(self):
        frame = frame_of(
            cell("a", [0.5, 0.6], transductive=True, selection="oracle"),
            cell("b", [0.5, 0.6], selection="lr=0.1 on validation classes of glyphs", pretrained_on="imagenet"),
            cell("b", [0.5, 0.6], test_on="digits", pretrained_on="imagenet", overlap="yes"),
            cell("c", [0.5, 0.6]),
        )
        table = report.summary(frame)
        assert table.set_index(["method", "test_on"]).apply(report.signs, axis=1).to_dict() == {
            ("a", "glyphs"): "*‡",
            ("b", "glyphs"): "†°",
            ("c", "glyphs"): "",
            ("b", "digits"): "°!",
        }
        assert report.common_signs(table) == {"a": "*‡", "b": "°", "c": ""}
        assert report.legend(table) == [
            "* transductive: it sees the other queries of a task (a)",
            "‡ oracle: it uses what only the test data tell (a)",
            "† test-time options: lr=0.1 on validation classes of glyphs (b)",
            "° pre-trained on imagenet (b)",
            "! digits overlaps with the pre-training (b)",
        ]
        words = "".join(Page(page.html(frame)).words)
        for remark in report.remarks(table.to_dict("records")[1]):
            assert remark in words

    def test_a_file_of_commas_gives_the_same(self, tmp_path):
        frame = frame_of(cell("a", [0.5, 0.6]), cell("b", [0.5, 0.7], selection="oracle"))
        frame.to_csv(tmp_path / "tasks.csv", index=False)
        read = pd.read_csv(tmp_path / "tasks.csv")
        assert report.summary(read)["selection"].tolist() == ["", "oracle"]


class TestRefusals:
    def test_different_tasks(self):
        frame = frame_of(cell("a", [0.5, 0.6, 0.7]), cell("b", [0.4, 0.6], first_task=1))
        for function in (report.summary, report.differences):
            with pytest.raises(WorkbenchError, match=r"a and b met different tasks .*\(3 and 2, 2 of them shared\)"):
                function(frame)

    def test_as_many_but_other_tasks(self):
        with pytest.raises(WorkbenchError, match="a and b met different tasks of glyphs, 5-way 1-shot"):
            report.summary(frame_of(cell("a", [0.5, 0.6]), cell("b", [0.4, 0.6], first_task=1)))

    def test_seeds_with_different_tasks(self):
        with pytest.raises(WorkbenchError, match=r"a \(training seed 1 and another\) met different tasks"):
            report.summary(frame_of(cell("a", [0.5, 0.6]), cell("a", [0.4], train_seed=1)))

    def test_two_runs_of_one_cell(self):
        frame = frame_of(cell("a", [0.5]).assign(run="long"), cell("a", [0.4]).assign(run="short"))
        with pytest.raises(WorkbenchError, match=r"more than one result for task 0 .* report long and short apart"):
            report.summary(frame)

    def test_one_run_judged_twice(self):
        with pytest.raises(WorkbenchError, match="keep one of its evaluations"):
            report.summary(frame_of(cell("a", [0.5]), cell("a", [0.5])))

    def test_nothing_to_report(self, frame):
        with pytest.raises(WorkbenchError, match="no results to report"):
            report.summary(frame.iloc[:0])
        with pytest.raises(WorkbenchError, match="has no column task, loss"):
            report.summary(frame.drop(columns=["loss", "task"]))
        with pytest.raises(WorkbenchError, match="has no column run"):
            figures.curves_figure(frame.drop(columns="run"))


def bars(container, axis):
    """Points and half-widths that an error bar container shows; widths are None where it has no bars."""
    line, _, collections = container
    points = np.column_stack(line.get_data(orig=False))
    if not collections:
        return points, None
    ends = np.array([segment[:, axis] for segment in collections[0].get_segments()])
    return points, (ends[:, 1] - ends[:, 0]) / 2


class TestFigures:
    def test_accuracy_shows_the_summary(self, frame):
        table = report.summary(frame)
        figure = figures.accuracy_figure(frame)
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
        frame = frame_of(cell("a", values), cell("a", values, ways=20), cell("a", values, test_on="digits", shots=20))
        titles = [axis.get_title() for axis in figures.accuracy_figure(frame).axes]
        assert titles == ["glyphs, 5-way", "glyphs, 20-way", "glyphs → digits, 5-way"]

    def test_legend_covers_no_data(self, frame):
        figure = figures.accuracy_figure(frame)
        figure.draw_without_rendering()
        (legend,) = figure.legends
        assert not any(axis.get_window_extent().overlaps(legend.get_window_extent()) for axis in figure.axes)
        names = [text.get_text() for text in legend.get_texts()]
        assert names == ["protonet", "maml:lr=0.1", "baseline", "hollow: published"]

    def test_sixteen_methods_look_different(self):
        frame = frame_of(*(cell(f"method{i}", [0.5, 0.6]) for i in range(16)))
        lines = [container[0] for container in figures.accuracy_figure(frame).axes[0].containers]
        assert len({(line.get_color(), line.get_marker()) for line in lines}) == 16

    def test_differences_show_the_summary(self, frame):
        table = report.summary(frame)
        figure = figures.difference_figure(frame)
        assert [axis.get_title() for axis in figure.axes] == ["glyphs, 5-way 1-shot", "glyphs, 5-way 5-shot"]
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
        left, right = figures.curves_figure(curves).axes
        assert len(left.lines) == len(right.lines) == curves["run"].nunique()  # 40 records are not smoothed
        for i, (_, rows) in enumerate(curves.groupby("run", sort=False)):
            validated = rows.dropna()
            assert left.lines[i].get_xdata().tolist() == validated["step"].tolist()
            assert left.lines[i].get_ydata() == pytest.approx(100 * validated["val_accuracy"].to_numpy())
            assert right.lines[i].get_ydata() == pytest.approx(rows["loss"].to_numpy())

    def test_curves_beside_a_frame_have_its_methods_looks_and_conditions(self, frame, curves):
        axes = figures.curves_figure(curves, frame).axes
        assert [axis.get_title() for axis in axes[::2]] == ["glyphs, 5-way 1-shot", "glyphs, 5-way 5-shot"]
        colours = {c.get_label(): c[0].get_color() for c in figures.accuracy_figure(frame).axes[0].containers}
        for axis in axes:
            assert {line.get_label(): line.get_color() for line in axis.lines}.items() <= colours.items()
            assert len(axis.lines) == 3

    def test_long_losses_are_smoothed(self):
        step = np.arange(300)
        loss = 1 + (-1.0) ** step
        columns = {"run": "a", "label": "a", "step": step, "loss": loss, "val_accuracy": np.nan}
        left, right = figures.curves_figure(pd.DataFrame(columns)).axes
        raw, smooth = right.lines
        assert raw.get_ydata().tolist() == loss.tolist()
        assert abs(np.asarray(smooth.get_ydata())[20:-20] - 1).max() < 0.11
        assert [text.get_text() for text in left.texts] == ["none was recorded"]

    def test_runs_without_a_step_are_no_error(self, frame, curves):
        for figure in (figures.curves_figure(curves.iloc[:0]), figures.curves_figure(curves.iloc[:0], frame)):
            assert {text.get_text() for axis in figure.axes for text in axis.texts} == {"none was recorded"}

    def test_a_single_task_is_drawn(self):
        frame = frame_of(cell("a", [0.5]), cell("b", [0.4]))
        for figure in (figures.accuracy_figure(frame), figures.difference_figure(frame)):
            figure.draw_without_rendering()


class Page(HTMLParser):
    """What a browser would be told to do."""

    VOID = frozenset({"meta", "img", "wbr", "br", "link", "input"})

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.loads, self.words = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [value for name, value in attrs if name in ("src", "href", "data", "action", "srcset")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)


class TestPage:
    def test_is_whole_and_needs_nothing_else(self, frame, curves):
        text = page.html(frame, curves)
        parsed = Page(text)
        assert len(parsed.loads) == parsed.tags.count("img") == 3
        for source in parsed.loads:
            kind, data = source.split(",")
            assert kind == "data:image/png;base64"
            assert base64.b64decode(data, validate=True).startswith(b"\x89PNG")
        assert not {"script", "link", "iframe", "object"} & set(parsed.tags)
        assert not re.search(r"https?:|@import|url\(", text)

    def test_says_the_results_and_how_they_were_made(self, frame):
        parsed = Page(page.html(frame))
        words = " ".join("".join(parsed.words).split())
        for row in report.summary(frame).to_dict("records"):
            assert f"{100 * row['accuracy']:.2f} ± {100 * row['interval']:.2f}" in words
        for said in (
            "ahead of maml:lr=0.1 by",
            "98.8 ± 0.4",
            "Snell et al. 2017",
            "40 test tasks (episodes) of split test, 15 queries a class, task seed 0",
            "training seed 0",
            "together, not each alone: maml:lr=0.1.",
            "1.96 standard errors",
            "paired",
        ):
            assert said in words
        assert parsed.tags.count("img") == 2  # no curves were given

    def test_does_not_call_a_winner_that_the_tasks_do_not_show(self):
        words = "".join(Page(page.html(frame_of(cell("a", [0.5, 0.6, 0.4]), cell("b", [0.4, 0.7, 0.39])))).words)
        assert "a reaches 50.00 ± 11.32%; b is not told apart from it (0.33 ± 11.33 percentage points)" in words

    def test_escapes_hostile_names(self, frame, curves):
        bad = "<script>alert('x')</script>&\"><img src=http://bad.example/x onerror=y>"
        hostile = frame.assign(algorithm=bad + frame["algorithm"], backbone=bad, published_source=bad)
        hostile = hostile.assign(train_on=bad, test_on=bad, split=bad)
        parsed = Page(page.html(hostile, curves.assign(label=bad)))
        assert "script" not in parsed.tags
        assert all(source.startswith("data:image/png;base64,") for source in parsed.loads)
        assert bad in "".join(parsed.words)  # shown as text

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [
            (3e-5, "30.0 µs"),
            (0.0009996, "1.00 ms"),
            (0.1234, "123 ms"),
            (0.9999, "1.00 s"),
            (90, "90.0 s"),
            (99.99, "1.7 min"),
            (7200, "2.0 h"),
            (math.nan, report.NONE),
        ],
    )
    def test_durations(self, seconds, words):
        assert page._duration(seconds) == words


def test_no_torch_and_no_pyplot_for_a_table_and_its_figures():
    code = (
        "import sys, workbench.report; assert 'matplotlib' not in sys.modules; "
        "from workbench.figures import _grid; _grid(1, 1, 4, 3); "
        "assert not {'torch', 'matplotlib.pyplot'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
