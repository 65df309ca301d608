"""Optimisers of weights inside `adapt`: pure, differentiable functions of weights and a state.

Plugins import them from `workbench.functional`. They work under `torch.vmap` and
`torch.func.grad`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

Weights = dict[str, Tensor]


class SGD(NamedTuple):
    """Stochastic gradient descent, the same as torch's."""

    lr: float
    momentum: float = 0.0
    dampening: float = 0.0
    weight_decay: float = 0.0

    def step(
        self, weights: Weights, gradient: Weights, velocity: Weights | None
    ) -> tuple[Weights, Weights]:
        """Return the next weights and velocity. `velocity` is None before the first step."""
        moved, velocities = {}, {}
        for name, weight in weights.items():
            direction = gradient[name] + self.weight_decay * weight
            # like torch, which dampens neither the first gradient nor one without momentum
            if velocity is not None and self.momentum != 0:
                direction = self.momentum * velocity[name] + (1 - self.dampening) * direction
            velocities[name] = direction
            moved[name] = weight - self.lr * direction
        return moved, velocities


class Moments(NamedTuple):
    """The state of `Adam`."""

    steps: Tensor  # number of steps so far, a scalar
    mean: Weights  # running means of the gradients
    square: Weights  # running means of their squares


class Adam(NamedTuple):
    """Adam, the same as torch's.

    Kingma, Ba: Adam: A Method for Stochastic Optimization, ICLR 2015, arXiv 1412.6980, algorithm 1.
    """

    lr: float
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def step(
        self, weights: Weights, gradient: Weights, moments: Moments | None
    ) -> tuple[Weights, Moments]:
        """Return the next weights and moments. `moments` is None before the first step."""
        if moments is None:
            zeros = _zeros(weights)
            moments = Moments(next(iter(zeros.values())).new_zeros(()), zeros, zeros)
        first, second = self.betas
        steps = moments.steps + 1
        rate = self.lr / (1 - first**steps)
        spread = (1 - second**steps).sqrt()
        moved, mean, square = {}, {}, {}
        for name, weight in weights.items():
            g = gradient[name]
            mean[name] = first * moments.mean[name] + (1 - first) * g
            square[name] = second * moments.square[name] + (1 - second) * g * g
            moved[name] = weight - rate * mean[name] / (square[name].sqrt() / spread + self.eps)
        return moved, Moments(steps, mean, square)


class Spreads(NamedTuple):
    """The state of `Adadelta`: running means of squares."""

    gradients: Weights
    moves: Weights


class Adadelta(NamedTuple):
    """Adadelta, the same as torch's.

    Zeiler: ADADELTA: An Adaptive Learning Rate Method, 2012, arXiv 1212.5701, algorithm 1, with its
    moves multiplied by `lr`.
    """

    lr: float | Mapping[str, float] = 1.0  # one for all weights, or by name
    rho: float = 0.9
    eps: float = 1e-6

    def step(
        self, weights: Weights, gradient: Weights, spreads: Spreads | None
    ) -> tuple[Weights, Spreads]:
        """Return the next weights and spreads. `spreads` is None before the first step."""
        if spreads is None:
            zeros = _zeros(weights)
            spreads = Spreads(zeros, zeros)
        rho, eps = self.rho, self.eps
        moved, gradients, moves = {}, {}, {}
        for name, weight in weights.items():
            g = gradient[name]
            gradients[name] = rho * spreads.gradients[name] + (1 - rho) * g * g
            move = g * ((spreads.moves[name] + eps) / (gradients[name] + eps)).sqrt()
            moves[name] = rho * spreads.moves[name] + (1 - rho) * move * move
            moved[name] = weight - self._rate(name) * move
        return moved, Spreads(gradients, moves)

    def _rate(self, name: str) -> float:
        if isinstance(self.lr, Mapping):
            return self.lr[name]
        return self.lr


def _zeros(weights: Weights) -> Weights:
    return {name: torch.zeros_like(weight) for name, weight in weights.items()}
