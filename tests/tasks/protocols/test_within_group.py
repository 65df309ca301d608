"""Tasks within one group of classes."""

from __future__ import annotations

import numpy as np
import pytest
from class_indices import alphabets, class_index, class_of

from workbench.errors import DataError
from workbench.tasks.protocols.within_group import WithinGroup


def test_all_classes_of_a_task_are_of_one_large_enough_group():
    classes = alphabets()
    (rows,) = WithinGroup(5, 1, 2).draw(classes, 0, 0)
    group = np.searchsorted([14, 17, 40], class_of(classes, rows.support), side="right")
    assert (group == group[:, :1]).all()
    assert set(group[:, 0]) == {0, 2}


@pytest.mark.parametrize(
    ("protocol", "classes", "words"),
    [
        (WithinGroup(5, 1, 2), class_index([9] * 9), "have no groups; use --protocol way-shot"),
        (WithinGroup(24, 1, 2), alphabets(), "24 ways are more than the 23 classes of the largest"),
        (WithinGroup(5, 20, 1), alphabets(), "20 shots leave no query"),
    ],
)
def test_what_the_groups_cannot_give_is_said_in_numbers(protocol, classes, words):
    with pytest.raises(DataError, match=words):
        protocol.check(classes, "the data")
