"""MetaOptNet and R2-D2: the head of a task is the solution of a convex problem.

Lee, Maji, Ravichandran, Soatto: Meta-Learning with Differentiable Convex Optimization, CVPR 2019,
arXiv 1904.03758. Bertinetto, Henriques, Torr, Vedaldi: Meta-learning with Differentiable
Closed-form Solvers, ICLR 2019, arXiv 1805.08136 (R2-D2).

A linear head W is fitted to the embedded support, and the embedding learns through the solution:

    svm    sum_k |W_k|^2 / 2 + C sum of hinge losses    (MetaOptNet, equations 7 to 10)
    ridge  |X W - Y|^2 + lambda |W|^2                   (MetaOptNet-RR)
    r2d2   as ridge, with a learnt lambda               (R2-D2, equations 4 to 6)

Y is one-hot. Scores are gamma X W with a learnt gamma, and in R2-D2 gamma X W + beta. Ridge
regression solves the smaller of two systems, of the examples or of the features (Woodbury's
identity).

What differs: the authors of MetaOptNet solve the dual of the SVM with three iterations of a general
solver at test, after adding 1 to its diagonal; here it is solved to rounding as it stands. They fit
the ridge to 2 Y, which is a factor of gamma. beta is one number for all classes, as in R2-D2, and
so it does not change a softmax; it is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlw_optimization.crammer_singer import dual_weights
from workbench import (
    Above,
    Backbone,
    Between,
    Examples,
    Learner,
    Predictor,
    Source,
    query_loss,
)
from workbench.functional import one_hot

SMALLEST_PIVOT = 1e-10  # as a share of the largest; float64 then leaves about 5 digits


class MetaOptNet(Learner):
    """Learn features on which a convex classifier of the support generalises to the queries."""

    batched = True

    def __init__(
        self,
        backbone: Backbone,
        *,
        head: Annotated[
            Literal["ridge", "svm", "r2d2"],
            "ridge regression, Crammer and Singer's SVM, or ridge regression with a learnt lambda",
        ] = "ridge",
        penalty: Annotated[float, "lambda of ridge, and where r2d2 starts", Above(0)] = 50.0,
        c: Annotated[float, "C of the svm, the weight of the hinge losses", Above(0)] = 0.1,
        scale: Annotated[float, "gamma, where it starts", Above(0)] = 1.0,
        label_smoothing: Annotated[
            float, "share of a label that is spread over all classes in training", Between(0, 1)
        ] = 0.0,
    ):
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.penalty = penalty
        self.c = c
        self.scale = scale
        self.label_smoothing = label_smoothing
        self.gamma = nn.Parameter(torch.tensor(scale))
        log_lambda = torch.tensor(math.log(penalty))
        self.log_lambda = nn.Parameter(log_lambda, requires_grad=head == "r2d2")

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)  # (n, dim)

    def adapt(self, support: Examples) -> Predictor:
        labels = one_hot(support.y, support.ways).to(support.x)  # (n, ways)
        if self.head == "svm":
            weight = svm(support.x, labels, self.c)
        else:
            weight = ridge(support.x, labels, self.log_lambda.exp())
        return lambda x: self.gamma * x @ weight  # (m, ways)

    def losses(self, source: Source) -> Iterator[Tensor]:
        loss = partial(F.cross_entropy, label_smoothing=self.label_smoothing)
        for tasks in source.tasks():
            yield query_loss(self, tasks, loss)


def ridge(x: Tensor, y: Tensor, penalty: Tensor) -> Tensor:
    """Return the minimum `(dim, ways)` of |x W - y|^2 + penalty |W|^2.

    It is computed in float64: of two equal images, float32 would lose a small penalty and answer
    with other weights. NaN where float64 loses it too and nothing else makes the minimum unique.

    Args:
        x: `(n, dim)`.
        y: `(n, ways)`.
    """
    given, x, y = x, x.double(), y.double()
    n, dim = x.shape
    if n <= dim:
        weight = x.mT @ _solved(x @ x.mT + penalty * _identity(n, x), y)
    else:
        weight = _solved(x.mT @ x + penalty * _identity(dim, x), x.mT @ y)
    return weight.to(given)


def svm(x: Tensor, y: Tensor, c: float) -> Tensor:
    """Return the weights `(dim, ways)` of Crammer and Singer's support vector machine."""
    return x.mT @ dual_weights(x @ x.mT, y, c)


def _solved(matrix: Tensor, b: Tensor) -> Tensor:
    """Return the solution of matrix @ w = b, positive definite; NaN if rounding would decide it."""
    root, failed = torch.linalg.cholesky_ex(matrix)
    pivots = root.diagonal(dim1=-2, dim2=-1).square()
    sure = (failed == 0) & (pivots.amin() > SMALLEST_PIVOT * pivots.amax())
    return torch.where(sure, torch.cholesky_solve(b, root), torch.nan)


def _identity(size: int, like: Tensor) -> Tensor:
    return torch.eye(size, dtype=like.dtype, device=like.device)
