"""Meta-LSTM: the weights of a network are the cell state of an LSTM.

Ravi, Larochelle: Optimization as a Model for Few-Shot Learning, ICLR 2017 (openreview rJY0-Kcll).

In step t on the support, with loss L and gradient g at the weights theta, each weight becomes

    theta <- f theta - i g                            (equation 2)
    i = sigmoid(W_I [h, theta, i of the step before] + b_I)
    f = sigmoid(W_F [h, theta, f of the step before] + b_F)

where h is the output of an LSTM of 20 units that reads g and L, each as size and sign (`log_sign`).
All weights share the two LSTMs and have states of their own. The first weights are learnt as the
first cell state. L and g count as constants in the outer gradient (section 3.4), which so needs no
second derivatives.

b_F starts at 5 and b_I at -4.5, so that training starts as gradient descent with a rate near 0.01
(section 3.4: b_F large, b_I small).

What differs: the network normalises by the statistics of a batch, at test by those of the queries,
as MAML does. The paper uses averages over the support's batches at test, which no query shares.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value

from workbench import (
    AtLeast,
    Backbone,
    Examples,
    Learner,
    Predictor,
    Source,
    normalises_by_batch,
    query_loss,
)
from workbench.functional import Weights, each_with, flat, log_sign, lstm_cell, shaped

READ = 4  # size and sign of gradient and loss
KEEP, ENTER = 5.0, -4.5  # b_F and b_I at first


class MetaLSTM(Learner):
    """Learn first weights, and an LSTM that decides how each weight follows its gradient."""

    batched = True

    def __init__(
        self,
        backbone: Backbone,
        ways: int,
        *,
        inner_steps: Annotated[int, "steps of the LSTM on the support", AtLeast(0)] = 5,
        units: Annotated[int, "units of the LSTM that reads gradient and loss", AtLeast(1)] = 20,
        inductive: Annotated[
            bool, "normalise each query with the support only, not with other queries"
        ] = False,
    ):
        super().__init__()
        self.model = nn.Sequential(backbone, nn.Linear(backbone.dim, ways))
        self.inner_steps = inner_steps
        self.units = units
        self.inductive = inductive
        self.transductive = normalises_by_batch(backbone) and not inductive
        self.read = nn.LSTMCell(READ, units)
        self.keep = _gate(units, KEEP)
        self.enter = _gate(units, ENTER)

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        """Yield the predictor before the first step on the support and after each."""

        def loss_of(weights: Weights) -> Tensor:
            return F.cross_entropy(functional_call(self.model, weights, support.x), support.y)

        weights = Weights(self.model.named_parameters())
        theta = flat(weights)  # (weights,)
        nothing = theta.new_zeros(len(theta), self.units)
        state = (nothing, nothing)  # of the LSTM, a row for each weight
        keep, enter = torch.ones_like(theta), torch.zeros_like(theta)
        yield self.predictor(weights, support)
        for _ in range(self.inner_steps):
            with torch.no_grad():
                slopes, loss = grad_and_value(loss_of)(weights)
                gradient = flat(slopes)
                seen = torch.cat([log_sign(gradient), log_sign(loss.expand_as(gradient))], -1)
            state = lstm_cell(self.read, seen, state)
            enter = _opened(self.enter, state[0], theta, enter)
            keep = _opened(self.keep, state[0], theta, keep)
            theta = keep * theta - enter * gradient  # equation 2
            weights = shaped(theta, weights)
            yield self.predictor(weights, support)

    def predictor(self, weights: Weights, support: Examples) -> Predictor:
        model = partial(functional_call, self.model, weights)  # (m, ...) to (m, ways)
        if self.inductive:
            return partial(each_with, model, support.x)
        return model

    def losses(self, source: Source) -> Iterator[Tensor]:
        for tasks in source.tasks():
            yield query_loss(self, tasks)


def _gate(units: int, bias: float) -> nn.Linear:
    """Return the layer of a gate, which reads h, theta and the gate's last value."""
    layer = nn.Linear(units + 2, 1)
    nn.init.uniform_(layer.weight, -0.01, 0.01)
    nn.init.constant_(layer.bias, bias)
    return layer


def _opened(gate: nn.Linear, h: Tensor, theta: Tensor, before: Tensor) -> Tensor:
    """Return a gate of each weight, `(weights,)`.

    Args:
        h: `(weights, units)`.
        theta: `(weights,)`.
        before: the gate in the step before, `(weights,)`.
    """
    inputs = torch.cat([h, theta[:, None], before[:, None]], -1)
    return torch.sigmoid(gate(inputs)).squeeze(-1)
