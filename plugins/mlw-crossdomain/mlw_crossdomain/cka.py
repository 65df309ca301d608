"""Centred kernel alignment: how alike two sets of features of the same n examples are, in 0..1.

Kornblith, Norouzi, Lee, Hinton: Similarity of Neural Network Representations Revisited, ICML 2019,
arXiv 1905.00414, equations 3 and 4.

With H = I - 1/n, HSIC(K, L) = tr(K H L H) / (n - 1)^2 and CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)). As
tr(K H L H) is the inner product of the entries of H K H and H L H, CKA is the cosine between them. It does
not see a rotation of the features, nor their scale; the two sets may have features of different length.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from workbench.functional import squared_distances


def cka(kx: Tensor, ky: Tensor) -> Tensor:
    """CKA of two kernel matrices `(n, n)` over the same examples, a scalar; 0 where one of them is constant."""
    return F.cosine_similarity(_centred(kx).flatten(), _centred(ky).flatten(), dim=0)


def linear(x: Tensor) -> Tensor:
    """Inner products of features `(n, dim)`: a kernel matrix `(n, n)`."""
    return x @ x.mT


def rbf(x: Tensor) -> Tensor:
    """exp(-d^2 / 2 sigma^2) of features `(n, dim)`: a kernel matrix `(n, n)`.

    sigma is the median distance of different examples, a constant where gradients are concerned.
    """
    squares = squared_distances(x, x)
    n = len(x)
    above = torch.triu_indices(n, n, 1, device=x.device)
    square = squares.detach()[above[0], above[1]].median() if n > 1 else squares.new_ones(())
    return torch.exp(-squares / (2 * square.clamp_min(torch.finfo(x.dtype).tiny)))


def _centred(k: Tensor) -> Tensor:
    """H K H."""
    return k - k.mean(0, keepdim=True) - k.mean(1, keepdim=True) + k.mean()
