"""Sequences in which each example is predicted before its label is shown."""

from __future__ import annotations

import pytest
from class_indices import class_index

from workbench.errors import DataError
from workbench.tasks.protocols.prequential import Prequential
from workbench.tasks.sampling import BLOCK


def test_each_example_is_predicted_from_those_before_it():
    stacks = Prequential(3, 5).draw(class_index([10] * 9), 0, 0)
    assert len(stacks) == 15  # one for each example, the first too
    for t, rows in enumerate(stacks):
        assert rows.support.shape == (BLOCK, t)
        assert rows.query.shape == (BLOCK, 1)
        of_its_class = (rows.support_y == rows.query_y).sum(1) + 1  # with the example itself
        assert (of_its_class == rows.instance).all()
        if t > 0:
            before = stacks[t - 1]
            assert (rows.support[:, :-1] == before.support).all()
            assert (rows.support[:, -1:] == before.query).all()


def test_what_the_classes_cannot_give_is_said_in_numbers():
    Prequential(3, 10).check(class_index([10] * 9), "the data")
    with pytest.raises(DataError, match="10 shots leave no query"):
        Prequential(3, 11).check(class_index([10] * 9), "the data")


def test_one_image_of_each_class_is_no_sequence():
    with pytest.raises(DataError, match="use --shots 2 or more"):
        Prequential(5, 1).check(class_index([10] * 20), "the data")
