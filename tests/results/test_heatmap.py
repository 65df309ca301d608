"""The heat map of methods by test data sets: what it shows, and that all of it can be read."""

from __future__ import annotations

import numpy as np
import pytest
from frames import Page, cell, frame_of
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from workbench.errors import WorkbenchError
from workbench.results.heatmap import heatmap_figure
from workbench.results.page.whole import html_page
from workbench.results.style import SOFT
from workbench.results.summary import summary
from workbench.results.wording import MINUS, plus_minus

LONG = "omniglot:split=alphabets,rotations=none,size=84,channels=3"


def matrix(methods, places, shots, **given):
    """Return accuracies on tasks whose difficulty all methods share.

    They grow with the method's number at one place, and fall at the next.
    """
    chance = np.random.default_rng(0)
    cells = []
    for i, place in enumerate(places):
        for k in shots:
            hard = chance.normal(0.5, 0.1, 30)
            for j, method in enumerate(methods):
                accuracy = hard + 0.02 * j * (-1) ** i + chance.normal(0, 0.02, 30)
                name, _, options = method.partition(":")
                values = {
                    "options": options,
                    "test_on": place,
                    "train_on": "mini",
                    "shots": k,
                    "episodic": j == 0,
                }
                cells.append(cell(name, np.clip(accuracy, 0, 1), **values | given))
    return frame_of(*cells)


def drawn(figure):
    figure.draw_without_rendering()
    return figure.axes[:-1], figure.axes[-1]


def words(axis):
    return [text.get_text() for text in axis.texts]


def test_cells_are_the_summary():
    frame = matrix(["protonet", "baseline", "simpleshot"], ["land", "skin"], [1, 5])
    table = summary(frame)
    (axis,), _ = drawn(heatmap_figure(frame))
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        "protonet",
        "baseline",
        "simpleshot",
    ]
    shown = words(axis)
    assert [word for word in shown if word.endswith("-shot")] == ["5-way 1-shot", "5-way 5-shot"]
    assert [word for word in shown if word in ("land", "skin")] == ["land", "skin"] * 2
    for row in table.to_dict("records"):
        assert plus_minus(100 * row["accuracy"], 100 * row["interval"]) in shown
        if row["method"] == row["baseline"]:
            continue
        below = plus_minus(100 * row["to_baseline"], np.nan, signed=True)
        told = abs(row["to_baseline"]) > row["to_baseline_interval"]
        assert (below if told else f"≈ {below}") in shown
    assert shown.count("baseline") == 4
    frames = [patch for patch in axis.patches if not patch.get_fill()]
    assert len(frames) == 4


def test_colour_is_the_difference_and_zero_is_pale():
    frame = matrix(["protonet", "baseline", "simpleshot"], ["land", "skin"], [1])
    (axis,), bar = drawn(heatmap_figure(frame))
    low, high = bar.get_xlim()
    assert low == -high
    filled = [patch for patch in axis.patches if isinstance(patch, Rectangle) and patch.get_fill()]
    red, _, blue = (
        np.array([to_rgb(patch.get_facecolor())[i] for patch in filled]) for i in range(3)
    )
    # filled column by column; on land the third is best, on skin the first, which is no baseline
    below = red - blue
    assert below[0] > below[1] > 0.05 > abs(below[2])
    assert below[3] < -0.05


def test_what_the_tasks_do_not_tell_apart_says_so():
    same = [0.5, 0.7, 0.6, 0.4]
    other = [0.6, 0.6, 0.6, 0.5]
    cells = [
        cell("a", values, test_on=place, episodic=False)
        for place, values in (("x", same), ("y", same))
    ]
    cells += [
        cell("b", values, test_on=place)
        for place, values in (("x", other), ("y", [0.1, 0.3, 0.2, 0.0]))
    ]
    (axis,), _ = drawn(figure := heatmap_figure(frame_of(*cells)))
    below = [word for word in words(axis) if word.startswith(("≈", MINUS))]
    assert below == ["≈ +2.5", f"{MINUS}40.0"]
    said = " ".join(" ".join(text.get_text() for text in figure.texts).split())
    assert "≈: the 95% interval of the difference includes 0" in said
    assert "Chance level: 20%." in said
    assert "All methods are trained on glyphs." in said


@pytest.mark.parametrize(
    ("methods", "places", "shots"),
    [
        (["a", "b"], ["x", "y"], [1]),
        (
            [f"finetune:blocks={i},init=none,lr_head=0.01,steps=50" for i in range(16)],
            ["x", "y", "z", LONG],
            [5, 20, 50],
        ),
        (["a", "b"], [f"domain {i}" for i in range(14)], [1, 5]),
    ],
)
def test_all_words_are_on_the_picture_and_none_covers_another(methods, places, shots):
    figure = heatmap_figure(
        matrix(methods, places, shots, selected="lr=0.1", selected_on=("mini",))
    )
    axes, bar = drawn(figure)
    whole = figure.bbox
    texts = [text for axis in axes for text in axis.texts if text.get_text()]
    texts += [label for axis in axes for label in axis.get_yticklabels()]
    boxes = [text.get_window_extent() for text in texts] + [
        text.get_window_extent() for text in figure.texts
    ]
    boxes.append(bar.get_tightbbox())
    for box in boxes:
        assert whole.x0 <= box.x0 <= box.x1 <= whole.x1
        assert whole.y0 <= box.y0 <= box.y1 <= whole.y1
    edges = np.array([(box.x0, box.y0, box.x1, box.y1) for box in boxes])
    low, high = (
        np.maximum(edges[:, None, :2], edges[None, :, :2]),
        np.minimum(edges[:, None, 2:], edges[None, :, 2:]),
    )
    overlap = (high - low > 1).all(-1) & ~np.eye(len(edges), dtype=bool)
    assert not overlap.any()


def test_only_a_baseline_that_won_its_column_is_favoured():
    frame = matrix(["protonet", "baseline", "simpleshot"], ["x", "y"], [1])
    said = {
        named: heatmap_figure(frame, named).texts[0].get_text() for named in ((), ("baseline",))
    }
    assert "which favours it" in said[()]
    assert "Baseline of a column (framed): baseline." in said["baseline",]
    assert "favours" not in said["baseline",]


def test_several_training_sets_are_blocks():
    parts = [
        matrix(["a", "b"], ["x", "y"], [1]).assign(train_on=name)
        for name in ("mini", "omniglot + mini")
    ]
    (axis,), _ = drawn(heatmap_figure(frame_of(*parts)))
    titles = [word for word in words(axis) if word.startswith("trained on")]
    assert titles == ["trained on mini\n5-way 1-shot", "trained on omniglot +\nmini\n5-way 1-shot"]


def test_each_domain_left_out_once_is_one_block():
    frame = matrix(["a", "b"], ["x", "y"], [1])
    frame["train_on"] = frame["test_on"].map({"x": "y", "y": "x"})
    figure = heatmap_figure(frame)
    (axis,), _ = drawn(figure)
    assert [word for word in words(axis) if "way" in word] == ["5-way 1-shot"]
    assert "All methods are trained on y for x; x for y." in figure.texts[0].get_text()


def test_a_condition_without_a_baseline_is_grey():
    frame = matrix(["a", "b"], ["x", "y"], [1])
    (axis,), _ = drawn(
        figure := heatmap_figure(frame[(frame["algorithm"] == "a") | (frame["test_on"] == "x")])
    )
    grey = [patch for patch in axis.patches if to_rgb(patch.get_facecolor()) == to_rgb(SOFT)]
    assert len(grey) == 1
    assert "Grey: no baseline was evaluated there." in figure.texts[0].get_text()


def test_one_data_set_is_no_matrix():
    with pytest.raises(WorkbenchError, match="needs several test or training data sets"):
        heatmap_figure(matrix(["a", "b"], ["x"], [1, 5]))


def test_the_page_shows_it_where_there_is_one():
    one, several = (matrix(["a", "b"], places, [1]) for places in (["x"], ["x", "y"]))
    assert "Methods by test data" not in html_page(one)
    parsed = Page(html_page(several, baseline=["a"]))
    assert parsed.tags.count("img") == 3
    assert "Methods by test data" in parsed.words
