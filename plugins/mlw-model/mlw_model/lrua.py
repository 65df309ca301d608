"""An external memory with least recently used access (LRUA), the memory of `mann`.

Santoro, Bartunov, Botvinick, Wierstra, Lillicrap: One-shot Learning with Memory-Augmented Neural
Networks, arXiv 1605.06065, section 3.1. In its letters, for a key k_t of each head:

    w^w_t = s w^r_(t-1) + (1 - s) w^lu_(t-1)   where to write: what was read last, or little used
    M_t(i) = M_(t-1)(i) + w^w_t(i) k_t         after the least used rows are set to zero
    w^r_t = softmax_i cos(k_t, M_t(i))         where to read
    w^u_t = g w^u_(t-1) + w^r_t + w^w_t        usage, summed over the heads

With several heads, the i-th writes to the i-th least used row. The paper's w^lu has as many ones as
there are heads, and does not say which head writes where.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from workbench.functional import cosines


class Memory(NamedTuple):
    """What the memory holds; any dimensions may precede those named here."""

    rows: Tensor  # (rows, width), M
    weights: Tensor  # (heads, rows), w^r
    usage: Tensor  # (rows,), w^u

    def after(self, keys: Tensor, gate: Tensor, decay: float) -> Memory:
        """Return the memory after a key of each head was written, and rows like it were found.

        Args:
            keys: `(heads, width)`.
            gate: s, `(heads, 1)`, in 0..1.
            decay: g.
        """
        little_used = least(self.usage, keys.shape[-2])  # (heads, rows), w^lu
        writes = gate * self.weights + (1 - gate) * little_used  # w^w
        kept = self.rows * (1 - little_used.sum(-2))[..., None]
        rows = kept + writes.mT @ keys
        weights = cosines(keys, rows).softmax(-1)
        usage = decay * self.usage + (weights + writes).sum(-2)
        return Memory(rows, weights, usage)

    def read(self) -> Tensor:
        """Return r, what each head found, `(heads * width,)`."""
        return (self.weights @ self.rows).flatten(-2)


def least(usage: Tensor, count: int) -> Tensor:
    """Return the places of the `count` least used rows, `(*, rows)` to ones in `(*, count, rows)`.

    Among equals, the first come first.
    """
    order = usage.argsort(dim=-1, stable=True)[..., :count, None]  # (*, count, 1)
    places: Tensor = order == torch.arange(usage.shape[-1], device=usage.device)
    return places.to(usage)
