"""Networks that turn each of several sets of vectors into one vector, in no order of the members.

`encoder(items, members)`: `items` are n vectors `(n, dim)`, and `members` `(sets, n)` says which
items are in which set, 1 or 0. The result is `(sets, out)`; NaN for a set without members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

HEADS = 4  # of attention


class SetEncoder(nn.Module):
    """What both have in common."""

    last: nn.Linear
    """The last layer, for who wants certain vectors before any training."""

    if TYPE_CHECKING:

        def __call__(self, items: Tensor, members: Tensor) -> Tensor: ...


class DeepSets(SetEncoder):
    """rho(mean of phi(x)).

    Zaheer, Kottur, Ravanbakhsh, Poczos, Salakhutdinov, Smola: Deep Sets, NeurIPS 2017, arXiv
    1703.06114, with a mean instead of a sum, so that the size of a set does not matter.
    """

    def __init__(self, dim: int, width: int, out: int):
        super().__init__()
        self.phi = nn.Sequential(
            nn.Linear(dim, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.rho = nn.Sequential(nn.Linear(width, width), nn.ReLU())
        self.last = nn.Linear(width, out)

    def forward(self, items: Tensor, members: Tensor) -> Tensor:
        means = members @ self.phi(items) / members.sum(-1, keepdim=True)
        encoded: Tensor = self.last(self.rho(means))
        return encoded


class SetTransformer(SetEncoder):
    """Attention among the members of a set, then from one learnt query to all of them.

    Lee, Lee, Kim, Kosiorek, Choi, Teh: Set Transformer, ICML 2019, arXiv 1810.00825: two SAB, then
    PMA with one seed, and one layer (sections 3.1 and 3.2). There is no SAB after the PMA, which
    would be among the results of one seed.
    """

    def __init__(self, dim: int, width: int, out: int):
        super().__init__()
        width = -(-width // HEADS) * HEADS  # rounded up, so that heads share it equally
        self.enter = nn.Linear(dim, width)
        self.first = Attention(width)
        self.second = Attention(width)
        self.pooling = Attention(width)
        self.seed = nn.Parameter(torch.randn(1, width))
        self.last = nn.Linear(width, out)

    def forward(self, items: Tensor, members: Tensor) -> Tensor:
        together = members.mT @ members > 0  # (n, n): whether two items share a set
        x = self.enter(items)
        x = self.first(x, x, together)
        x = self.second(x, x, together)
        seeds = self.seed.expand(len(members), -1)  # (sets, width)
        encoded: Tensor = self.last(self.pooling(seeds, x, members > 0))
        return encoded


class Attention(nn.Module):
    """MAB, equations 6 and 7: H = norm(x + attention(x, y)), then norm(H + relu(linear(H)))."""

    def __init__(self, width: int):
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.mix = nn.Linear(width, width)
        self.after = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.last_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, y: Tensor, allowed: Tensor) -> Tensor:
        """Let x `(q, width)` attend to the y `(k, width)` that `allowed` `(q, k)` says."""
        query, key, value = _heads(self.query(x)), _heads(self.key(y)), _heads(self.value(y))
        likeness = query @ key.mT / query.shape[-1] ** 0.5  # (heads, q, k)
        weights = likeness.masked_fill(~allowed, float("-inf")).softmax(-1)
        seen = (weights @ value).transpose(0, 1).flatten(1)  # (q, width)
        h = self.norm(x + self.mix(seen))
        attended: Tensor = self.last_norm(h + self.after(h).relu())
        return attended


def _heads(x: Tensor) -> Tensor:
    """Divide vectors `(n, width)` among the heads, `(heads, n, width / heads)`."""
    divided: Tensor = x.unflatten(-1, (HEADS, -1))
    return divided.transpose(0, 1)
