"""Tasks with different numbers of queries per class."""

from __future__ import annotations

import numpy as np
import pytest
from class_indices import class_index

from workbench.errors import DataError
from workbench.tasks.protocols.unbalanced import Unbalanced


def test_queries_have_the_total_and_the_spread_of_a_dirichlet_distribution():
    classes, protocol = class_index([200] * 20), Unbalanced(5, 1, 15, alpha=2)
    counts = []
    for block in range(20):
        (rows,) = protocol.draw(classes, 0, block)
        counts += [np.bincount(y, minlength=5) for y in rows.query_y]
    counts = np.array(counts)
    assert (counts.sum(1) == 75).all()
    share = counts / 75
    # Dirichlet(2, 2, 2, 2, 2): mean 1/5, variance a(A - a) / (A^2 (A + 1)) = 2 * 8 / (100 * 11)
    assert np.allclose(share.mean(0), 0.2, atol=0.01)
    assert np.allclose(share.var(0), 16 / 1100, rtol=0.1)


def test_what_the_classes_cannot_give_is_said_in_numbers():
    with pytest.raises(DataError, match="10 ways are more than the 9 classes"):
        Unbalanced(10, 1, 2).check(class_index([10] * 9), "the data")
