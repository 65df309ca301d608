"""Siamese networks.

Koch, Zemel, Salakhutdinov: Siamese Neural Networks for One-shot Image Recognition, ICML Deep Learning
Workshop 2015.

Two drawings are of one character with probability p = sigmoid(sum_j alpha_j |h_j(x1) - h_j(x2)|), h
being a last layer of sigmoids (section 3.1). Trained to tell pairs apart by cross-entropy; at test a
query belongs to the class of its best match. A score is p before the sigmoid: learnt from as many
equal as unequal pairs it is a log likelihood ratio, so a softmax over the classes is their probability.

The paper has one shot; of several, the most similar counts. It draws as many pairs of one character
as of two; here all pairs of query and support in a task are used, each kind weighing half. It has
the sum alone in the sigmoid; here a bias is added, and the first alphas speak against equality.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench import Backbone, Examples, Learner, Predictor, Source, query_loss
from workbench.functional import one_hot

FASTER = 16.0  # multiplies the bias, which else cannot keep up with a sum over thousands of units


class Siamese(Learner):
    """Learn whether two images show the same class, and classify a query by its best match."""

    def __init__(
        self, backbone: Backbone, *, units: Annotated[int, "sigmoids of the last layer"] = 4096
    ):
        super().__init__()
        self.backbone = backbone
        self.units = units
        self.last = nn.Linear(backbone.dim, units)
        self.alpha = nn.Parameter(-torch.rand(units) / units**0.5)
        self.bias = nn.Parameter(torch.zeros(()))

    def embed(self, images: Tensor) -> Tensor:
        return torch.sigmoid(self.last(self.backbone(images)))  # (n, units)

    def adapt(self, support: Examples) -> Predictor:
        def predict(x: Tensor) -> Tensor:
            pairs = self._same(x, support.x)  # (m, n)
            of_class = [
                torch.where(support.y == way, pairs, -torch.inf) for way in range(support.ways)
            ]
            return torch.stack([pairs.amax(-1) for pairs in of_class], -1)  # (m, ways)

        return predict

    def losses(self, source: Source) -> Iterator[Tensor]:
        return (query_loss(self, tasks, verification_loss) for tasks in source.tasks())

    def _same(self, x: Tensor, y: Tensor) -> Tensor:
        """Log odds that rows of `(m, units)` and `(n, units)` are of one class, `(m, n)`.

        alpha |a - b| = |alpha a - alpha b| where alpha > 0: by distances, which need no `(m, n, units)`.
        """
        more, less = self.alpha.relu(), (-self.alpha).relu()  # (units,) each
        return (
            torch.cdist(more * x, more * y, 1)
            - torch.cdist(less * x, less * y, 1)
            + FASTER * self.bias
        )


def verification_loss(scores: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy over pairs, scores `(m, ways)`, labels `(m,)`: equal and unequal ones weigh the same."""
    same = one_hot(y, scores.shape[-1]).bool()
    return (F.softplus(-scores[same]).mean() + F.softplus(scores[~same]).mean()) / 2
