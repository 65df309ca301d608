"""Baseline: a classifier over all training classes, and a new linear head for each task.

Chen, Liu, Kira, Wang, Huang: A Closer Look at Few-shot Classification, ICLR 2019, arXiv 1904.04232,
section 3.2.

Training stage: cross-entropy over all training classes. Fine-tuning stage: the features stay
frozen, and a new linear classifier is fitted to the support by SGD with momentum and dampening 0.9
and weight decay 0.001, for 100 epochs with batches of 4.

What differs: the order of the images and the initial head come from a fixed seed, the same for each
task.

The steps are taken on few numbers. The gradient of a batch B is the sum over B of (softmax - label)
x' / |B|, where x' is a feature with an appended 1 for the bias. So after any number of steps the
head is a multiple of the initial head W0 plus a combination of the support's features X:

    W = s W0 + A' X

The steps are taken on s and A. The scores of a batch are its rows of s X W0' + (X X') A, and its
errors change only its rows of A.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlw_transfer.heads import DAMPENING, MOMENTUM, WEIGHT_DECAY, errors, first_rows, shuffled
from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source
from workbench.functional import one_hot


class Baseline(Learner):
    """Fit a new linear classifier to frozen features; the backbone is trained by classification."""

    batched = True
    episodic = False

    def __init__(
        self,
        backbone: Backbone,
        classes: tuple[int, ...],
        *,
        head_epochs: Annotated[
            int, "passes over the support to fit the head of a task", AtLeast(0)
        ] = 100,
        head_lr: Annotated[float, "learning rate of the head", AtLeast(0)] = 0.01,
        head_batch: Annotated[int, "support images per step of the head", AtLeast(1)] = 4,
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
        first = first_rows(support.ways, dim + 1, dim**-0.5, random, support.x)  # W0, bias last
        x = F.pad(support.x, (0, 1), value=1.0)  # (n, dim + 1)
        gram = x @ x.mT  # (n, n)
        first_scores = x @ first.mT  # (n, ways)
        labels = one_hot(support.y, support.ways).to(x)  # (n, ways)

        share, share_velocity = 1.0, 0.0  # s
        rows = torch.zeros_like(first_scores)  # A, (n, ways)
        velocity = torch.zeros_like(first_scores)
        # the part of a gradient that enters the velocity; torch takes all of the first
        undampened = 1.0
        batches = shuffled(random, self.head_epochs, self.head_batch, gram, first_scores, labels)
        for batch, batch_gram, batch_first, batch_labels in batches:
            scores = share * batch_first + batch_gram @ rows  # (batch, ways)
            error = errors(scores, batch_labels) / len(batch)
            velocity.mul_(MOMENTUM)
            velocity.add_(rows, alpha=undampened * WEIGHT_DECAY)
            velocity.index_add_(0, batch, error, alpha=undampened)
            share_velocity = MOMENTUM * share_velocity + undampened * WEIGHT_DECAY * share
            rows.sub_(velocity, alpha=self.head_lr)
            share -= self.head_lr * share_velocity
            undampened = 1 - DAMPENING
        head = share * first + rows.mT @ x  # W, (ways, dim + 1)
        return lambda x: F.linear(x, head[:, :-1], head[:, -1])  # (m, ways)

    def losses(self, source: Source) -> Iterator[Tensor]:
        for x, y in source.batches():
            yield F.cross_entropy(self.classifier(self.embed(x)), y)
