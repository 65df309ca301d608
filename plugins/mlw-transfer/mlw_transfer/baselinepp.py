"""Baseline++: Baseline with classifiers that score by cosines between features and class vectors.

Chen, Liu, Kira, Wang, Huang: A Closer Look at Few-shot Classification, ICLR 2019, arXiv 1904.04232,
section 3.2: softmax over the classes of cos(f(x), w_k), in training and in a new head for each
task.

The authors' code, which produced their numbers, adds two things. A fixed scale multiplies the
cosines: 2 in a head of up to 200 classes, 10 in a larger one. Weight normalisation (Salimans,
Kingma 2016, arXiv 1602.07868) makes the length g_k of a class vector a parameter beside its
direction v_k:

    score_k = scale * g_k * cos(f(x), v_k)

The head of a task is fitted as in Baseline. With the unit feature z, the errors
e = scale (softmax - label) / |B| and u_k = v_k / |v_k|, the gradients are

    for g_k:  sum of e_k (u_k z)
    for v_k:  g_k / |v_k| (sum of e_k z - (sum of e_k (u_k z)) u_k)

They stay in the span of the support and the initial head, where the steps are taken.

What differs: the order of the images and the initial head come from a fixed seed, the same for each
task.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlw_transfer.heads import (
    DAMPENING,
    MOMENTUM,
    WEIGHT_DECAY,
    errors,
    first_rows,
    in_span,
    shuffled,
)
from workbench import Above, AtLeast, Backbone, Examples, Learner, Predictor, Source
from workbench.functional import SGD, one_hot


class BaselinePP(Learner):
    """Fit a new cosine classifier to frozen features; the backbone is trained with another one."""

    batched = True
    episodic = False

    def __init__(
        self,
        backbone: Backbone,
        classes: tuple[int, ...],
        *,
        scale: Annotated[
            float | None,
            "multiplies the cosines; none: 2 for up to 200 classes, otherwise 10",
            Above(0),
        ] = None,
        head_epochs: Annotated[
            int, "passes over the support to fit the head of a task", AtLeast(0)
        ] = 100,
        head_lr: Annotated[float, "learning rate of the head", AtLeast(0)] = 0.01,
        head_batch: Annotated[int, "support images per step of the head", AtLeast(1)] = 4,
    ):
        super().__init__()
        self.backbone = backbone
        self.scale = scale
        self.head_epochs = head_epochs
        self.head_lr = head_lr
        self.head_batch = head_batch
        first = nn.Linear(backbone.dim, sum(classes), bias=False).weight.detach()
        self.direction = nn.Parameter(first)  # v, (classes, dim)
        self.length = nn.Parameter(first.norm(dim=-1))  # g, (classes,)

    def embed(self, images: Tensor) -> Tensor:
        return F.normalize(self.backbone(images), dim=-1)  # (n, dim), of length 1

    def adapt(self, support: Examples) -> Predictor:
        n, dim = support.x.shape
        random = torch.Generator().manual_seed(0)
        first = first_rows(support.ways, dim, dim**-0.5, random, support.x)
        rows, basis = in_span(torch.cat([support.x, first]))  # (n + ways, r), (r, dim)
        labels = one_hot(support.y, support.ways).to(rows)  # (n, ways)
        scale = self.scale_of(support.ways)

        head = {"direction": rows[n:], "length": first.norm(dim=-1)}
        sgd = SGD(self.head_lr, MOMENTUM, DAMPENING, WEIGHT_DECAY)
        velocity = None
        batches = shuffled(random, self.head_epochs, self.head_batch, rows[:n], labels)
        for _, z, label in batches:
            length = head["length"]  # (ways,)
            norm = head["direction"].norm(dim=-1, keepdim=True)  # (ways, 1)
            unit = head["direction"] / norm  # (ways, r): u
            cosine = z @ unit.mT  # (batch, ways)
            error = errors(scale * length * cosine, label) * (scale / len(z))  # (batch, ways): e
            by_length = (error * cosine).sum(0)  # (ways,)
            tangent = error.mT @ z - by_length[:, None] * unit  # (ways, r)
            by_direction = length[:, None] / norm * tangent
            gradient = {"direction": by_direction, "length": by_length}
            head, velocity = sgd.step(head, gradient, velocity)
        weight = class_vectors(head["direction"], head["length"], scale) @ basis  # (ways, dim)
        return lambda x: x @ weight.mT  # (m, ways)

    def losses(self, source: Source) -> Iterator[Tensor]:
        scale = self.scale_of(len(self.length))
        for x, y in source.batches():
            weight = class_vectors(self.direction, self.length, scale)  # (classes, dim)
            yield F.cross_entropy(self.embed(x) @ weight.mT, y)

    def scale_of(self, classes: int) -> float:
        """Return the factor of the cosines in a head with this many classes."""
        if self.scale is not None:
            return self.scale
        return 2.0 if classes <= 200 else 10.0


def class_vectors(direction: Tensor, length: Tensor, scale: float) -> Tensor:
    """Return vectors `(ways, dim)` whose product with a unit feature is the score of a class."""
    return scale * length[:, None] * F.normalize(direction, dim=-1)
