"""Siamese networks.

Koch, Zemel, Salakhutdinov: Siamese Neural Networks for One-shot Image Recognition, ICML Deep
Learning Workshop 2015.

Two drawings show the same character with probability p = sigmoid(sum_j alpha_j |h_j(x1) -
h_j(x2)|), where h is a last layer of sigmoids (section 3.1). The network is trained on pairs by
cross-entropy. At test, a query gets the class of the support image that matches it best. A score is
p before the sigmoid. Because equal and unequal pairs have the same weight in training, it is a log
likelihood ratio, so the softmax over the classes gives their probabilities.

What differs:
- The paper has one shot. With several shots, the most similar image of a class counts.
- The paper draws as many equal as unequal pairs. Here all pairs of a query and a support image of a
  task are used, and the equal and the unequal pairs each have half the weight.
- The paper has no bias inside the sigmoid. Here a bias is added, and alpha starts negative, so that
  a larger difference means "not the same" from the start.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source, query_loss
from workbench.functional import one_hot

BIAS_SPEED = 16.0  # multiplies the bias: it must keep up with a sum over thousands of units


class Siamese(Learner):
    """Learn whether two images show the same class, and classify a query by its best match."""

    cross_entropy = False  # of pairs, not of classes
    equivariant = True

    def __init__(
        self,
        backbone: Backbone,
        *,
        units: Annotated[int, "sigmoids of the last layer", AtLeast(1)] = 4096,
    ):
        super().__init__()
        self.backbone = backbone
        self.units = units
        self.last = nn.Linear(backbone.dim, units)
        self.alpha = nn.Parameter(-torch.rand(units) / units**0.5)
        self.bias = nn.Parameter(torch.zeros(()))

    def embed(self, images: Tensor) -> Tensor:
        return torch.sigmoid(self.last(self.backbone(images)))  # (n, units): h

    def adapt(self, support: Examples) -> Predictor:
        def predict(x: Tensor) -> Tensor:
            pairs = self._log_odds(x, support.x)  # (m, n)
            best = []
            for way in range(support.ways):
                pairs_of_class = torch.where(support.y == way, pairs, -torch.inf)
                best.append(pairs_of_class.amax(-1))  # (m,)
            return torch.stack(best, -1)  # (m, ways)

        return predict

    def losses(self, source: Source) -> Iterator[Tensor]:
        for tasks in source.tasks():
            yield query_loss(self, tasks, verification_loss)

    def _log_odds(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the log odds `(m, n)` that rows of x `(m, units)` and y `(n, units)` match.

        Where alpha > 0, alpha |a - b| = |alpha a - alpha b|, and likewise with -alpha where alpha <
        0. So the sum is a difference of two L1 distances, which need no tensor `(m, n, units)`.
        """
        positive = self.alpha.relu()  # (units,)
        negative = (-self.alpha).relu()
        more = torch.cdist(positive * x, positive * y, 1)
        less = torch.cdist(negative * x, negative * y, 1)
        return more - less + BIAS_SPEED * self.bias


def verification_loss(scores: Tensor, y: Tensor) -> Tensor:
    """Return the cross-entropy over pairs, half from equal and half from unequal ones.

    Args:
        scores: log odds `(m, ways)`.
        y: labels `(m,)`.
    """
    same = one_hot(y, scores.shape[-1]).bool()
    return (F.softplus(-scores[same]).mean() + F.softplus(scores[~same]).mean()) / 2
