"""Transductive information maximisation, TIM-GD.

Boudiaf, Masud, Rony, Dolz, Piantanida, Ben Ayed: Transductive Information Maximization for Few-Shot
Learning, NeurIPS 2020, arXiv 2008.11297. `alpha` follows Veilleux, Boudiaf, Piantanida, Ben Ayed:
Realistic Evaluation of Transductive Few-Shot Learning, NeurIPS 2021, arXiv 2204.11181.

Features z are frozen and have unit length. A class has a weight w_k, which starts as the mean of
its support, and p_ik is proportional to exp(-tau / 2 ||w_k - z_i||^2) (equation 1). Adam changes
only the weights w to minimise

    lambda CE(support) - (H(Y) - c H(Y|X))                                        (equations 2 to 4)

H(Y) is the entropy of the queries' mean prediction, and H(Y|X) the mean entropy of their
predictions; the paper calls c alpha. H(Y) is largest if all classes have equally many queries:
**the method assumes balanced queries**. `marginal` is the weight of H(Y). 0 removes the assumption,
but then nothing prevents all queries from ending in one class. alpha-TIM replaces both entropies by
H_alpha(p) = (1 - sum_k p_k^alpha) / (alpha - 1), which penalise imbalance less. Its code uses
lambda = c = 1, and alpha = 2 at 1 shot and 7 from 5 shots on.

The gradient is written out, which makes a step about ten times as fast: with e_ik, the derivative
of the loss by the score -tau / 2 ||w_k - z_i||^2, the derivative by w_k is tau sum_i e_ik (z_i -
w_k). Scores leave ||z_i||^2 out, because it is the same for all classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from workbench import Above, AtLeast, Backbone, Examples, Learner, Predictor, Source
from workbench.functional import Adam, class_means, one_hot


class TIM(Learner):
    """Move the class means to classify the queries with confidence; assumes balanced queries."""

    batched = True
    episodic = False
    transductive = True

    def __init__(
        self,
        backbone: Backbone,
        *,
        temperature: Annotated[float, "tau, multiplies the squared distances", Above(0)] = 15.0,
        supervised: Annotated[
            float, "lambda, the weight of the support's cross-entropy", AtLeast(0)
        ] = 0.1,
        marginal: Annotated[
            float,
            "weight of H(Y); 0: no assumption about how many queries each class has",
            AtLeast(0),
        ] = 1.0,
        conditional: Annotated[float, "c, the weight of H(Y|X)", AtLeast(0)] = 0.1,
        alpha: Annotated[
            float, "order of the entropies in alpha-TIM; 1: Shannon's, as in TIM", Above(0)
        ] = 1.0,
        head_steps: Annotated[int, "steps of Adam on the class weights", AtLeast(0)] = 1000,
        head_lr: Annotated[float, "learning rate of Adam", AtLeast(0)] = 1e-4,
    ):
        super().__init__()
        self.backbone = backbone
        self.temperature = temperature
        self.supervised = supervised
        self.marginal = marginal
        self.conditional = conditional
        self.alpha = alpha
        self.head_steps = head_steps
        self.head_lr = head_lr

    def embed(self, images: Tensor) -> Tensor:
        return F.normalize(self.backbone(images), dim=-1)  # (n, dim), of unit length

    @torch.no_grad()
    def adapt(self, support: Examples) -> Predictor:
        n = len(support.y)
        labels = one_hot(support.y, support.ways).to(support.x)  # (n, ways)
        known = labels.sum(0) > 0  # a class without support images is never predicted
        means = class_means(support).nan_to_num()  # (ways, dim)

        def scores(w: Tensor, z: Tensor) -> Tensor:
            near = z @ w.mT - w.square().sum(-1) / 2  # equation 1 without ||z||^2
            return (self.temperature * near).masked_fill(~known, float("-inf"))

        def predict(z: Tensor) -> Tensor:
            adam = Adam(self.head_lr)
            weights = {"w": means}
            moments = None
            both = torch.cat([support.x, z])  # (n + m, dim)
            for _ in range(self.head_steps):
                w = weights["w"]
                p = scores(w, both).softmax(-1)  # (n + m, ways)
                support_errors = self.supervised * (p[:n] - labels) / n
                errors = torch.cat([support_errors, self.slope(p[n:])])  # e, (n + m, ways)
                gradient = self.temperature * (errors.mT @ both - errors.sum(0)[:, None] * w)
                weights, moments = adam.step(weights, {"w": gradient}, moments)
            return scores(weights["w"], z)  # (m, ways)

        return predict

    def slope(self, p: Tensor) -> Tensor:
        """Return minus the gradient of the mutual information by the queries' scores.

        Args:
            p: predictions for the queries `(m, ways)`.
        """
        conditional = self.conditional * entropy_slope(p, self.alpha)  # (m, ways)
        marginal = self.marginal * entropy_slope(p.mean(0), self.alpha)  # (ways,)
        by_p = conditional - marginal
        return p * (by_p - (p * by_p).sum(-1, keepdim=True)) / len(p)

    def losses(self, source: Source) -> Iterator[Tensor]:  # noqa: ARG002 - the backbone is already trained
        return iter(())


def entropy_slope(p: Tensor, alpha: float) -> Tensor:
    """Return the derivative of H_alpha by each probability; without its constant, which cancels."""
    p = p.clamp_min(1e-12)  # a class without support images has probability 0
    if alpha == 1:
        return -p.log()
    return -alpha / (alpha - 1) * p.pow(alpha - 1)
