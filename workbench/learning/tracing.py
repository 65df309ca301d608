"""What happens inside adaptation: loss and accuracy after each of its steps."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from workbench.learning.device import precision as precision_context
from workbench.learning.evaluation import answers_of, embedded_tasks, in_test_mode
from workbench.learning.learner import Learner, step_scores
from workbench.progress import Tell, tell_nobody
from workbench.tasks.source import Source
from workbench.tasks.task import Examples, Task


class Traced(NamedTuple):
    """Loss and accuracy of one task after one step, on its support or its queries."""

    task: int
    instance: int  # 0 if a task asks once
    support: int  # examples adapted to; tells questions of one instance apart
    step: int  # steps of adapting done so far
    part: str  # "support" or "query"
    accuracy: float  # in 0..1; an example without a score is wrong
    loss: float  # mean cross-entropy


@torch.no_grad()
def trace(
    learner: Learner,
    source: Source,
    episodes: int,
    *,
    precision: str = "float32",
    tell: Tell = tell_nobody,
) -> list[Traced]:
    """Adapt to tasks 0 to episodes - 1 of a source, one by one, and look after each step.

    The learner's mode and torch's random state are restored afterwards.

    Args:
        precision: of the networks, "float32" or "bfloat16".
        tell: told how many tasks are done.
    """
    found = []
    with in_test_mode(learner), precision_context(precision, source.device):
        for rows in source.stacks(0, episodes, 1):
            if rows.support.shape[1] == 0:
                continue  # nothing to adapt to
            tasks = embedded_tasks(learner, source, rows, None)
            task = int(rows.task[0])
            found += _steps(learner, tasks, task, int(rows.instance[0]))
            tell(task + 1, episodes, "tasks")
    return found


def _steps(learner: Learner, tasks: Task, task: int, instance: int) -> list[Traced]:
    """Return the steps of the only task of a stack."""
    parts = {"support": tasks.support, "query": tasks.query}
    asked = [examples.x[0] for examples in parts.values()]
    support = Examples(tasks.support.x[0], tasks.support.y[0], tasks.support.ways)
    found = []
    for step, predicted in enumerate(step_scores(learner, support, asked)):
        for (part, examples), scores in zip(parts.items(), predicted, strict=True):
            accuracy, loss = _judged(scores[None].float(), tasks.support, examples.y)
            found.append(Traced(task, instance, len(support.y), step, part, accuracy, loss))
    return found


def _judged(scores: Tensor, support: Examples, y: Tensor) -> tuple[float, float]:
    """Return accuracy and loss of scores `(1, n, ways)` for labels `(1, n)`."""
    answers = answers_of(scores, support)
    hit = (answers.scores.argmax(-1) == y) & ~answers.broken
    loss = F.cross_entropy(answers.scores[0].double(), y[0])
    return hit.double().mean().item(), loss.item()
