"""Helpers for methods that fit a head step by step.

Letters: n support examples, ways, dim of a feature.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

MOMENTUM, DAMPENING, WEIGHT_DECAY = 0.9, 0.9, 0.001  # of SGD on a head, in Closer Look and after it


def first_rows(
    ways: int, columns: int, bound: float, random: torch.Generator, like: Tensor
) -> Tensor:
    """Return initial weights `(ways, columns)`, uniform in -bound .. bound, as torch draws them."""
    return (torch.rand(ways, columns, generator=random) * 2 - 1).to(like) * bound


def shuffled(
    random: torch.Generator, epochs: int, size: int, *tables: Tensor
) -> Iterator[tuple[Tensor, ...]]:
    """Yield batches of up to `size` rows in a new random order per epoch.

    A batch is a tuple: the row numbers, then these rows of each table.
    """
    for _ in range(epochs):
        order = torch.randperm(len(tables[0]), generator=random).to(tables[0].device)
        columns = [order.split(size)]
        for table in tables:
            columns.append(table[order].split(size))
        yield from zip(*columns, strict=True)


def errors(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the gradient of the summed cross-entropy by the scores, `(n, ways)`: softmax - label.

    Written out because torch's softmax takes twice as long for a handful of classes.
    """
    powers = (scores - scores.amax(-1, keepdim=True)).exp()
    return powers / powers.sum(-1, keepdim=True) - labels


def in_span(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Express rows `(n, dim)` in an orthonormal basis of their span.

    Lengths and angles do not change. So gradient descent gives the same result in these coordinates
    if it starts from combinations of the rows and all its gradients are combinations of them. There
    are only r = min(n, dim) coordinates.

    Returns:
        The coordinates `(n, r)` and the basis `(r, dim)`.
    """
    basis, coordinates = torch.linalg.qr(rows.mT)  # (dim, r), (r, n)
    return coordinates.mT, basis.mT
