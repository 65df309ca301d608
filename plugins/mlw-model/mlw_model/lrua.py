"""An external memory with least recently used access (LRUA), the memory of `mann`.

Santoro, Bartunov, Botvinick, Wierstra, Lillicrap: One-shot Learning with Memory-Augmented Neural
Networks, arXiv 1605.06065, section 3.1. In its letters, for each head:

    w^r_t = softmax_i b cos(k_t, M_(t-1)(i))   where to read: the rows that are most like the key
    w^w_t = s w^r_(t-1) + (1 - s) w^lu_(t-1)   where to write: what was read last, or little used
    M_t(i) = M_(t-1)(i) + w^w_t(i) a_t         after the least used rows are set to zero
    r_t = sum_i w^r_t(i) M_t(i)                what is read
    w^u_t = g w^u_(t-1) + w^r_t + w^w_t        usage, summed over the heads

With several heads, the i-th writes to the i-th least used row. The paper's w^lu has as many ones as
there are heads, and does not say which head writes where. In the paper a_t = k_t, b = 1, each head
has one gate s for all steps, and the key is compared with M_t; `mann.py` says what is different
here.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from workbench.functional import cosines


class Access(NamedTuple):
    """What the heads do in a step; any dimensions may precede those named here."""

    keys: Tensor  # (heads, width), k
    contents: Tensor  # (heads, width), a
    gates: Tensor  # (heads, 1), s in 0..1
    strengths: Tensor  # (heads, 1), b


class Heads(nn.Module):
    """Decide from the output of the controller what each head does.

    Args:
        units: Size of the controller's output.
        count: Number of heads.
        width: Numbers in a row of the memory.
        strength: Initial factor of the cosines.
    """

    def __init__(self, units: int, count: int, width: int, strength: float):
        super().__init__()
        self.count = count
        self.width = width
        self.key = nn.Linear(units, count * width)
        self.content = nn.Linear(units, count * width)
        self.gate = nn.Linear(units, count)
        self.log_strength = nn.Parameter(torch.full((count, 1), strength).log())

    def forward(self, h: Tensor) -> Access:
        """Return the access for the controller's output `(units,)`; any dimensions may precede."""
        sizes = (self.count, self.width)
        return Access(
            keys=self.key(h).tanh().unflatten(-1, sizes),
            contents=self.content(h).tanh().unflatten(-1, sizes),
            gates=self.gate(h).sigmoid()[..., None],
            strengths=self.log_strength.exp(),
        )


class Memory(NamedTuple):
    """What the memory holds; any dimensions may precede those named here."""

    rows: Tensor  # (rows, width), M
    weights: Tensor  # (heads, rows), w^r
    usage: Tensor  # (rows,), w^u

    @classmethod
    def empty(cls, rows: int, heads: Heads, like: Tensor, *tasks: int) -> Memory:
        """Return a memory of zeros that no head has read, on the device of a tensor."""
        return cls(
            rows=like.new_zeros(*tasks, rows, heads.width),
            weights=like.new_zeros(*tasks, heads.count, rows),
            usage=like.new_zeros(*tasks, rows),
        )

    def after(self, access: Access, decay: float) -> Memory:
        """Return the memory after the heads found rows to read and wrote; `decay` is g."""
        weights = (access.strengths * cosines(access.keys, self.rows)).softmax(-1)
        little_used = least(self.usage, weights.shape[-2])  # (heads, rows), w^lu
        writes = access.gates * self.weights + (1 - access.gates) * little_used  # w^w
        kept = self.rows * (1 - little_used.sum(-2))[..., None]
        rows = kept + writes.mT @ access.contents
        used = (weights + writes).detach()  # only the order of usage counts: no derivative
        usage = decay * self.usage + used.sum(-2)
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
