"""Baseline++: as Baseline, with classifiers that score by the cosine between a feature and a class vector.

Chen, Liu, Kira, Wang, Huang: A Closer Look at Few-shot Classification, ICLR 2019, arXiv 1904.04232,
section 3.2: softmax over the classes of cos(f(x), w_k), in training and in a new head for each task.

What the authors' code adds, and their numbers hold for: the cosines are multiplied by a fixed scale, 2
for a head of up to 200 classes and 10 beyond; and weight normalisation (Salimans, Kingma 2016, arXiv
1602.07868) makes a class vector's length a parameter beside its direction, which multiplies the cosine:

    score_k = scale * g_k * cos(f(x), v_k)

The fit of a task's head is Baseline's. With the unit feature z, the errors e = scale (softmax - label) / |B|
and u_k = v_k / |v_k|, the gradients are sum of e_k (u_k z) for g_k, and for v_k
g_k / |v_k| (sum of e_k z - (sum of e_k (u_k z)) u_k). They stay in the span of the support and the first
head, where the steps are taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlw_transfer.heads import errors, first_rows, in_span, shuffled
from workbench import Above, AtLeast, Backbone, Examples, Learner, Predictor, Source
from workbench.functional import SGD, one_hot


class BaselinePP(Learner):
    """Fit a new cosine classifier on frozen features, trained by classification with another."""

    batched = True
    episodic = False

    def __init__(
        self,
        backbone: Backbone,
        classes: tuple[int, ...],
        *,
        scale: Annotated[
            float | None,
            "multiplies the cosines; none: 2 for up to 200 classes, 10 beyond",
            Above(0),
        ] = None,
        head_epochs: Annotated[
            int, "passes over the support to fit a task's head", AtLeast(0)
        ] = 100,
        head_lr: Annotated[float, "learning rate of the task's head", AtLeast(0)] = 0.01,
        head_batch: Annotated[int, "support images a step of the head", AtLeast(1)] = 4,
    ):
        super().__init__()
        self.backbone = backbone
        self.scale = scale
        self.head_epochs = head_epochs
        self.head_lr = head_lr
        self.head_batch = head_batch
        self.direction = nn.Parameter(
            nn.Linear(backbone.dim, sum(classes), bias=False).weight.detach()
        )  # v
        self.length = nn.Parameter(self.direction.detach().norm(dim=-1))  # g

    def embed(self, images: Tensor) -> Tensor:
        return F.normalize(self.backbone(images), dim=-1)  # (n, dim), of length 1

    def adapt(self, support: Examples) -> Predictor:
        n, dim = support.x.shape
        random = torch.Generator().manual_seed(0)
        first = first_rows(support.ways, dim, dim**-0.5, random, support.x)
        rows, basis = in_span(torch.cat([support.x, first]))  # (n + ways, r), (r, dim)
        head = {"direction": rows[n:], "length": first.norm(dim=-1)}
        sgd, velocity = SGD(self.head_lr, momentum=0.9, dampening=0.9, weight_decay=0.001), None
        scale = self.scale_of(support.ways)
        labels = one_hot(support.y, support.ways).to(rows)
        for _, z, label in shuffled(random, self.head_epochs, self.head_batch, rows[:n], labels):
            size = head["direction"].norm(dim=-1, keepdim=True)  # (ways, 1)
            unit = head["direction"] / size
            cosine = z @ unit.mT  # (batch, ways)
            error = errors(scale * head["length"] * cosine, label) * (
                scale / len(z)
            )  # (batch, ways)
            by_length = (error * cosine).sum(0)  # (ways,)
            by_direction = (
                head["length"][:, None] / size * (error.mT @ z - by_length[:, None] * unit)
            )  # (ways, r)
            head, velocity = sgd.step(
                head, {"direction": by_direction, "length": by_length}, velocity
            )
        weight = (
            scale * head["length"][:, None] * F.normalize(head["direction"], dim=-1) @ basis
        )  # (ways, dim)
        return lambda x: x @ weight.mT  # (n, ways)

    def losses(self, source: Source) -> Iterator[Tensor]:
        scale = self.scale_of(len(self.length))
        for x, y in source.batches():
            weight = (
                scale * self.length[:, None] * F.normalize(self.direction, dim=-1)
            )  # (classes, dim)
            yield F.cross_entropy(self.embed(x) @ weight.mT, y)

    def scale_of(self, classes: int) -> float:
        """What multiplies the cosines in a head of so many classes."""
        return self.scale or (2.0 if classes <= 200 else 10.0)
