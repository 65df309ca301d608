"""Deep kernel transfer (DKT): a task is a draw from a Gaussian process with a learnt kernel.

Patacchiola, Turner, Crowley, O'Boyle, Storkey: Bayesian Meta-Learning for the Few-Shot Setting via
Deep Kernels, NeurIPS 2020, arXiv 1910.05199.

One Gaussian process for each class k regresses y_k = 1 on its images and y_k = -1 on all others.
The kernel k(x, x') is one of features of a network, which all tasks share:

    cosine  v x.x' / |x||x'|        linear  v x.x'        rbf  v exp(-|x - x'|^2 / 2 l^2)

Training maximises the marginal likelihood of all images of a task, support and queries, for the
network and v and l together. With K = k(X, X) + noise I,

    -log p(y | X) = y K^-1 y / 2 + log|K| / 2 + n log(2 pi) / 2

At test, the mean of process k at an image x is k(x, X) K^-1 y_k, with X the support. Its sigmoid is
the probability of the class against all others, and the class with the largest one is the answer.
Nothing is tuned within a task.

What differs: the classes of a task share v and l, because which number a class has means nothing;
`noise` is an option and not learnt; the probabilities of all classes are divided by their sum. A
task has at most some hundred images, so one Cholesky decomposition is exact, and no library for
Gaussian processes is needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench import Above, Backbone, Examples, Learner, Predictor, Source
from workbench.functional import cosines, each_task, one_hot, squared_distances


class DKT(Learner):
    """Learn the kernel of a Gaussian process; condition it on the support of each task."""

    batched = True
    cross_entropy = False  # a likelihood of numbers
    precisions = ("float32",)

    def __init__(
        self,
        backbone: Backbone,
        *,
        kernel: Annotated[
            Literal["cosine", "linear", "rbf"], "how like two images are, by their features"
        ] = "cosine",
        noise: Annotated[float, "variance of the labels around the process", Above(0)] = 0.1,
        variance: Annotated[float, "v, where it starts; it is learnt", Above(0)] = 1.0,
        length: Annotated[float, "l of rbf, where it starts; it is learnt", Above(0)] = 1.0,
    ):
        super().__init__()
        self.backbone = backbone
        self.kernel = kernel
        self.noise = noise
        self.variance = variance
        self.length = length
        self.log_variance = nn.Parameter(torch.tensor(math.log(variance)))
        self.log_length = nn.Parameter(torch.tensor(math.log(length)), kernel == "rbf")

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)  # (n, dim)

    def adapt(self, support: Examples) -> Predictor:
        solved = torch.cholesky_solve(signs(support), self.root(support.x))  # (n, ways)
        return lambda x: F.logsigmoid(self.similarities(x, support.x) @ solved)  # (m, ways)

    def losses(self, source: Source) -> Iterator[Tensor]:
        for tasks in source.tasks():
            images = torch.cat([tasks.support.x, tasks.query.x], 1)  # (tasks, n, ...)
            y = torch.cat([tasks.support.y, tasks.query.y], 1)  # (tasks, n)
            x = self.embed(images.flatten(0, 1)).unflatten(0, y.shape)
            ways = tasks.support.ways

            def of_one_task(x: Tensor, y: Tensor, ways: int = ways) -> Tensor:
                return self.surprise(Examples(x, y, ways))

            yield each_task(of_one_task, x, y, batched=self.batched).mean()

    def surprise(self, examples: Examples) -> Tensor:
        """Return -log p(y | x), averaged over the images and the classes."""
        root = self.root(examples.x)
        y = signs(examples)  # (n, ways)
        fit = (y * torch.cholesky_solve(y, root)).sum(0) / 2  # (ways,)
        volume = root.diagonal(dim1=-2, dim2=-1).log().sum()
        n = len(y)
        return (fit.mean() + volume + n * math.log(2 * math.pi) / 2) / n

    def root(self, x: Tensor) -> Tensor:
        """Return the Cholesky factor of k(x, x) + noise, `(n, n)`; NaN if rounding hides it."""
        covariance = self.similarities(x, x) + self.noise * torch.eye(len(x)).to(x)
        root, failed = torch.linalg.cholesky_ex(covariance)
        return torch.where(failed == 0, root, torch.nan)

    def similarities(self, x: Tensor, y: Tensor) -> Tensor:
        """Return k `(m, n)` between features `(m, dim)` and `(n, dim)`."""
        variance = self.log_variance.exp()
        if self.kernel == "cosine":
            return variance * cosines(x, y)
        if self.kernel == "linear":
            return variance * (x @ y.mT)
        return variance * (-squared_distances(x, y) / (2 * (2 * self.log_length).exp())).exp()


def signs(examples: Examples) -> Tensor:
    """Return 1 for the class of an example and -1 for all others, `(n, ways)`."""
    return 2 * one_hot(examples.y, examples.ways).to(examples.x) - 1
