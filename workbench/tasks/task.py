"""Labelled examples, tasks and predictors: the nouns of the contract between learner and core.

Tasks come in stacks: `source.tasks()` yields a `Task` whose tensors have a leading dimension of
tasks, `(tasks, n, *shape)` for `x` and `(tasks, n)` for `y`. `adapt` of a learner gets one task,
without this dimension.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor


class Examples(NamedTuple):
    """Labelled examples of one task, in the order in which the learner sees them."""

    x: Tensor  # (n, *shape): images in 0..1, or what `embed` returned for them
    y: Tensor  # (n,), integers in 0 .. ways - 1
    ways: int


class Task(NamedTuple):
    """Learn from the support, then predict the query."""

    support: Examples
    query: Examples
    domain: str = ""  # the data set that the task comes from


Predictor = Callable[[Tensor], Tensor]
"""Turns `x`, `(n, *shape)`, into scores `(n, ways)`. Their softmax is the reported probability."""
