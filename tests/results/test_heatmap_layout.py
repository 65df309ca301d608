"""Blocks of the heat map: side by side while there is room, then below."""

from __future__ import annotations

from itertools import pairwise

import pytest
from frames import cell, frame_of

from workbench.results.heatmap_layout import COLUMNS_ABREAST, heatmap_layout
from workbench.results.summary import summary


def layout_of(data_sets, shots, sentences=("One.", "Two.")):
    cells = [
        cell("a", [0.5, 0.6], train_on="mini", test_on=f"data{number}", shots=k)
        for number in range(data_sets)
        for k in shots
    ]
    return heatmap_layout(summary(frame_of(*cells)), list(sentences))


@pytest.mark.parametrize(
    ("data_sets", "shots", "columns"),
    [
        (2, [1], [[2]]),
        (4, [1, 5], [[4, 4]]),
        (8, [1, 5], [[8], [8]]),
        (14, [1], [[12], [2]]),
        (14, [1, 5], [[12], [2], [12], [2]]),
    ],
)
def test_blocks_fill_strips(data_sets, shots, columns):
    strips = layout_of(data_sets, shots).strips
    assert [[len(block.columns) for block in strip] for strip in strips] == columns
    assert max(sum(widths) for widths in columns) <= COLUMNS_ABREAST


def test_strips_are_below_each_other_and_above_the_legend():
    layout = layout_of(14, [1, 5])
    boxes = [box for _, box in layout.placed_strips()]
    for above, below in pairwise(boxes):
        assert above.bottom > below.bottom + below.height
    assert boxes[0].bottom + boxes[0].height < layout.height
    assert boxes[-1].bottom > layout.foot > layout.colour_bar.bottom > 0
    for box in (*boxes, layout.colour_bar):
        assert box.left + box.width < layout.width


def test_each_sentence_of_the_legend_begins_on_its_own_line():
    layout = layout_of(2, [1], ["one " * 60 + "end.", "Two."])
    assert len(layout.legend) > 2
    assert layout.legend[-1] == "Two."
    assert layout.legend[-2].endswith("end.")
