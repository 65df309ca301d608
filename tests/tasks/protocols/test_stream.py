"""Classes that arrive one after another."""

from __future__ import annotations

import numpy as np
import pytest
from class_indices import class_index

from workbench.tasks.protocols.stream import Stream


def test_classes_arrive_one_after_another_and_those_seen_are_asked():
    stacks = Stream(9, 3, 2).draw(class_index([10] * 20), 0, 0)
    assert [rows.instance[0] for rows in stacks] == [1, 2, 4, 8, 9]
    for rows in stacks:
        seen = rows.instance[0]
        assert rows.ways == 9
        assert (rows.support_y == np.repeat(np.arange(seen), 3)).all()
        assert (np.sort(rows.query_y) == np.repeat(np.arange(seen), 2)).all()
        assert (rows.support == stacks[-1].support[:, : 3 * seen]).all()


@pytest.mark.parametrize(("ways", "seen"), [(2, [1, 2]), (5, [1, 2, 4, 5]), (8, [1, 2, 4, 8])])
def test_all_classes_are_asked_once_at_the_end(ways, seen):
    stacks = Stream(ways, 1, 1).draw(class_index([10] * 20), 0, 0)
    assert [rows.instance[0] for rows in stacks] == seen


def test_what_was_learnt_can_be_asked_and_the_first_classes_alone():
    classes = class_index([10] * 20)
    plain = Stream(9, 3, 2).draw(classes, 0, 0)
    learnt = Stream(9, 3, 2, asked="learnt").draw(classes, 0, 0)
    first = Stream(9, 3, 2, first=2).draw(classes, 0, 0)
    for usual, again, early in zip(plain, learnt, first, strict=True):
        assert (usual.support == again.support).all()
        assert (usual.support == early.support).all()
        assert (np.sort(again.query) == np.sort(usual.support)).all()
        of_image = dict(zip(again.query[0], again.query_y[0], strict=True))
        assert of_image == dict(zip(usual.support[0], usual.support_y[0], strict=True))
        assert set(early.query_y[0]) == set(range(min(2, usual.instance[0])))
        assert set(early.query[0]) <= set(usual.query[0])
