"""Class indices for tests of protocols, and what holds for the tasks drawn from them."""

from __future__ import annotations

import numpy as np

from workbench.tasks.sampling import ClassIndex


def class_index(counts, groups=(), whole=False):
    """Return classes with these numbers of images."""
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return ClassIndex(starts, tuple(np.array(group) for group in groups), whole)


def class_of(classes, rows):
    """Return the class of each row."""
    return np.searchsorted(classes.starts, rows, side="right") - 1


def alphabets():
    """Return alphabets of 14, 3 and 23 characters, with 20 images each."""
    return class_index([20] * 40, [range(0, 14), range(14, 17), range(17, 40)])


def check_labels(classes, rows):
    """Check that a label is one class, in support and query, and that no image is used twice."""
    for n in range(len(rows.task)):
        used = np.concatenate([rows.support[n], rows.query[n]])
        assert len(set(used)) == len(used)
        y = np.concatenate([rows.support_y[n], rows.query_y[n]])
        pairs = set(zip(y.tolist(), class_of(classes, used).tolist(), strict=True))
        labels = {label for label, _ in pairs}
        assert len(labels) == len({c for _, c in pairs}) == len(pairs)
        assert labels <= set(range(rows.ways))
