"""Centred kernel alignment: the similarity of two sets of features of the same n examples, in 0..1.

Kornblith, Norouzi, Lee, Hinton: Similarity of Neural Network Representations Revisited, ICML 2019,
arXiv 1905.00414, equations 3 and 4.

With H = I - 1/n, HSIC(K, L) = tr(K H L H) / (n - 1)^2 and CKA = HSIC(K, L) / sqrt(HSIC(K, K)
HSIC(L, L)). tr(K H L H) is the inner product of the entries of H K H and H L H, so CKA is the
cosine between these two matrices. It does not change if the features are rotated or scaled, and the
two sets may have features of different length.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from workbench.functional import squared_distances


def cka(kx: Tensor, ky: Tensor) -> Tensor:
    """Return the CKA, a scalar, of two kernel matrices `(n, n)`; 0 if one of them is constant."""
    return F.cosine_similarity(_centred(kx).flatten(), _centred(ky).flatten(), dim=0)


def linear(x: Tensor) -> Tensor:
    """Return the kernel matrix `(n, n)` of inner products of features `(n, dim)`."""
    return x @ x.mT


def rbf(x: Tensor) -> Tensor:
    """Return the kernel matrix `(n, n)` of exp(-d^2 / 2 sigma^2) for features `(n, dim)`.

    sigma is the median distance between different examples. Gradients treat it as a constant. If it
    is 0, because most examples are alike, the entries are 1 for equal examples and 0 for others:
    small changes of `x` change nothing by which one could learn, so the gradient is 0.
    """
    squares = squared_distances(x, x)
    n = len(x)
    median = squares.new_ones(())  # a single example has no distances
    if n > 1:
        rows, columns = torch.triu_indices(n, n, 1, device=x.device)
        median = squares.detach()[rows, columns].median()
        # divided by the smallest number, the gradient would overflow, and become nan further on
        squares = torch.where(median > 0, squares, squares.detach())
    return torch.exp(-squares / (2 * median.clamp_min(torch.finfo(x.dtype).tiny)))


def _centred(k: Tensor) -> Tensor:
    """Return H K H."""
    return k - k.mean(0, keepdim=True) - k.mean(1, keepdim=True) + k.mean()
