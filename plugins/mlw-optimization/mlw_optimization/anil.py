"""Almost no inner loop.

Raghu, Raghu, Bengio, Vinyals: Rapid Learning or Feature Reuse? Towards Understanding the Effectiveness
of MAML, ICLR 2020, arXiv 1909.09157.

MAML whose inner loop adapts the last layer alone (section 4): head' = head - alpha * grad_head
L_support(body, head), `inner_steps` times. The body stays as it is within a task and learns in the outer
loop, from the query loss through its features of queries and, by the head's steps, of the support.

`nil` leaves the head out at test (section 5): the support's labels, weighted by the softmax of the cosine
between features, as in Matching Networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from mlw_optimization.norms import by_batch
from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source, query_loss
from workbench.functional import Weights, cosines, descend, one_hot


class ANIL(Learner):
    """Learn a body to share and a head from which a few steps of gradient descent solve a task."""

    batched = True

    def __init__(
        self,
        backbone: Backbone,
        ways: int,
        *,
        inner_steps: Annotated[int, "gradient steps of the head in training", AtLeast(0)] = 5,
        inner_lr: Annotated[
            float, "alpha, the rate of those steps on the mean cross-entropy", AtLeast(0)
        ] = 0.5,
        test_steps: Annotated[
            int | None, "gradient steps at test; none: as in training", AtLeast(0)
        ] = None,
        nil: Annotated[
            bool, "no head at test: the cosine to the support's features decides"
        ] = False,
    ):
        super().__init__()
        self.body = backbone
        self.head = nn.Linear(backbone.dim, ways)
        self.inner_steps = inner_steps
        self.inner_lr = inner_lr
        self.test_steps = test_steps
        self.nil = nil
        self.transductive = by_batch(backbone)

    def adapt(self, support: Examples) -> Predictor:
        features = self.body(support.x)  # (n, dim)
        if self.nil and not self.training:
            labels = one_hot(support.y, support.ways).to(features)
            return lambda x: (
                cosines(self.body(x), features).softmax(-1) @ labels
            ).log()  # (m, ways)

        def loss(head: Weights) -> Tensor:
            return F.cross_entropy(functional_call(self.head, head, features), support.y)

        head = Weights(self.head.named_parameters())
        for _ in range(
            self.inner_steps if self.training or self.test_steps is None else self.test_steps
        ):
            head = descend(loss, head, self.inner_lr)
        return lambda x: functional_call(self.head, head, self.body(x))  # (m, ways)

    def losses(self, source: Source) -> Iterator[Tensor]:
        return (query_loss(self, tasks) for tasks in source.tasks())
