"""Heads on frozen features as they are usually written, one task at a time, as a reference.

Letters: x, queries `(n, dim)` are features, y `(n,)` are labels in 0..4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

WAYS = 5
Head = Callable[[Tensor, Tensor, Tensor], object]  # fit on x, y; predict the queries


class Reference(NamedTuple):
    """The usual implementation of a method."""

    head: Head
    description: str


def linear_head(x: Tensor, y: Tensor, queries: Tensor) -> Tensor:
    """Baseline."""
    head = _fine_tuned(torch.nn.Linear(x.shape[1], WAYS), x, y)
    with torch.no_grad():
        predicted: Tensor = head(queries)
    return predicted


def cosine_head(x: Tensor, y: Tensor, queries: Tensor) -> Tensor:
    """Baseline++."""
    linear = torch.nn.Linear(x.shape[1], WAYS, bias=False)
    layer = torch.nn.utils.parametrizations.weight_norm(linear)
    head = _fine_tuned(layer, 2 * x, y)
    with torch.no_grad():
        predicted: Tensor = head(2 * queries)
    return predicted


def _fine_tuned(head: torch.nn.Module, x: Tensor, y: Tensor) -> torch.nn.Module:
    """Train a head with torch.optim, as in the fine-tuning stage of Closer Look."""
    parameters = head.to(x.device).parameters()
    sgd = torch.optim.SGD(parameters, 0.01, momentum=0.9, dampening=0.9, weight_decay=0.001)
    for _ in range(100):
        for batch in torch.randperm(len(x), device=x.device).split(4):
            sgd.zero_grad()
            F.cross_entropy(head(x[batch]), y[batch]).backward()
            sgd.step()
    return head


def logistic_regression(x: Tensor, y: Tensor, queries: Tensor) -> object:
    """The linear probe."""
    from sklearn.linear_model import LogisticRegression

    classifier = LogisticRegression(max_iter=1000)
    classifier.fit(x.cpu().numpy(), y.cpu().numpy())
    return classifier.predict(queries.cpu().numpy())


def nearest_mean(x: Tensor, y: Tensor, queries: Tensor) -> Tensor:
    """SimpleShot."""
    means = torch.stack([x[y == way].mean(0) for way in range(WAYS)])
    return torch.cdist(queries, means).argmin(-1)


def nearest_neighbour(x: Tensor, y: Tensor, queries: Tensor) -> object:
    """The nearest neighbour."""
    from sklearn.neighbors import KNeighborsClassifier

    classifier = KNeighborsClassifier(1)
    classifier.fit(x.cpu().numpy(), y.cpu().numpy())
    return classifier.predict(queries.cpu().numpy())


REFERENCES = {
    "baseline": Reference(linear_head, "torch.optim task by task"),
    "baselinepp": Reference(cosine_head, "torch.optim task by task"),
    "linear_probe": Reference(logistic_regression, "scikit-learn task by task"),
    "simpleshot": Reference(nearest_mean, "torch task by task"),
    "nearest_neighbor": Reference(nearest_neighbour, "scikit-learn task by task"),
}
