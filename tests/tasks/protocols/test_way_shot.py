"""N-way K-shot tasks."""

from __future__ import annotations

import numpy as np
import pytest
from class_indices import check_labels, class_index

from workbench.errors import DataError
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.sampling import BLOCK


def test_a_block_is_one_stack_with_ways_shots_and_queries():
    classes = class_index([8] * 12)
    (rows,) = WayShot(4, 2, 3).draw(classes, 0, 1)
    assert rows.support.shape == (BLOCK, 8)
    assert rows.query.shape == (BLOCK, 12)
    assert rows.task.tolist() == list(range(BLOCK, 2 * BLOCK))
    check_labels(classes, rows)
    assert (np.sort(rows.support_y) == np.repeat(np.arange(4), 2)).all()
    assert (np.sort(rows.query_y) == np.repeat(np.arange(4), 3)).all()


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        (WayShot(3, 1, 0), "There is no task of 3 ways, 1 shots and 0 queries"),
        (WayShot(10, 1, 1), "10 ways are more than the 9 classes of the data; use at most 9"),
        (WayShot(3, 5, 9), "5 shots [+] 9 queries need 14 images per class, .* try --queries 5"),
        (WayShot(3, 10, 1), "10 shots leave no query in the data, .* try --shots 9"),
    ],
)
def test_what_the_classes_cannot_give_is_said_in_numbers(protocol, words):
    with pytest.raises(DataError, match=words):
        protocol.check(class_index([10] * 9), "the data")
