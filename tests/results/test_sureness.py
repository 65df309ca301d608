"""Accuracy by confidence and by coverage: by hand, and in figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from frames import cell, frame_of

from workbench.results.sureness import (
    Answers,
    answers_of,
    coverage,
    has_answers,
    reliability,
    sureness_figure,
)


def test_reliability_by_hand():
    answers = Answers(np.array([1.0, 0, 1, 1]), np.array([0.95, 0.94, 0.31, 1.0]))
    table = reliability(answers)
    assert table["queries"].tolist() == [1, 3]
    assert table["confidence"].tolist() == pytest.approx([0.31, (0.95 + 0.94 + 1.0) / 3])
    assert table["accuracy"].tolist() == pytest.approx([1.0, 2 / 3])


def test_coverage_by_hand_with_equal_confidences():
    answers = Answers(np.array([1.0, 0, 1, 0, 1]), np.array([0.9, 0.5, 0.5, 0.4, 0.5 + 1e-8]))
    table = coverage(answers)
    assert table["coverage"].tolist() == pytest.approx([0.2, 0.8, 1.0])
    assert table["accuracy"].tolist() == pytest.approx([1.0, 3 / 4, 3 / 5])
    assert table["queries"].tolist() == [1, 4, 5]


def test_coverage_ends_at_the_accuracy_of_all_queries():
    random = np.random.default_rng(0)
    hits, confidences = random.integers(0, 2, 500).astype(float), random.random(500)
    last = coverage(Answers(hits, confidences)).iloc[-1]
    assert (last["coverage"], last["accuracy"]) == (1.0, pytest.approx(hits.mean()))


def with_answers(name, tasks=100, **given):
    """Return a cell whose tasks have 15 queries each, answered with the confidence of a draw."""
    random = np.random.default_rng(len(name))
    rows = cell(name, [0.5] * tasks, **given)
    confidences = [tuple(random.uniform(0.2, 1, 15)) for _ in range(tasks)]
    hits = [tuple((random.random(15) < each).astype(float)) for each in map(np.array, confidences)]
    return rows.assign(
        confidences=pd.Series(confidences, dtype=object), hits=pd.Series(hits, dtype=object)
    )


def test_rows_without_answers_are_left_out():
    frame = frame_of(with_answers("a"), cell("b", [0.5] * 10))
    assert has_answers(frame)
    assert len(answers_of(frame).hits) == 1500
    assert len(answers_of(frame, "calibrated_confidences").hits) == 0
    assert not has_answers(cell("b", [0.5] * 10))


def test_the_figure_has_two_panels_for_each_condition():
    frame = frame_of(
        with_answers("a"), with_answers("bb"), with_answers("a", shots=5), cell("c", [0.5] * 10)
    )
    axes = sureness_figure(frame).axes
    assert len(axes) == 4
    diagonal, *curves = axes[0].lines
    assert diagonal.get_linestyle() == ":"
    assert len([line for line in curves if len(line.get_xdata())]) == 2
    ends = [line.get_xdata()[-1] for line in axes[1].lines]
    assert ends == [100.0, 100.0]
