"""The nouns that everything else is written in: labelled examples, tasks, predictors.

Tasks travel in stacks: `source.tasks()` yields one `Task` whose tensors have a leading dimension of
tasks, `(tasks, n, *shape)` for `x` and `(tasks, n)` for `y`. A learner's `adapt` only ever sees one
task, without that dimension.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor


class Examples(NamedTuple):
    """Labelled examples of one task, in the order in which they are met."""

    x: Tensor  # (n, *shape): images in 0..1, or what `embed` made of them
    y: Tensor  # (n,) integers in 0 .. ways - 1
    ways: int


class Task(NamedTuple):
    """Learn from the support, be judged on the query."""

    support: Examples
    query: Examples
    domain: str = ""


Predictor = Callable[[Tensor], Tensor]
"""`(n, *shape)` to scores `(n, ways)`, whose softmax is the reported probability."""
