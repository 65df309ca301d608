"""What the heads that are fitted step by step share.

Letters: n support examples, ways, dim of a feature.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def first_rows(
    ways: int, columns: int, bound: float, random: torch.Generator, like: Tensor
) -> Tensor:
    """First weights `(ways, columns)`, uniform in -bound .. bound, as torch begins a linear layer."""
    return (torch.rand(ways, columns, generator=random) * 2 - 1).to(like) * bound


def shuffled(
    random: torch.Generator, epochs: int, size: int, *tables: Tensor
) -> Iterator[tuple[Tensor, ...]]:
    """Batches of up to `size` rows, `epochs` times through all of them: their numbers, and these rows of each table."""
    for _ in range(epochs):
        order = torch.randperm(len(tables[0]), generator=random).to(tables[0].device)
        yield from zip(
            order.split(size), *(table[order].split(size) for table in tables), strict=True
        )


def errors(scores: Tensor, labels: Tensor) -> Tensor:
    """The gradient of the summed cross-entropy by the scores, `(n, ways)`: softmax - label.

    Written out, because torch's softmax takes twice as long over a handful of classes.
    """
    powers = (scores - scores.amax(-1, keepdim=True)).exp()
    return powers / powers.sum(-1, keepdim=True) - labels


def in_span(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows `(n, dim)` as coordinates `(n, r)` in an orthonormal basis `(r, dim)` of their span, r = min(n, dim).

    Lengths and angles stay, so a gradient descent that begins with combinations of these rows, and whose gradients
    are combinations of them, is the same in these coordinates, of which there are few.
    """
    basis, coordinates = torch.linalg.qr(rows.mT)  # (dim, r), (r, n)
    return coordinates.mT, basis.mT
