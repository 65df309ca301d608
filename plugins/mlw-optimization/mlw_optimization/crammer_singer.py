"""Multi-class support vector machine, differentiable in the kernel of its examples.

Crammer, Singer: On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines, JMLR
2001. The dual has an alpha for each example i and class k, and the weights of class k are
sum_i alpha_ik x_i:

    minimise   sum_k alpha_k' K alpha_k / 2 - sum_i alpha_i,y(i)
    such that  alpha_ik <= C [y(i) = k]  and  sum_k alpha_ik = 0

A primal-dual interior-point method solves it (Wright: Primal-Dual Interior-Point Methods, 1997).
With slacks s = C [y = k] - alpha >= 0, their multipliers and a multiplier nu_i of each sum, a
Newton step solves, for a right-hand side b,

    (K + D_k) dalpha_k + dnu = b_k  and  sum_k dalpha_k = 0,  with D_k = diag(multiplier / s)

The classes meet in dnu only, so that systems of the number of examples are all that is solved. At
the optimum, the same system with b = -dK alpha gives the derivative by the kernel, whatever the
number of steps was (Amos, Kolter: OptNet, ICML 2017, arXiv 1703.00443). K may be singular.

Letters: n examples. Everything works under `torch.vmap`. It is computed in float64.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

STEPS = 50  # after 35, the gap was open by 1e-4 in 1 of 60 problems with C |x|^2 near 1e8
CENTRING = 0.1  # share of the gap that a step aims at
BOUNDARY = 0.99  # share of the way to where a slack or a multiplier is 0
SMALLEST = 1e-12  # gap, as a share of C: beyond, only rounding errors grow
TOLERANCE = 1e-3  # largest gap of a solution, as a share of the primal objective
FLOOR = 1e-9  # of D, as a share of the mean of K's diagonal: so much of a singular K is invertible
FLOOR_OF_STEPS = 1e-11  # a step may be wrong; the next one mends it


class Point(NamedTuple):
    """A point between the bounds, `(ways, n)` each but for `sums`."""

    alpha: Tensor
    multipliers: Tensor  # of the bounds
    sums: Tensor  # nu, the multipliers of the sums, (n,)


def dual_weights(kernel: Tensor, labels: Tensor, c: float) -> Tensor:
    """Return the optimal alpha `(n, ways)`; NaN if it was not found, where C |x|^2 is huge.

    Args:
        kernel: inner products of the examples, `(n, n)`.
        labels: one-hot, `(n, ways)`, two ways at least.
        c: C, the weight of the hinge losses.
    """
    targets = labels.mT.double()  # (ways, n)
    with torch.no_grad():
        point = solve(kernel.double(), targets, c)
        inverse = inverses(kernel.double(), slopes(point, targets, c), FLOOR)
        found = is_optimum(point.alpha, kernel.double(), targets, c)
    # zero in value; its derivative by the kernel is that of the optimum
    change = (kernel - kernel.detach()).double()
    alpha = point.alpha + newton(inverse, -point.alpha @ change)[0]
    return torch.where(found, alpha.mT, torch.nan).to(kernel.dtype)


def solve(kernel: Tensor, targets: Tensor, c: float) -> Point:
    """Return the optimum, to rounding."""
    ways = len(targets)
    inside = c / (2 * (ways - 1)) * (ways * targets - 1)  # half way for the label, sums of 0
    size = (inside @ kernel - targets).abs().amax()  # of what the multipliers have to balance
    point = Point(inside, size.expand_as(targets), torch.zeros_like(targets[0]))
    for _ in range(STEPS):
        point = step(point, kernel, targets, c)
    return point


def step(point: Point, kernel: Tensor, targets: Tensor, c: float) -> Point:
    """Return the point after a step of Newton's method towards a smaller gap."""
    alpha, multipliers, sums = point
    slack = c * targets - alpha
    gap = (slack * multipliers).mean()
    aim = (CENTRING * gap).clamp_min(SMALLEST * c)
    residual = alpha @ kernel - targets + multipliers + sums
    inverse = inverses(kernel, slopes(point, targets, c), FLOOR_OF_STEPS)
    change, change_of_sums = newton(inverse, multipliers - residual - aim / slack)
    change_of_multipliers = aim / slack - multipliers + slopes(point, targets, c) * change
    length = torch.minimum(longest(slack, -change), longest(multipliers, change_of_multipliers))
    return Point(
        alpha + length * change,
        multipliers + length * change_of_multipliers,
        sums + length * change_of_sums,
    )


def is_optimum(alpha: Tensor, kernel: Tensor, targets: Tensor, c: float) -> Tensor:
    """Return whether the objectives of the primal and the dual problem are equal, a scalar."""
    margins = alpha @ kernel  # (ways, n)
    size = (alpha * margins).sum() / 2
    of_label = (margins * targets).sum(0)  # (n,)
    hinges = (margins + 1 - targets - of_label).amax(0)
    primal = size + c * hinges.sum()
    dual = (alpha * targets).sum() - size
    return (primal - dual).abs() <= TOLERANCE * primal


def slopes(point: Point, targets: Tensor, c: float) -> Tensor:
    """Return the diagonals D, `(ways, n)`."""
    return point.multipliers / (c * targets - point.alpha)


def inverses(kernel: Tensor, diagonals: Tensor, floor: float) -> Tensor:
    """Return the inverses of K + D_k, `(ways, n, n)`."""
    least = floor * kernel.diagonal().mean()
    inverse: Tensor = torch.linalg.inv(kernel + torch.diag_embed(diagonals.maximum(least)))
    return inverse


def newton(inverse: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return dalpha `(ways, n)` and dnu `(n,)` of the system in the module's docstring.

    Args:
        inverse: `(ways, n, n)`.
        b: `(ways, n)`.
    """
    alone = (inverse @ b[..., None]).squeeze(-1)  # (ways, n): without the sums
    of_sums = torch.linalg.solve(inverse.sum(0), alone.sum(0))
    return alone - (inverse @ of_sums[:, None]).squeeze(-1), of_sums


def longest(values: Tensor, change: Tensor) -> Tensor:
    """Return how much of a change keeps positive values positive, at most 1."""
    falling = change < 0
    to_zero = torch.where(falling, -values / torch.where(falling, change, 1), torch.inf)
    return (BOUNDARY * to_zero.amin()).clamp(max=1)
