"""Almost no inner loop.

Raghu, Raghu, Bengio, Vinyals: Rapid Learning or Feature Reuse? Towards Understanding the
Effectiveness of MAML, ICLR 2020, arXiv 1909.09157.

MAML whose inner loop adapts only the last layer (section 4): head' = head - alpha * grad_head
L_support(body, head), `inner_steps` times. Within a task the body does not change. In the outer
loop it learns from the query loss: through its features of the queries and, because the head's
steps depend on them, through its features of the support.

`nil` uses no head at test (section 5): the support's labels are weighted by the softmax of the
cosine between features, as in Matching Networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

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
from workbench.functional import Weights, cosines, descend, one_hot


class ANIL(Learner):
    """Learn a shared body, and a head from which a few steps of gradient descent solve a task."""

    batched = True

    def __init__(
        self,
        backbone: Backbone,
        ways: int,
        *,
        inner_steps: Annotated[int, "gradient steps of the head in training", AtLeast(0)] = 5,
        inner_lr: Annotated[
            float, "alpha, the rate of the inner steps on the mean cross-entropy", AtLeast(0)
        ] = 0.5,
        test_steps: Annotated[
            int | None, "gradient steps at test; none: as in training", AtLeast(0)
        ] = None,
        nil: Annotated[
            bool, "no head at test: classify by the cosine to the support's features"
        ] = False,
    ):
        super().__init__()
        self.body = backbone
        self.head = nn.Linear(backbone.dim, ways)
        self.inner_steps = inner_steps
        self.inner_lr = inner_lr
        self.test_steps = test_steps
        self.nil = nil
        self.transductive = normalises_by_batch(backbone)

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        features = support._replace(x=self.body(support.x))  # (n, dim)
        if self.nil and not self.training:
            yield self.without_head(features)
        else:
            yield from self.with_tuned_head(features)

    def with_tuned_head(self, support: Examples) -> Iterator[Predictor]:
        """Tune the head on the support's features (section 4)."""

        def loss(head: Weights) -> Tensor:
            return F.cross_entropy(functional_call(self.head, head, support.x), support.y)

        steps = self.inner_steps
        if not self.training and self.test_steps is not None:
            steps = self.test_steps

        def predict(head: Weights, x: Tensor) -> Tensor:
            scores: Tensor = functional_call(self.head, head, self.body(x))
            return scores  # (m, ways)

        head = Weights(self.head.named_parameters())
        yield partial(predict, head)
        for _ in range(steps):
            head = descend(loss, head, self.inner_lr)
            yield partial(predict, head)

    def without_head(self, support: Examples) -> Predictor:
        """Weight the support's labels by the similarity of its features (section 5)."""
        labels = one_hot(support.y, support.ways).to(support.x)  # (n, ways)

        def predict(x: Tensor) -> Tensor:
            attention = cosines(self.body(x), support.x).softmax(-1)  # (m, n)
            return (attention @ labels).log()  # (m, ways)

        return predict

    def losses(self, source: Source) -> Iterator[Tensor]:
        for tasks in source.tasks():
            yield query_loss(self, tasks)
