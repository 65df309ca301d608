"""Some test tasks with their images, and what each method answered to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]  # (n, channels, height, width)
Labels = NDArray[np.int64]  # (n,), places in the classes of a task; -1 where a method broke down


class ExampleTask(NamedTuple):
    """A test task as pictures."""

    number: int
    classes: tuple[str, ...]
    support: Images
    support_y: Labels
    query: Images
    query_y: Labels
    answers: Mapping[str, Labels]  # by method
    probabilities: Mapping[str, NDArray[np.float64]]  # of these answers


class Confusion(NamedTuple):
    """Which classes are taken for which, over the first tasks of a condition."""

    tasks: int
    classes: tuple[str, ...]  # that these tasks have
    pictures: Images  # one of each class
    counts: Mapping[str, NDArray[np.int64]]  # by method, (classes, classes): true by answered
    choices: NDArray[np.int64]  # (classes, classes): queries of a class in tasks with the other


class Examples(NamedTuple):
    """What is shown of one condition."""

    title: str
    tasks: tuple[ExampleTask, ...]
    confusion: Confusion
    # answers that are right here and wrong in the evaluation, or the other way round, by method
    differing: Mapping[str, int]


class ShownTasks(NamedTuple):
    """What is shown of all conditions, and why something is not."""

    examples: tuple[Examples, ...]
    reasons: tuple[str, ...] = ()
