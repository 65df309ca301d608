"""Baseline: a classifier over all training classes, and a new linear head for each task.

Chen, Liu, Kira, Wang, Huang: A Closer Look at Few-shot Classification, ICLR 2019, arXiv 1904.04232,
section 3.2.

Training stage: cross-entropy over all training classes. Fine-tuning stage: the features stay frozen
and a new linear classifier is fitted to the support by SGD with momentum and dampening 0.9 and weight
decay 0.001, 100 epochs of batches of 4. The order of the images and the first head come from a fixed
seed, the same for each task.

The gradient of a batch B is sum over B of (softmax - label) x' / |B|, x' a feature with a 1 for the
bias. So after any number of steps the head is a multiple of the first one plus a combination of the
support's features, W = s W0 + A' X, and the steps are taken on (s, A): the scores of a batch are
s X W0' + (X X') A at its rows, and its errors change the rows of A that it consists of.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlw_transfer.heads import errors, first_rows, shuffled
from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source
from workbench.functional import one_hot

MOMENTUM, DAMPENING, WEIGHT_DECAY = 0.9, 0.9, 0.001  # of the head's steps


class Baseline(Learner):
    """Fit a new linear classifier on frozen features, trained by plain classification."""

    batched = True
    episodic = False

    def __init__(
        self,
        backbone: Backbone,
        classes: tuple[int, ...],
        *,
        head_epochs: Annotated[
            int, "passes over the support to fit a task's head", AtLeast(0)
        ] = 100,
        head_lr: Annotated[float, "learning rate of the task's head", AtLeast(0)] = 0.01,
        head_batch: Annotated[int, "support images a step of the head", AtLeast(1)] = 4,
    ):
        super().__init__()
        self.backbone = backbone
        self.classifier = nn.Linear(backbone.dim, sum(classes))
        self.head_epochs = head_epochs
        self.head_lr = head_lr
        self.head_batch = head_batch

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)  # (n, dim)

    @torch.no_grad()
    def adapt(self, support: Examples) -> Predictor:
        dim = support.x.shape[-1]
        random = torch.Generator().manual_seed(0)
        first = first_rows(
            support.ways, dim + 1, dim**-0.5, random, support.x
        )  # W0, the last column is the bias
        x = F.pad(support.x, (0, 1), value=1.0)  # (n, dim + 1)
        tables = (
            x @ x.mT,
            x @ first.mT,
            one_hot(support.y, support.ways).to(x),
        )  # (n, n), (n, ways), (n, ways)
        share, speed = 1.0, 0.0  # s and its velocity
        rows, velocity = (
            torch.zeros_like(tables[1]),
            torch.zeros_like(tables[1]),
        )  # A and its velocity, (n, ways)
        fresh = 1.0  # of a gradient enters the velocity; like torch, all of the first
        for batch, gram, of_first, labels in shuffled(
            random, self.head_epochs, self.head_batch, *tables
        ):
            error = errors(share * of_first + gram @ rows, labels) / len(batch)  # (batch, ways)
            velocity.mul_(MOMENTUM).add_(rows, alpha=fresh * WEIGHT_DECAY).index_add_(
                0, batch, error, alpha=fresh
            )
            speed = MOMENTUM * speed + fresh * WEIGHT_DECAY * share
            rows.sub_(velocity, alpha=self.head_lr)
            share -= self.head_lr * speed
            fresh = 1 - DAMPENING
        head = share * first + rows.mT @ x  # (ways, dim + 1)
        return lambda x: F.linear(x, head[:, :-1], head[:, -1])  # (n, ways)

    def losses(self, source: Source) -> Iterator[Tensor]:
        return (F.cross_entropy(self.classifier(self.embed(x)), y) for x, y in source.batches())
