"""Tables against formulas written here once more by hand."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from frames import Page, cell, frame_of
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import UnknownName, WorkbenchError
from workbench.results import summary as report
from workbench.results.figures import curves_figure
from workbench.results.html import html_page


def by_hand(values):
    """Mean and half-width, from the definitions."""
    n = len(values)
    mean = sum(values) / n
    variance = sum((value - mean) ** 2 for value in values) / (n - 1)
    return mean, 1.96 * math.sqrt(variance / n)


class TestSummary:
    def test_golden(self):
        table = report.summary(
            frame_of(
                cell("a", [0.5, 0.7, 0.9, 0.7]),
                cell("b", [0.4, 0.7, 0.7, 0.6], transductive=True, loss=1.5),
            )
        )
        assert list(table["method"]) == ["a", "b"]
        a, b = table.to_dict("records")
        assert (a["episodes"], a["seeds"], a["transductive"], b["transductive"]) == (
            4,
            1,
            False,
            True,
        )
        assert a["accuracy"] == pytest.approx(0.7)
        assert a["interval"] == pytest.approx(0.160033, abs=1e-6)  # 1.96 * sqrt(0.08 / 3 / 4)
        assert (a["difference"], b["difference"]) == (0, pytest.approx(-0.1))
        assert math.isnan(a["difference_interval"])
        assert b["difference_interval"] == pytest.approx(
            0.080017, abs=1e-6
        )  # 1.96 * sqrt(0.02 / 3 / 4)
        assert math.isnan(a["seed_sd"])
        assert (b["loss"], b["parameters"], b["train_seconds"]) == (1.5, 1000, 60)

    @given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=2, max_size=30))
    def test_equals_the_definitions(self, rows):
        columns = list(zip(*rows, strict=True))
        names = ["a", "b", "c"]
        table = report.summary(frame_of(*map(cell, names, columns))).set_index("method")
        expected = {name: by_hand(values) for name, values in zip(names, columns, strict=True)}
        best = table["difference_interval"].isna().idxmax()
        assert expected[best][0] == pytest.approx(
            max(mean for mean, _ in expected.values()), abs=1e-12
        )
        for name, values in zip(names, columns, strict=True):
            assert tuple(table.loc[name, ["accuracy", "interval"]]) == pytest.approx(
                expected[name], abs=1e-12
            )
            if name != best:
                paired = [x - y for x, y in zip(values, columns[names.index(best)], strict=True)]
                found = tuple(table.loc[name, ["difference", "difference_interval"]])
                assert found == pytest.approx(by_hand(paired), abs=1e-12)

    def test_pairs_by_task_whatever_the_order_of_rows(self, frame):
        shuffled = frame.sample(frac=1, random_state=0)
        order = ["method", "shots"]
        first, second = (
            report.summary(f).sort_values(order, ignore_index=True) for f in (frame, shuffled)
        )
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
            [shots, method]
            for shots in (1, 5)
            for method in ("protonet", "maml:lr=0.1", "baseline")
        ]
        for shots, part in frame.groupby("shots"):
            alone = report.summary(part)
            pd.testing.assert_frame_equal(
                alone, table[table["shots"] == shots].reset_index(drop=True)
            )

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
        assert list(zip(pairs["method"], pairs["other"], strict=True)) == [
            ("a", "b"),
            ("a", "c"),
            ("b", "c"),
        ]
        found = pairs[["difference", "interval"]].to_numpy()
        assert found == pytest.approx(
            np.array([by_hand(d) for d in ([0.1, 0.0], [0.4, 0.3], [0.3, 0.3])])
        )
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
        assert (row["method"], row["test_on"], row["train_on"], row["other"]) == (
            "a",
            "held",
            "one + two",
            "one",
        )
        assert (row["difference"], row["interval"]) == pytest.approx(by_hand([0.1, 0.3]))
        assert row["episodes"] == 2
        assert "a, held, 5-way 1-shot: trained on one + two rather than on one: " in html_page(
            frame
        )

    def test_none_where_all_were_trained_on_the_same(self, frame):
        assert report.trainings(frame).empty
        assert "rather than on" not in html_page(frame)


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
        assert table.loc["protonet", "to_baseline_interval"] == pytest.approx(
            by_hand([0.3, 0.1])[1]
        )
        assert table.loc["simpleshot", "to_baseline"] == 0
        assert math.isnan(table.loc["simpleshot", "to_baseline_interval"])
        assert "draws no tasks in training" in report.baseline_words(report.summary(frame))

    def test_named_ones(self):
        frame = frame_of(
            cell("a", [0.5]), cell("b", [0.7], options="lr=1"), cell("b", [0.6]), cell("c", [0.8])
        )
        for names, best in (
            (["b"], "b:lr=1"),
            (["b:lr=1"], "b:lr=1"),
            (["a", "c"], "c"),
            ([], "c"),
        ):
            assert set(report.summary(frame, names)["baseline"]) == {best}
        assert report.baseline_words(report.summary(frame, ["a"]), ["a"]) == "a"
        assert report.baseline_words(report.summary(frame)).startswith("the best method (")
        with pytest.raises(UnknownName, match=r"no method 'bb'\. Did you mean b\?"):
            report.summary(frame, ["bb"])

    def test_a_condition_without_one(self):
        frame = frame_of(
            cell("a", [0.5]), cell("a", [0.6], shots=5), cell("b", [0.7], shots=5, episodic=False)
        )
        table = report.summary(frame)
        assert table["baseline"].tolist() == ["", "b", "b"]
        assert table["to_baseline"].isna().tolist() == [True, False, False]


class TestMarks:
    def test_each_has_a_sign_and_words(self):
        frame = frame_of(
            cell("a", [0.5, 0.6], transductive=True, selection="oracle"),
            cell(
                "b",
                [0.5, 0.6],
                selection="lr=0.1 on validation classes of glyphs",
                pretrained_on="imagenet",
            ),
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
        words = "".join(Page(html_page(frame)).words)
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
            with pytest.raises(
                WorkbenchError, match=r"a and b met different tasks .*\(3 and 2, 2 of them shared\)"
            ):
                function(frame)

    def test_as_many_but_other_tasks(self):
        with pytest.raises(
            WorkbenchError, match="a and b met different tasks of glyphs, 5-way 1-shot"
        ):
            report.summary(frame_of(cell("a", [0.5, 0.6]), cell("b", [0.4, 0.6], first_task=1)))

    def test_seeds_with_different_tasks(self):
        with pytest.raises(
            WorkbenchError, match=r"a \(training seed 1 and another\) met different tasks"
        ):
            report.summary(frame_of(cell("a", [0.5, 0.6]), cell("a", [0.4], train_seed=1)))

    def test_two_runs_of_one_cell(self):
        frame = frame_of(cell("a", [0.5]).assign(run="long"), cell("a", [0.4]).assign(run="short"))
        with pytest.raises(
            WorkbenchError, match=r"more than one result for task 0 .* report long and short apart"
        ):
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
            curves_figure(frame.drop(columns="run"))


def test_no_torch_and_no_pyplot_for_a_table_and_its_figures():
    code = (
        "import sys, workbench.results.summary; assert 'matplotlib' not in sys.modules; "
        "from workbench.results.figures import _grid; _grid(1, 1, 4, 3); "
        "assert not {'torch', 'matplotlib.pyplot'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("name", "width", "lines"),
    [
        (
            "finetune:head=random,tune_epochs=50 †",
            34,
            ["finetune:head=random,", "tune_epochs=50 †"],
        ),
        (
            "finetune:head=random,tune_epochs=50 †",
            18,
            ["finetune:", "head=random,", "tune_epochs=50 †"],
        ),
        ("nearest_neighbor", 18, ["nearest_neighbor"]),
        ("nearest_neighbor:neighbors=3", 12, ["nearest_", "neighbor:", "neighbors=3"]),
        ("x" * 20, 16, ["x" * 16, "x" * 4]),
    ],
)
def test_names_break_between_options_before_they_break_within_one(name, width, lines):
    assert report.broken(name, width).split("\n") == lines


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({("a", 1): "x", ("b", 1): "x", ("a", 5): "x", ("b", 5): "x"}, ["x (url)"]),
        (
            {("a", 1): "x", ("b", 1): "x", ("a", 5): "y", ("b", 5): "y"},
            ["x (url at 1-shot)", "y (url at 5-shot)"],
        ),
        (
            {("a", 1): "x", ("a", 5): "x", ("b", 1): "y", ("b", 5): "y"},
            ["x (url on a)", "y (url on b)"],
        ),
        (
            {("a", 1): "x", ("b", 1): "y", ("a", 5): "y"},
            ["x (url on a at 1-shot)", "y (url on b at 1-shot and on a at 5-shot)"],
        ),
    ],
)
def test_the_legend_says_for_which_cells_a_choice_holds(chosen, said):
    cells = [
        cell("url", [0.5, 0.6], test_on=on, shots=shots, selection=s)
        for (on, shots), s in chosen.items()
    ]
    legend = report.legend(report.summary(frame_of(*cells)))
    assert [line.removeprefix("† test-time options: ") for line in legend] == said
