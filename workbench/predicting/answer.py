"""Adapt a learner to images with classes, and score others: the arithmetic of `evaluate`."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.learning.device import precision as precision_context
from workbench.learning.evaluation import answers_of, embedded_tasks, in_test_mode
from workbench.learning.learner import Learner, scores
from workbench.tasks.sampling import ClassIndex, Domain, Rows
from workbench.tasks.source import Source

AT_ONCE = 512  # queries, where they do not decide about one another


@torch.no_grad()
def probabilities(
    learner: Learner,
    support: NDArray[np.uint8],
    labels: NDArray[np.int64],
    queries: NDArray[np.uint8],
    *,
    device: torch.device,
    precision: str = "float32",
) -> NDArray[np.float64]:
    """Return the probability of each class for each query, `(m, ways)`; NaN where it broke down.

    Args:
        support: images `(n, channels, height, width)`.
        labels: `(n,)`, in 0 .. ways - 1.
        queries: images `(m, channels, height, width)`.
        precision: of the networks, "float32" or "bfloat16".
    """
    n, m = len(support), len(queries)
    images = np.concatenate([support, queries])
    source = Source([Domain("", images, ClassIndex(np.array([0, n + m])))], None, device=device)
    at_once = m if learner.transductive else AT_ONCE
    parts = []
    with in_test_mode(learner), precision_context(precision, device):
        for first in range(0, m, at_once):
            asked = np.arange(n + first, n + min(first + at_once, m))
            parts.append(_probabilities(learner, source, labels, asked))
    return torch.cat(parts).double().cpu().numpy()


def _probabilities(
    learner: Learner, source: Source, labels: NDArray[np.int64], asked: NDArray[np.int64]
) -> Tensor:
    """Return the probabilities of some images of a source, `(m, ways)`."""
    rows = Rows(
        support=np.arange(len(labels))[None],
        query=asked[None],
        support_y=labels[None],
        query_y=np.zeros_like(asked)[None],
        ways=int(labels.max()) + 1,
        task=np.zeros(1, np.int64),
        instance=np.zeros(1, np.int64),
    )
    task = embedded_tasks(learner, source, rows, None)
    answers = answers_of(scores(learner, task.support, task.query.x).float(), task.support)
    found = answers.scores.softmax(-1)
    return found.masked_fill(answers.broken[..., None], torch.nan)[0]
