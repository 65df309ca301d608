"""Matching networks.

Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra: Matching Networks for One Shot Learning, NeurIPS
2016, arXiv 1606.04080.

A query attends to the support by softmax over cosines, and a class is as probable as its examples
are attended to together, sum_i a(x, x_i) y_i (equation 1); the loss is the negative logarithm of
that. Full context embeddings (`fce`): a bi-LSTM reads the embedded support in its order, g(x_i) =
forward h_i + backward h_i + g'(x_i) (appendix); an LSTM takes K looks at it for each query (equations
3 to 6, from h_0 = c_0 = 0). The paper has no `scale`, and also fits weights to the task at test,
which is not done here.
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
            bool, "full context embeddings: what an image is depends on the whole support"
        ] = False,
        reads: Annotated[int, "K, looks of a query at the support, for fce=true", AtLeast(1)] = 5,
    ):
        super().__init__()
        self.backbone = backbone
        self.scale = scale
        self.fce = fce
        self.reads = reads
        if fce:
            self.forth, self.back = (nn.LSTMCell(backbone.dim, backbone.dim) for _ in range(2))
            self.look = nn.LSTMCell(
                2 * backbone.dim, backbone.dim
            )  # [f'(x), r]: the paper has r beside h, the same

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)  # (n, dim): f' and g'

    def adapt(self, support: Examples) -> Predictor:
        known = self._in_context(support.x) if self.fce else support.x  # (n, dim)
        labels = one_hot(support.y, support.ways).to(known)  # (n, ways)

        def predict(x: Tensor) -> Tensor:
            attention = (self.scale * cosines(self._looked(x, known), known)).softmax(-1)  # (m, n)
            probable = attention @ labels  # (m, ways), equation 1
            return probable.clamp_min(torch.finfo(probable.dtype).tiny).log()

        return predict

    def losses(self, source: Source) -> Iterator[Tensor]:
        return (query_loss(self, tasks, F.nll_loss) for tasks in source.tasks())

    def _in_context(self, x: Tensor) -> Tensor:
        return _states(self.forth, x) + _states(self.back, x.flip(0)).flip(0) + x  # (n, dim): g

    def _looked(self, x: Tensor, known: Tensor) -> Tensor:
        if not self.fce:
            return x
        h = c = torch.zeros_like(x)  # (m, dim)
        for _ in range(self.reads):
            seen = (h @ known.mT).softmax(-1) @ known  # r, equations 5 and 6
            h, c = lstm_cell(self.look, torch.cat([x, seen], -1), (h, c))  # equation 3
            h = h + x  # equation 4
        return h  # f


def _states(cell: nn.LSTMCell, x: Tensor) -> Tensor:
    state, states = (torch.zeros_like(x[0]), torch.zeros_like(x[0])), []
    for row in x:
        state = lstm_cell(cell, row, state)
        states.append(state[0])
    return torch.stack(states)  # (n, dim): h after each row
