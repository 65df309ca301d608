"""Lightweight Laplace approximation for meta-adaptation (LLAMA): MAML as hierarchical Bayes.

Grant, Finn, Levine, Darrell, Griffiths: Recasting Gradient-Based Meta-Learning as Hierarchical
Bayes, ICLR 2018, arXiv 1801.08930.

MAML's initial weights theta are the mean of a prior, and k inner steps of rate a are a search for
the most likely weights phi of a task under it: for a quadratic loss, exactly (section 3.1, after
Santos 1996). In a direction in which the loss of n examples has the curvature l (of its sum), k
steps keep 1 - (1 - a l / n)^k of the way to the minimum, as a normal prior of this precision does:

    precision(l) = l (1 - kept) / kept        kept(l) = 1 - (1 - a l / n)^k

So the posterior has the curvature l / kept, or n / k a where the data say nothing. With one step it
is that of the prior alone, and LLAMA is MAML. Training follows the query loss at phi and the volume
of the posterior, the Laplace approximation of the integral over phi (section 3.2 and algorithm 2):

    -log p(query | phi) + eta log det(H / H_0) / 2

H has the curvatures of the posterior and H_0 those without data.

What differs: the curvature is that of the classifier's weights on the support, the Gauss-Newton
matrix, computed exactly from the n x ways outputs; the authors approximate that of all layers by
Kronecker factors, and leave the precision of the prior open. With `marginal`, probabilities are
averaged over the posterior of the classifier (MacKay, Neural Computation 4, 1992); the authors
predict with phi.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Annotated, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from workbench import (
    Above,
    AtLeast,
    Backbone,
    Examples,
    Learner,
    Predictor,
    Source,
    Task,
    normalises_by_batch,
)
from workbench.functional import Weights, descend, each_task, last


class Posterior(NamedTuple):
    """The weights of a classifier, normal around their most likely value."""

    roots: Tensor  # (n * ways, ways), A with A'A the curvature of the loss by the scores
    x: Tensor  # (n, dim + 1), the features of the examples and 1
    middle: Tensor  # (n * ways, n * ways), M
    spread: float  # 1 / H_0, the variance of a weight that the examples say nothing of
    volume: Tensor  # log det(H / H_0)

    def variances(self, x: Tensor) -> Tensor:
        """Return the variance of each score, `(m, dim + 1)` to `(m, ways)`.

        The covariance of the weights is (1 - J' M J) / H_0, where J has the derivatives of the n
        outputs, A times a feature.
        """
        alike = (x @ self.x.mT).repeat_interleave(self.roots.shape[1], 1)  # (m, n * ways)
        seen = alike[:, :, None] * self.roots  # (m, n * ways, ways), J times those of a query
        explained = (seen * (self.middle @ seen)).sum(1)
        return self.spread * (x.square().sum(1, keepdim=True) - explained).clamp(min=0)


class LLAMA(Learner):
    """Learn a prior over weights; a few steps of gradient descent find the most likely ones."""

    batched = True
    cross_entropy = False  # the loss has the volume of the posterior too
    precisions = ("float32",)

    def __init__(
        self,
        backbone: Backbone,
        ways: int,
        *,
        inner_steps: Annotated[int, "k, gradient steps on the support", AtLeast(1)] = 5,
        inner_lr: Annotated[float, "a, the rate of the inner steps", Above(0)] = 0.1,
        penalty: Annotated[float, "eta, weight of the volume in the loss", AtLeast(0)] = 1e-3,
        marginal: Annotated[bool, "average probabilities over the posterior"] = False,
    ):
        super().__init__()
        self.model = nn.ModuleDict({"backbone": backbone, "head": nn.Linear(backbone.dim, ways)})
        self.inner_steps = inner_steps
        self.inner_lr = inner_lr
        self.penalty = penalty
        self.marginal = marginal
        self.transductive = normalises_by_batch(backbone)

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        """Yield the predictor before the first inner step and after each inner step."""
        for steps, weights in enumerate(self.most_likely(support)):
            if steps and self.marginal:
                yield partial(self.averaged, weights, self.posterior(weights, support, steps))
            else:
                yield partial(self.scores, weights)

    def most_likely(self, support: Examples) -> Iterator[Weights]:
        """Yield the weights before the first inner step and after each inner step."""

        def loss(weights: Weights) -> Tensor:
            return F.cross_entropy(self.scores(weights, support.x), support.y)

        weights = Weights(self.model.named_parameters())
        yield weights
        for _ in range(self.inner_steps):
            weights = descend(loss, weights, self.inner_lr)
            yield weights

    def losses(self, source: Source) -> Iterator[Tensor]:
        for tasks in source.tasks():
            yield self.surprise(tasks)

    def surprise(self, tasks: Task) -> Tensor:
        """Return the mean over tasks of the query loss and of the volume of the posterior."""

        def of_one_task(support_x: Tensor, support_y: Tensor, x: Tensor, y: Tensor) -> Tensor:
            support = Examples(support_x, support_y, tasks.support.ways)
            weights = last(self.most_likely(support))
            volume = self.posterior(weights, support, self.inner_steps).volume
            return F.cross_entropy(self.scores(weights, x), y) + self.penalty * volume / 2

        support, query = tasks.support, tasks.query
        stacks = (support.x, support.y, query.x, query.y)
        return each_task(of_one_task, *stacks, batched=self.batched).mean()

    def outputs(self, weights: Weights, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and 1, `(m, dim + 1)`, and scores `(m, ways)`."""
        x = functional_call(self.model["backbone"], below("backbone", weights), images)
        scores = functional_call(self.model["head"], below("head", weights), x)
        return torch.cat([x, torch.ones_like(x[:, :1])], 1), scores

    def scores(self, weights: Weights, images: Tensor) -> Tensor:
        return self.outputs(weights, images)[1]

    def averaged(self, weights: Weights, posterior: Posterior, images: Tensor) -> Tensor:
        """Return scores whose softmax is near the mean of it over the posterior, `(m, ways)`."""
        x, scores = self.outputs(weights, images)
        return scores / (1 + math.pi / 8 * posterior.variances(x)).sqrt()

    def posterior(self, weights: Weights, support: Examples, steps: int) -> Posterior:
        """Return the Laplace approximation around the weights after some inner steps."""
        x, scores = self.outputs(weights, support.x)
        p = scores.softmax(1)
        curvature = p.sqrt().diag_embed() - p.sqrt()[:, :, None] * p[:, None]  # A of each example
        roots = curvature.flatten(0, 1)  # (n * ways, ways)
        n, ways = p.shape
        alike = (x @ x.mT).repeat_interleave(ways, 0).repeat_interleave(ways, 1)
        curvatures, directions = torch.linalg.eigh((roots @ roots.mT) * alike)
        curvatures = curvatures.clamp(min=0)  # of rounding
        nothing = n / (steps * self.inner_lr)  # H_0
        shrunk, seen = against_no_data(curvatures * self.inner_lr / n, steps)
        return Posterior(
            roots=roots,
            x=x,
            middle=(directions * seen * self.inner_lr / n) @ directions.mT,
            spread=1 / nothing,
            volume=-shrunk.log().sum(),
        )


def against_no_data(u: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Return H_0 / H, which is kept / k u, and (1 - H_0 / H) / u, without loss of digits.

    Both are sums of powers of 1 - u. Where a step goes beyond the minimum, u > 1, it counts as all
    of the way.

    Args:
        u: a l / n, curvatures times the rate.
        steps: k.
    """
    step = torch.arange(steps, device=u.device)
    powers = (1 - u).clamp(min=0)[:, None] ** step
    beyond = 1 / (steps * u.clamp(min=1))
    ratio = torch.where(u < 1, powers.mean(1), beyond)
    difference = (powers * (steps - 1 - step)).sum(1) / steps
    return ratio, torch.where(u < 1, difference, (1 - beyond) / u.clamp(min=1))


def below(name: str, weights: Weights) -> Weights:
    """Return the weights of one of the modules of a model, under their names in it."""
    start = f"{name}."
    found = {key: value for key, value in weights.items() if key.startswith(start)}
    return Weights({key.removeprefix(start): value for key, value in found.items()})
