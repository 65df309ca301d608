"""Which methods are baselines, by default and by name."""

from __future__ import annotations

import math

import pytest
from frames import by_hand, cell, frame_of

from workbench.errors import UnknownName
from workbench.results.baselines import baseline_words
from workbench.results.summary import summary


class TestBaselines:
    def test_the_best_that_draws_no_tasks_and_sees_only_the_support(self):
        frame = frame_of(
            cell("protonet", [0.9, 0.8]),
            cell("baseline", [0.5, 0.6], episodic=False),
            cell("simpleshot", [0.6, 0.7], episodic=False),
            cell("tim", [0.9, 0.9], episodic=False, transductive=True),
            cell("url", [0.8, 0.9], episodic=False, oracle=True),
        )
        table = summary(frame).set_index("method")
        assert set(table["baseline"]) == {"simpleshot"}
        assert table.loc["protonet", "to_baseline"] == pytest.approx(0.2)  # 0.85 - 0.65
        assert table.loc["protonet", "to_baseline_interval"] == pytest.approx(
            by_hand([0.3, 0.1])[1]
        )
        assert table.loc["simpleshot", "to_baseline"] == 0
        assert math.isnan(table.loc["simpleshot", "to_baseline_interval"])
        assert "trains without episodes" in baseline_words(summary(frame))

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
            assert set(summary(frame, names)["baseline"]) == {best}
        assert baseline_words(summary(frame, ["a"]), ["a"]) == "a"
        assert baseline_words(summary(frame)).startswith("the best method, because")
        with pytest.raises(UnknownName, match=r"no method 'bb'\. Did you mean b\?"):
            summary(frame, ["bb"])

    def test_a_condition_without_one(self):
        frame = frame_of(
            cell("a", [0.5]), cell("a", [0.6], shots=5), cell("b", [0.7], shots=5, episodic=False)
        )
        table = summary(frame)
        assert table["baseline"].tolist() == ["", "b", "b"]
        assert table["to_baseline"].isna().tolist() == [True, False, False]

    def test_a_data_set_called_oracle_makes_no_oracle(self):
        """A user's own data set may have any name; whether a method is an oracle is a column."""
        chosen = {"selected": "lr=0.1", "selected_on": ("oracle_mnist",)}
        table = summary(
            frame_of(
                cell("protonet", [0.9, 0.8], train_on="oracle_mnist"),
                cell("finetune", [0.6, 0.7], train_on="oracle_mnist", episodic=False, **chosen),
            )
        )
        assert set(table["baseline"]) == {"finetune"}
        assert not table["oracle"].any()
