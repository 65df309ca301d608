"""The numbers in the charts of a page are those of the frame."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from frames import Page, by_hand, cell, curves_of, frame_of, three_methods

from workbench.results.page.charts import MOST_POINTS, sampled
from workbench.results.page.task_charts import MOST_NUMBERS
from workbench.results.page.whole import html_page
from workbench.results.summary import summary
from workbench.results.sureness import answers_of, reliability


def embedded(frame, *more, **named):
    return Page(html_page(frame, *more, **named)).data


@pytest.fixture(scope="module")
def frame():
    return three_methods()


@pytest.fixture(scope="module")
def data(frame):
    return embedded(frame, curves_of(frame))


def series(data, figure, kind):
    """Return the series of a kind, by title of the chart and method."""
    found = {}
    for chart in data["figures"][figure]:
        for part in chart["series"]:
            if part["kind"] == kind:
                found[chart["title"], part["method"]] = part
    return found


def test_accuracies_and_intervals(frame, data):
    table = summary(frame)
    found = series(data, "accuracy", "measured")
    for method, rows in table.groupby("method"):
        part = found["glyphs, 5-way", method]
        assert part["y"] == pytest.approx(list(100 * rows["accuracy"]), abs=1e-5)
        assert part["error"] == pytest.approx(list(100 * rows["interval"]), abs=1e-5)
    printed = series(data, "accuracy", "published")
    assert list(printed) == [("glyphs, 5-way", "protonet")]
    assert printed["glyphs, 5-way", "protonet"]["y"] == [98.8, 98.8]


def test_paired_differences(frame, data):
    found = series(data, "differences", "difference")
    for shots, rows in frame.groupby("shots"):
        by_task = rows.pivot(index="task", columns="algorithm", values="accuracy")
        difference = list(100 * (by_task["maml"] - by_task["protonet"]))
        mean, interval = by_hand(difference)
        part = found[f"glyphs, 5-way {shots}-shot", "maml:lr=0.1"]
        assert part["x"] == pytest.approx([mean], abs=1e-5)
        assert part["error"] == pytest.approx([interval], abs=1e-5)
        best = found[f"glyphs, 5-way {shots}-shot", "protonet"]
        assert best["x"] == [0]
        assert best["error"] == [None]


def test_quantiles_over_tasks(frame, data):
    found = series(data, "distribution", "box")
    for (name, shots), rows in frame.groupby(["algorithm", "shots"]):
        method = "maml:lr=0.1" if name == "maml" else name
        part = found[f"glyphs, 5-way {shots}-shot", method]
        expected = np.quantile(100 * rows["accuracy"], [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1])
        assert part["x"] == pytest.approx(list(expected), abs=1e-5)
        assert part["mean"] == pytest.approx(100 * rows["accuracy"].mean(), abs=1e-5)


def test_pairs_of_tasks(frame, data):
    one, five = data["paired"]
    assert (one["title"], five["title"]) == ("glyphs, 5-way 1-shot", "glyphs, 5-way 5-shot")
    assert one["tasks"] == list(range(40))
    assert one["of"] == 40
    rows = frame[(frame["shots"] == 1) & (frame["algorithm"] == "baseline")]
    expected = list(100 * rows.sort_values("task")["accuracy"])
    assert one["accuracy"]["baseline"] == pytest.approx(expected, abs=1e-5)


def test_of_many_tasks_the_first_are_in_the_scatter_and_all_in_the_rest():
    tasks = 40_000
    values = np.random.default_rng(0).random((2, tasks))
    data = embedded(frame_of(cell("a", values[0]), cell("b", values[1])))
    (paired,) = data["paired"]
    assert paired["tasks"] == list(range(MOST_NUMBERS // 2))
    assert paired["of"] == tasks
    assert series(data, "accuracy", "measured")["glyphs, 5-way", "a"]["y"] == pytest.approx(
        [100 * values[0].mean()], abs=1e-5
    )


def test_training_seeds_and_instances_are_averaged_in_a_task():
    seeds = [cell("a", [0.2 * seed, 0.4], train_seed=seed) for seed in (0, 1)]
    data = embedded(frame_of(*seeds, cell("b", [0.5, 0.5])))
    assert data["paired"][0]["accuracy"]["a"] == [10.0, 40.0]


def test_learning_curves(frame, data):
    curves = curves_of(frame)
    run = frame.loc[(frame["algorithm"] == "baseline") & (frame["shots"] == 5), "run"].iloc[0]
    rows = curves[curves["run"] == run].dropna(subset="val_accuracy")
    part = series(data, "curves", "points")[
        "validation classes of glyphs, 5-way 5-shot", "baseline"
    ]
    assert part["x"] == list(rows["step"])
    assert part["y"] == pytest.approx(list(100 * rows["val_accuracy"]), abs=1e-5)


def test_long_curves_keep_their_ends_and_their_beginning():
    frame = pd.DataFrame({"step": np.arange(60_000)})
    some = sampled(frame)
    assert len(some) <= MOST_POINTS
    assert list(some["step"][:3]) == [0, 1, 2]
    assert some["step"].iloc[-1] == 59_999
    assert sampled(frame.head(7)).equals(frame.head(7))


def test_accuracy_by_confidence():
    random = np.random.default_rng(0)
    rows = cell("a", [0.5] * 30)
    rows["confidences"] = [tuple(random.random(40)) for _ in range(30)]
    rows["hits"] = [tuple((random.random(40) > 0.5) * 1.0) for _ in range(30)]
    part = series(embedded(rows), "sureness", "points")["glyphs, 5-way 1-shot", "a"]
    expected = reliability(answers_of(rows))
    assert part["x"] == pytest.approx(list(100 * expected["confidence"]), abs=1e-5)
    assert part["y"] == pytest.approx(list(100 * expected["accuracy"]), abs=1e-5)


def test_a_matrix_has_the_differences_to_the_baseline():
    cells = []
    for data, gain in (("x", 0.0), ("y", 0.1)):
        for name, skill in (("baseline", 0.5), ("maml", 0.6)):
            values = [skill + gain, skill + gain + 0.02, skill - gain]
            cells.append(cell(name, values, train_on="x", test_on=data))
    frame = frame_of(*cells)
    (chart,) = embedded(frame)["figures"]["matrix"]
    (part,) = chart["series"]
    assert (part["x"], part["y"]) == (["x", "y"], ["baseline", "maml"])
    table = summary(frame).set_index(["method", "test_on"])
    for row, method in enumerate(part["y"]):
        for column, data in enumerate(part["x"]):
            expected = 100 * table.loc[(method, data), "to_baseline"]
            assert part["z"][row][column] == pytest.approx(expected, abs=1e-5)
            assert (
                part["words"][row][column] == f"{100 * table.loc[(method, data), 'accuracy']:.1f}"
            )
