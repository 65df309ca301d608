"""What methods share. Every function works under `torch.vmap` and inside `torch.func.grad`.

Letters: n examples, m queries, ways, dim of a feature.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from workbench.tasks import Examples

Weights = dict[str, Tensor]


def one_hot(y: Tensor, ways: int) -> Tensor:
    """Labels `(n,)` to `(n, ways)`, by comparison: `F.one_hot` does not run inside a gradient under vmap."""
    return (y[..., None] == torch.arange(ways, device=y.device)).to(torch.get_default_dtype())


def class_means(support: Examples) -> Tensor:
    """The mean of each class's features, `(n, dim)` to `(ways, dim)`."""
    members = one_hot(support.y, support.ways).to(support.x.dtype).mT  # (ways, n)
    return members @ support.x / members.sum(-1, keepdim=True)


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared Euclidean distances, `(m, dim)` and `(ways, dim)` to `(m, ways)`.

    By ||x||^2 - 2xy + ||y||^2, which needs no `(m, ways, dim)`; never negative.
    """
    return (x.square().sum(-1)[:, None] - 2 * x @ y.mT + y.square().sum(-1)[None, :]).clamp_min(0)


def batch_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """Normalise `(n, channels, height, width)` by the batch's own statistics, then scale and shift.

    Our own arithmetic, because vmap over second-order gradients through torch's batch normalisation
    with batch statistics is silently wrong (torch 2.13 and 2.15).
    """
    centred = x - x.mean((0, 2, 3), keepdim=True)
    variance = centred.square().mean((0, 2, 3))  # four times as fast as torch.var on a CPU
    scale = weight * torch.rsqrt(variance + eps)
    return torch.addcmul(bias[:, None, None], centred, scale[:, None, None])


class SGD(NamedTuple):
    """Stochastic gradient descent as torch does it, for weights inside `adapt`: pure and differentiable."""

    lr: float
    momentum: float = 0.0
    dampening: float = 0.0
    weight_decay: float = 0.0

    def step(self, weights: Weights, gradient: Weights, velocity: Weights | None) -> tuple[Weights, Weights]:
        """The next weights and velocity; `velocity` is None before the first step."""
        decayed = {name: gradient[name] + self.weight_decay * weight for name, weight in weights.items()}
        if velocity is None or self.momentum == 0:
            velocity = decayed  # like torch: the first gradient, and one without momentum, is not dampened
        else:
            velocity = {k: self.momentum * velocity[k] + (1 - self.dampening) * g for k, g in decayed.items()}
        return {name: weight - self.lr * velocity[name] for name, weight in weights.items()}, velocity
