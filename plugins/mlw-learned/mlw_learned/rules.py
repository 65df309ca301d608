"""Update rules: how a weight moves, given its gradient and what it remembers.

Each weight is treated by itself, by a rule that all weights share. What it remembers is a row of
numbers, zeros at first, so that a rule is a function of two tensors and runs under `torch.vmap`.

LSTM and preprocessing: Andrychowicz et al.: Learning to learn by gradient descent by gradient
descent, NeurIPS 2016, arXiv 1606.04474, section 2.1 and appendix A. The others are the usual rules,
the same as torch's: momentum (Polyak, 1964), RMSprop (Tieleman, Hinton, 2012) and Adam (Kingma, Ba,
arXiv 1412.6980).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from workbench.functional import log_sign, lstm_cell

EPS = 1e-8


class Rule(nn.Module):
    """Turns gradients `(weights,)` and memory `(weights, remembered)` into moves and memory.

    A move is added to its weight, times the rate.
    """

    remembered: int = 0  # numbers per weight

    def forward(self, gradient: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError


class Descent(Rule):
    """Plain gradient descent."""

    def forward(self, gradient: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        return -gradient, memory


class Momentum(Rule):
    """Descent with a velocity: v <- 0.9 v + g."""

    remembered = 1

    def forward(self, gradient: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        velocity = 0.9 * memory[:, 0] + gradient
        return -velocity, velocity[:, None]


class RMSprop(Rule):
    """Descent by g / root of a running mean of g squared."""

    remembered = 1

    def forward(self, gradient: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        square = 0.99 * memory[:, 0] + 0.01 * gradient.square()
        return -gradient / (square.sqrt() + EPS), square[:, None]


class Adam(Rule):
    """Descent by a running mean of g / root of a running mean of g squared, both corrected."""

    remembered = 3  # means of g and of g squared, and the number of steps

    def forward(self, gradient: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        mean, square, steps = memory.unbind(1)
        steps = steps + 1
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient.square()
        spread = (square / (1 - 0.999**steps)).sqrt()
        move = -mean / (1 - 0.9**steps) / (spread + EPS)
        return move, torch.stack([mean, square, steps], 1)


class LSTM(Rule):
    """Two layers of long short-term memory read size and sign of the gradient."""

    def __init__(self, units: int):
        super().__init__()
        self.units = units
        self.remembered = 4 * units  # h and c of both layers
        self.first = nn.LSTMCell(2, units)
        self.second = nn.LSTMCell(units, units)
        self.move = nn.Linear(units, 1)

    def forward(self, gradient: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        h1, c1, h2, c2 = memory.split(self.units, 1)  # (weights, units) each
        h1, c1 = lstm_cell(self.first, log_sign(gradient), (h1, c1))
        h2, c2 = lstm_cell(self.second, h1, (h2, c2))
        return self.move(h2).squeeze(-1), torch.cat([h1, c1, h2, c2], 1)


class Transformer(Rule):
    """The last gradient asks the last few of them: one block of attention over their history."""

    def __init__(self, units: int, history: int):
        super().__init__()
        self.remembered = history
        self.read = nn.Linear(2, units)
        self.place = nn.Parameter(0.1 * torch.randn(history, units))
        self.ask = nn.Linear(units, units)
        self.offer = nn.Linear(units, 2 * units)
        self.norm = nn.LayerNorm(units)
        self.mix = nn.Sequential(nn.Linear(units, 2 * units), nn.ReLU())
        self.move = nn.Linear(2 * units, 1)

    def forward(self, gradient: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        history = torch.cat([memory[:, 1:], gradient[:, None]], 1)  # (weights, history)
        tokens = self.read(log_sign(history)) + self.place  # (weights, history, units)
        keys, values = self.offer(tokens).chunk(2, -1)
        asked = self.ask(tokens[:, -1])  # (weights, units)
        match = (keys @ asked[:, :, None]).squeeze(-1) / asked.shape[-1] ** 0.5
        heard = (match.softmax(-1)[:, None] @ values).squeeze(1)  # (weights, units)
        return self.move(self.mix(self.norm(tokens[:, -1] + heard))).squeeze(-1), history


BY_HAND: dict[str, Callable[[], Rule]] = {
    "sgd": Descent,
    "momentum": Momentum,
    "rmsprop": RMSprop,
    "adam": Adam,
}
