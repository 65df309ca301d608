"""Baseline: a classifier over all training classes, and a new linear head for each task.

Chen, Liu, Kira, Wang, Huang: A Closer Look at Few-shot Classification, ICLR 2019, arXiv 1904.04232,
section 3.2.

Training stage: cross-entropy over all training classes. Fine-tuning stage: the features stay frozen
and a new linear classifier is fitted to the support by SGD with momentum and dampening 0.9 and weight
decay 0.001, 100 epochs of batches of 4. The order of the images and the first head come from a fixed
seed, the same for each task.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import grad

from workbench import Backbone, Examples, Learner, Predictor, Source
from workbench.functional import SGD, Weights


class Baseline(Learner):
    """Fit a new linear classifier on frozen features, trained by plain classification."""

    batched = True
    episodic = False

    def __init__(
        self,
        backbone: Backbone,
        classes: tuple[int, ...],
        *,
        head_epochs: Annotated[int, "passes over the support to fit a task's head"] = 100,
        head_lr: Annotated[float, "learning rate of the task's head"] = 0.01,
        head_batch: Annotated[int, "support images a step of the head"] = 4,
    ):
        super().__init__()
        self.backbone = backbone
        self.classifier = nn.Linear(backbone.dim, sum(classes))
        self.head_epochs = head_epochs
        self.head_lr = head_lr
        self.head_batch = head_batch

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)  # (n, dim)

    def adapt(self, support: Examples) -> Predictor:
        n, dim = support.x.shape
        random = torch.Generator().manual_seed(0)
        bound = dim**-0.5  # torch's own first values of a linear layer
        first = (torch.rand(support.ways, dim + 1, generator=random) * 2 - 1).to(support.x) * bound
        head: Weights = {"weight": first[:, :-1], "bias": first[:, -1]}
        sgd = SGD(self.head_lr, momentum=0.9, dampening=0.9, weight_decay=0.001)
        velocity = None
        for _ in range(self.head_epochs):
            for batch in torch.randperm(n, generator=random).to(support.x.device).split(self.head_batch):
                gradient = grad(_loss)(head, support.x[batch], support.y[batch])
                head, velocity = sgd.step(head, gradient, velocity)
        return lambda x: F.linear(x, head["weight"], head["bias"])  # (n, ways)

    def losses(self, source: Source) -> Iterator[Tensor]:
        return (F.cross_entropy(self.classifier(self.embed(x)), y) for x, y in source.batches())


def _loss(head: Weights, x: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(F.linear(x, head["weight"], head["bias"]), y)
