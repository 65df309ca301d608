"""Tables against formulas that are written again by hand."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from frames import by_hand, cell, frame_of
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import UnknownName
from workbench.results.page.whole import html_page
from workbench.results.summary import differences, summary, trainings


class TestSummary:
    def test_tasks_in_which_a_method_broke_down_are_counted_once_for_all_seeds(self):
        whole = cell("a", [0.5, 0.7, 0.9, 0.7])
        of_seeds = [cell("b", [0.0, 0.7, 0.0, 0.7], train_seed=seed) for seed in (0, 1)]
        of_seeds[0].loc[[0, 2], "broken"] = True
        of_seeds[1].loc[[2], "broken"] = True
        table = summary(frame_of(whole, *of_seeds))
        assert table["broken"].tolist() == [0, 2]
        assert table["accuracy"].tolist() == pytest.approx([0.7, 0.35])  # none is left out

    def test_golden(self):
        table = summary(
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
        table = summary(frame_of(*map(cell, names, columns))).set_index("method")
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
            summary(f).sort_values(order, ignore_index=True) for f in (frame, shuffled)
        )
        pd.testing.assert_frame_equal(first, second)

    def test_pairing_is_narrower_where_difficulty_is_shared(self, frame):
        table = summary(frame)
        others = table[table["difference"] < 0]
        assert len(others) == 4  # two methods at two numbers of shots
        assert (others["difference_interval"] < 0.5 * others["interval"]).all()

    def test_seeds_are_averaged_within_each_task_first(self):
        a0, a1, b0 = [0.2, 0.4, 0.9], [0.4, 0.8, 0.7], [0.1, 0.2, 0.3]
        table = summary(frame_of(cell("a", a0), cell("a", a1, train_seed=1), cell("b", b0)))
        a, b = table.to_dict("records")
        mean = [(x + y) / 2 for x, y in zip(a0, a1, strict=True)]
        assert (a["accuracy"], a["interval"]) == pytest.approx(by_hand(mean))
        assert (a["episodes"], a["seeds"], b["seeds"]) == (3, 2, 1)
        assert a["seed_sd"] == pytest.approx(abs(sum(a0) - sum(a1)) / 3 / math.sqrt(2))
        assert (b["difference"], b["difference_interval"]) == pytest.approx(
            by_hand([x - y for x, y in zip(b0, mean, strict=True)])
        )

    def test_conditions_are_apart(self, frame):
        table = summary(frame)
        assert table[["shots", "method"]].to_numpy().tolist() == [
            [shots, method]
            for shots in (1, 5)
            for method in ("protonet", "maml:lr=0.1", "baseline")
        ]
        for shots, part in frame.groupby("shots"):
            alone = summary(part)
            pd.testing.assert_frame_equal(
                alone, table[table["shots"] == shots].reset_index(drop=True)
            )

    def test_one_task_has_no_interval(self):
        row = summary(cell("a", [0.5])).iloc[0]
        assert row["accuracy"] == 0.5
        assert math.isnan(row["interval"])

    def test_a_lost_accuracy_is_not_passed_over(self):
        table = summary(frame_of(cell("a", [0.5, math.nan]), cell("b", [0.5, 0.4])))
        assert math.isnan(table["accuracy"][0])
        assert table["difference"][1] == 0


class TestDifferences:
    def test_all_pairs_and_one(self):
        frame = frame_of(cell("a", [0.5, 0.6]), cell("b", [0.4, 0.6]), cell("c", [0.1, 0.3]))
        pairs = differences(frame)
        assert list(zip(pairs["method"], pairs["other"], strict=True)) == [
            ("a", "b"),
            ("a", "c"),
            ("b", "c"),
        ]
        found = pairs[["difference", "interval"]].to_numpy()
        assert found == pytest.approx(
            np.array([by_hand(d) for d in ([0.1, 0.0], [0.4, 0.3], [0.3, 0.3])])
        )
        to = differences(frame, "b")
        assert list(to["method"]) == ["a", "c"]
        assert list(to["difference"]) == pytest.approx([0.05, -0.3])
        assert set(to["episodes"]) == {2}

    def test_to_an_unknown_method(self, frame):
        with pytest.raises(UnknownName, match="Did you mean protonet"):
            differences(frame, "protone")

    def test_a_condition_without_the_method_is_left_out(self):
        frame = frame_of(cell("a", [0.5]), cell("b", [0.4]), cell("a", [0.5], shots=5))
        assert list(differences(frame, "b")["shots"]) == [1]

    def test_one_method_has_none(self):
        table = differences(cell("a", [0.5, 0.6]))
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
        (row,) = trainings(frame).to_dict("records")
        assert (row["method"], row["test_on"], row["train_on"], row["other"]) == (
            "a",
            "held",
            "one + two",
            "one",
        )
        assert (row["difference"], row["interval"]) == pytest.approx(by_hand([0.1, 0.3]))
        assert row["episodes"] == 2
        assert "a, held, 5-way 1-shot: trained on one + two instead of one: " in html_page(frame)

    def test_none_where_all_were_trained_on_the_same(self, frame):
        assert trainings(frame).empty
        assert "instead of" not in html_page(frame)


def test_no_torch_and_no_pyplot_for_a_table_and_its_figures():
    code = (
        "import sys, workbench.results.summary; assert 'matplotlib' not in sys.modules; "
        "from workbench.results.style import panel_grid; panel_grid(1, 1, 4, 3); "
        "assert not {'torch', 'matplotlib.pyplot'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_before_and_after_a_temperature_are_of_the_same_tasks():
    sure = {"temperature": 2.0, "calibrated_loss": 0.4, "calibrated_brier": 0.2}
    corrected = cell("a", [0.5, 0.7], **sure, calibrated_error=0.01)
    table = summary(pd.concat([corrected, cell("b", [0.5, 0.7])]))
    assert table["calibrated_loss"].tolist() == pytest.approx([0.4, math.nan], nan_ok=True)
    mixed = pd.concat([cell("a", [0.5], **sure), cell("a", [0.7], first_task=1)])
    (row,) = summary(mixed).to_dict("records")
    assert math.isnan(row["temperature"])
    assert math.isnan(row["calibrated_loss"])
    assert row["loss"] == 0.5
