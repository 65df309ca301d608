"""Update rules: how weights move, given their gradients and a state.

All rules have the interface of the optimisers in `workbench.functional`, `step(weights, gradient,
state)`, with a state of None before the first step. The learned ones treat each weight by itself,
in the same way, and run under `torch.vmap`.

LSTM and preprocessing: Andrychowicz et al.: Learning to learn by gradient descent by gradient
descent, NeurIPS 2016, arXiv 1606.04474, section 2.1 and appendix A.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from workbench.functional import SGD, Adam, Weights, flat, log_sign, lstm_cell, shaped

SMALL = 0.01  # of the first weights of a learned rule's last layer, as a share of torch's


class Rule(Protocol):
    """What takes a step from weights and their gradient."""

    def step(self, weights: Weights, gradient: Weights, state: Any) -> tuple[Weights, Any]:
        """Return the next weights and state."""


class RMSprop(NamedTuple):
    """RMSprop, the same as torch's (Tieleman, Hinton: lecture 6.5, 2012)."""

    lr: float
    alpha: float = 0.99
    eps: float = 1e-8

    def step(
        self, weights: Weights, gradient: Weights, squares: Weights | None
    ) -> tuple[Weights, Weights]:
        """Return the next weights and running means of squared gradients."""
        moved, running = {}, {}
        for name, weight in weights.items():
            g = gradient[name]
            before = torch.zeros_like(g) if squares is None else squares[name]
            running[name] = self.alpha * before + (1 - self.alpha) * g * g
            moved[name] = weight - self.lr * g / (running[name].sqrt() + self.eps)
        return moved, running


class LSTM(nn.Module):
    """Two layers of long short-term memory read size and sign of a weight's gradient."""

    def __init__(self, rate: float, units: int):
        super().__init__()
        self.rate = rate
        self.units = units
        self.first = nn.LSTMCell(2, units)
        self.second = nn.LSTMCell(units, units)
        self.move = _last_layer(units)

    def step(self, weights: Weights, gradient: Weights, state: Any) -> tuple[Weights, Any]:
        """Return the next weights and (h, c) of both layers, `(all weights, units)` each."""
        seen = log_sign(flat(gradient))  # (all weights, 2)
        if state is None:
            nothing = seen.new_zeros(len(seen), self.units)
            state = ((nothing, nothing), (nothing, nothing))
        first = lstm_cell(self.first, seen, state[0])
        second = lstm_cell(self.second, first[0], state[1])
        return _moved(weights, self.rate * self.move(second[0])), (first, second)


class Transformer(nn.Module):
    """A weight's last gradient asks the last few of them: one block of attention."""

    def __init__(self, rate: float, units: int, history: int):
        super().__init__()
        self.rate = rate
        self.history = history
        self.read = nn.Linear(2, units)
        self.place = nn.Parameter(0.1 * torch.randn(history, units))
        self.ask = nn.Linear(units, units)
        self.offer = nn.Linear(units, 2 * units)
        self.norm = nn.LayerNorm(units)
        self.mix = nn.Sequential(nn.Linear(units, 2 * units), nn.ReLU())
        self.move = _last_layer(2 * units)

    def step(
        self, weights: Weights, gradient: Weights, history: Tensor | None
    ) -> tuple[Weights, Tensor]:
        """Return the next weights and the last gradients, `(all weights, history)`."""
        last = flat(gradient)[:, None]
        if history is None:
            history = torch.zeros_like(last).expand(-1, self.history)
        history = torch.cat([history[:, 1:], last], 1)
        tokens = self.read(log_sign(history)) + self.place  # (all weights, history, units)
        keys, values = self.offer(tokens).chunk(2, -1)
        asked = self.ask(tokens[:, -1])  # (all weights, units)
        match = (keys @ asked[:, :, None]).squeeze(-1) / asked.shape[-1] ** 0.5
        heard = (match.softmax(-1)[:, None] @ values).squeeze(1)  # (all weights, units)
        mixed = self.mix(self.norm(tokens[:, -1] + heard))
        return _moved(weights, self.rate * self.move(mixed)), history


def by_hand(name: str, rate: float) -> Rule:
    """Return the rule of this name that nobody learns."""
    if name == "adam":
        return Adam(rate)
    if name == "rmsprop":
        return RMSprop(rate)
    return SGD(rate, momentum=0.9 if name == "momentum" else 0.0)


def _moved(weights: Weights, moves: Tensor) -> Weights:
    """Add moves, `(all weights, 1)`."""
    by_name = shaped(moves.squeeze(-1), weights)
    return {name: weight + by_name[name] for name, weight in weights.items()}


def _last_layer(units: int) -> nn.Linear:
    """Return the layer that says the move; the first moves are small."""
    layer = nn.Linear(units, 1)
    with torch.no_grad():
        layer.weight.mul_(SMALL)
        layer.bias.zero_()
    return layer
