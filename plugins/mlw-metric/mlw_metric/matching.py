"""Matching networks.

Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra: Matching Networks for One Shot Learning,
NeurIPS 2016, arXiv 1606.04080.

A query attends to the support examples: attention a is the softmax over the cosines between their
features. The probability of a class is the attention to all of its examples together,
sum_i a(x, x_i) y_i (equation 1), and the loss is its negative logarithm.

With full context embeddings (`fce`), features depend on the whole support:
- Support: a bidirectional LSTM reads the features g'(x_i) in the order of the support, and
  g(x_i) = forward h_i + backward h_i + g'(x_i) (appendix).
- Query: an LSTM reads the support K times, starting from h_0 = c_0 = 0 (equations 3 to 6).

What differs: the paper has no `scale`. The paper also fine-tunes on the support at test; here no
weights are tuned at test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench import Above, AtLeast, Backbone, Examples, Learner, Predictor, Source, query_loss
from workbench.functional import cosines, lstm_cell, one_hot


class Matching(Learner):
    """Classify a query by attention over the support examples."""

    batched = True

    def __init__(
        self,
        backbone: Backbone,
        *,
        scale: Annotated[float, "multiplies the cosines", Above(0)] = 1.0,
        fce: Annotated[
            bool, "full context embeddings: features depend on the whole support"
        ] = False,
        reads: Annotated[
            int, "K, how often a query reads the support; for fce=true", AtLeast(1)
        ] = 5,
    ):
        super().__init__()
        self.backbone = backbone
        self.scale = scale
        self.fce = fce
        self.reads = reads
        if fce:
            dim = backbone.dim
            self.forth = nn.LSTMCell(dim, dim)
            self.back = nn.LSTMCell(dim, dim)
            # The input is [f'(x), r]. The paper concatenates r with h instead, which is equivalent.
            self.look = nn.LSTMCell(2 * dim, dim)

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)  # (n, dim): f' and g'

    def adapt(self, support: Examples) -> Predictor:
        known = self._support_in_context(support.x)  # (n, dim)
        labels = one_hot(support.y, support.ways).to(known)  # (n, ways)

        def predict(x: Tensor) -> Tensor:
            queries = self._queries_in_context(x, known)  # (m, dim)
            attention = (self.scale * cosines(queries, known)).softmax(-1)  # (m, n)
            probabilities = attention @ labels  # (m, ways), equation 1
            smallest = torch.finfo(probabilities.dtype).tiny
            return probabilities.clamp_min(smallest).log()

        return predict

    def losses(self, source: Source) -> Iterator[Tensor]:
        for tasks in source.tasks():
            yield query_loss(self, tasks, F.nll_loss)

    def _support_in_context(self, x: Tensor) -> Tensor:
        """Return g(x), `(n, dim)`: the sum of both directions of the LSTM and of g'(x)."""
        if not self.fce:
            return x
        forward = _hidden_states(self.forth, x)
        backward = _hidden_states(self.back, x.flip(0)).flip(0)
        return forward + backward + x

    def _queries_in_context(self, x: Tensor, known: Tensor) -> Tensor:
        """Return f(x), `(m, dim)`, from f'(x) and the support's features `known`, `(n, dim)`."""
        if not self.fce:
            return x
        h = torch.zeros_like(x)
        c = torch.zeros_like(x)
        for _ in range(self.reads):
            read = (h @ known.mT).softmax(-1) @ known  # (m, dim): r, equations 5 and 6
            h, c = lstm_cell(self.look, torch.cat([x, read], -1), (h, c))  # equation 3
            h = h + x  # equation 4
        return h


def _hidden_states(cell: nn.LSTMCell, x: Tensor) -> Tensor:
    """Return the hidden state after each row of x, `(n, dim)`."""
    h = torch.zeros_like(x[0])
    c = torch.zeros_like(x[0])
    states = []
    for row in x:
        h, c = lstm_cell(cell, row, (h, c))
        states.append(h)
    return torch.stack(states)
