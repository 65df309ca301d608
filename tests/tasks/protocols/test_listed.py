"""Tasks that a data set lists itself."""

from __future__ import annotations

import numpy as np
import pytest
from class_indices import class_index

from workbench.errors import DataError
from workbench.tasks.protocols.listed import Listed

CLASSES = class_index([2] * 6, [range(0, 3), range(3, 6)])


def test_tasks_are_the_groups_in_order():
    (rows,) = Listed(3, 1).draw(CLASSES, 0, 0)
    assert rows.support.tolist() == [[0, 2, 4], [6, 8, 10]]
    assert rows.support_y.tolist() == [[0, 1, 2]] * 2
    assert np.sort(rows.query).tolist() == [[1, 3, 5], [7, 9, 11]]
    assert Listed(3, 1).draw(CLASSES, 0, 1) == []


def test_another_number_of_ways_is_an_error():
    with pytest.raises(DataError, match="have 3 ways, not 5"):
        Listed(5, 1).check(CLASSES, "the data")
