"""What methods that learn online share.

Letters: n support images in the order in which they arrive, m queries, ways, dim of a feature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from workbench import Backbone, Examples, Predictor
from workbench.functional import Weights, descend, one_hot

Scores = Callable[[Weights, Tensor], Tensor]
"""Scores `(m, ways)` of weights and embedded images `(m, *shape)`."""

RATES = (0.1, 0.03, 0.01, 0.003, 0.001, 3e-4, 1e-4)
"""Online rates that validation classes choose from; the papers sweep over such a range."""


def one_by_one(n: int) -> list[list[int]]:
    """Return the steps of a plain stream: each image once, in the order in which they arrive."""
    return [[place] for place in range(n)]


def learn_online(
    scores: Scores,
    weights: Weights,
    support: Examples,
    steps: Iterable[list[int]],
    rate: float,
    *,
    first_order: bool = False,
) -> Iterator[Weights]:
    """Yield the weights before the first step of gradient descent, and after each.

    Args:
        steps: the places in the support of the images of each step.
        first_order: as in `descend`.
    """
    yield weights
    for places in steps:
        loss = partial(_loss, scores=scores, x=support.x[places], y=support.y[places])
        weights = descend(loss, weights, rate, first_order=first_order)
        yield weights


def _loss(weights: Weights, scores: Scores, x: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(scores(weights, x), y)


def new_head(ways: int, dim: int, like: Tensor) -> Weights:
    """Return a linear classifier that has seen nothing, the same for each task.

    Normal with a variance of 2 / dim: He, Zhang, Ren, Sun: Delving Deep into Rectifiers, ICCV 2015.

    Returns:
        head.weight `(ways, dim)` and head.bias `(ways,)`, on the device of `like`.
    """
    random = torch.Generator().manual_seed(0)
    rows = torch.randn(ways, dim, generator=random).to(like) * (2 / dim) ** 0.5
    return {"head.weight": rows, "head.bias": like.new_zeros(ways)}


def with_new_rows(head: nn.Linear, classes: Tensor) -> Weights:
    """Return a head whose rows of some classes `(n,)` are drawn again, without changing it.

    What is drawn is as in `new_head`, from torch's random state.
    """
    drawn = torch.randn_like(head.weight) * (2 / head.in_features) ** 0.5
    new = torch.zeros(head.out_features, dtype=torch.bool, device=classes.device)
    new[classes] = True
    rows = torch.where(new[:, None], drawn, head.weight)
    return {"head.weight": rows, "head.bias": torch.where(new, 0.0, head.bias)}


def head_scores(weights: Weights, x: Tensor) -> Tensor:
    """Return the scores `(m, ways)` of features `(m, dim)`."""
    return F.linear(x, weights["head.weight"], weights["head.bias"])


def features_of(network: Backbone, weights: Weights, images: Tensor) -> Tensor:
    """Return the features `(m, dim)` of images by the weights whose names begin with backbone."""
    own = {}
    for name, weight in weights.items():
        if name.startswith("backbone."):
            own[name.removeprefix("backbone.")] = weight
    features: Tensor = functional_call(network, own, images)
    return features


def among_met(scores: Scores, support: Examples, weights: Weights) -> Predictor:
    """Return the predictor of weights; classes without support have no score, NaN."""

    def predict(x: Tensor) -> Tensor:
        met = one_hot(support.y, support.ways).bool().any(0)  # (ways,)
        return torch.where(met, scores(weights, x), torch.nan)

    return predict


def fit_head(support: Examples, steps: Iterable[list[int]], rate: float) -> Iterator[Predictor]:
    """Fit a new linear classifier to features `(n, dim)`; yield it before and after each step.

    The steps are those of `learn_online`. The gradient is written out, errors times features,
    because a stream of 600 classes has 9,000 steps.
    """
    head = new_head(support.ways, support.x.shape[-1], support.x)
    yield among_met(head_scores, support, head)
    weight, bias = head.values()
    labels = one_hot(support.y, support.ways).to(support.x)  # (n, ways)
    for places in steps:
        x = support.x[places]
        errors = F.linear(x, weight, bias).softmax(-1) - labels[places]  # (images, ways)
        share = rate / len(places)
        weight = torch.addmm(weight, errors.mT, x, alpha=-share)
        bias = bias - share * errors.sum(0)
        after = {"head.weight": weight, "head.bias": bias}
        yield among_met(head_scores, support, after)
