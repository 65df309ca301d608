"""What a learner answers to each query of some tasks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.learning.device import precision as precision_context
from workbench.learning.evaluation import answers_of, embedded_tasks, in_test_mode
from workbench.learning.learner import Learner, scores
from workbench.progress import Tell, tell_nobody
from workbench.tasks.sampling import Rows
from workbench.tasks.source import Source

NO_ANSWER = -1  # the label of a query on which the learner broke down


class Answered(NamedTuple):
    """The answers to one task."""

    rows: Rows  # a stack of this task only
    labels: NDArray[np.int64]  # (m,), or `NO_ANSWER`
    probabilities: NDArray[np.float64]  # (m,), of these answers


@torch.no_grad()
def answers_to(
    learner: Learner,
    source: Source,
    episodes: int,
    *,
    precision: str = "float32",
    tell: Tell = tell_nobody,
) -> list[Answered]:
    """Return the answers to tasks 0 to episodes - 1 of a source, adapting to them one by one.

    The learner's mode and torch's random state are restored afterwards.

    Args:
        precision: of the networks, "float32" or "bfloat16".
        tell: told how many tasks are done.
    """
    found = []
    with in_test_mode(learner), precision_context(precision, source.device):
        for rows in source.stacks(0, episodes, 1):
            tasks = embedded_tasks(learner, source, rows, None)
            predicted = scores(learner, tasks.support, tasks.query.x).float()
            answers = answers_of(predicted, tasks.support)
            surest = answers.scores[0].double().softmax(-1).max(-1)
            labels = surest.indices.masked_fill(answers.broken[0], NO_ANSWER)
            found.append(Answered(rows, labels.cpu().numpy(), surest.values.cpu().numpy()))
            tell(int(rows.task[0]) + 1, episodes, "tasks")
    return found
