"""The SVM head's quadratic program: our solver beside qpth's, the one MetaOptNet's authors used.

    python -m pip install qpth
    python benchmarks/svm_head.py

For stacks of 8 tasks with features of random classes, this prints the milliseconds a task takes,
forward and backward, and how far qpth's solution is from ours: in the dual weights, and in the dual
objective, where a positive number means that ours is better. The objective says which is nearer to
the optimum. Without qpth, only ours is timed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import torch
from mlw_optimization.crammer_singer import dual_weights
from torch import Tensor

from workbench.functional import one_hot

TASKS = 8
DIM = 640
C = 0.1  # as in the recipes
ITERATIONS = 15  # of qpth: enough for the differences that are printed
SHAPES = ((5, 1), (5, 5), (5, 15), (20, 1))  # ways and shots

Solver = Callable[[Tensor, Tensor], Tensor]  # K (tasks, n, n), one-hot y (tasks, n, ways): alpha


def main() -> None:
    """Print one line per number of ways and shots."""
    parser = argparse.ArgumentParser(description="Time the SVM head's quadratic program.")
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    if find_spec("qpth") is None:
        print("qpth is not installed: only our solver is timed")
    print("ways shots  ours, ms  qpth, ms  ratio  largest difference  difference of objectives")
    for ways, shots in SHAPES:
        kernel, labels = stack_of(ways, shots)
        mine = milliseconds(ours, kernel, labels, repeats)
        line = f"{ways:4} {shots:5} {mine:9.2f}"
        if find_spec("qpth"):
            theirs = milliseconds(by_qpth, kernel, labels, repeats)
            found, other = ours(kernel, labels), by_qpth(kernel, labels)
            gain = (objective(other, kernel, labels) - objective(found, kernel, labels)).max()
            line += f" {theirs:9.2f} {theirs / mine:6.1f} {(found - other).abs().max():19.1e}"
            line += f" {gain:25.1e}"
        print(line, flush=True)


def stack_of(ways: int, shots: int) -> tuple[Tensor, Tensor]:
    """Return kernels and labels of a stack of tasks, of features around a centre for each class."""
    torch.manual_seed(0)
    y = torch.arange(ways).repeat_interleave(shots).expand(TASKS, -1)
    centres = torch.randn(TASKS, ways, DIM, dtype=torch.float64)
    noise = torch.randn(TASKS, ways * shots, DIM, dtype=torch.float64)
    x = centres.gather(1, y[..., None].expand(-1, -1, DIM)) + noise
    x = x / x.norm(dim=-1, keepdim=True) * 5
    return x @ x.mT, one_hot(y, ways).double()


def ours(kernel: Tensor, labels: Tensor) -> Tensor:
    """Solve by `mlw_optimization.crammer_singer`."""
    alpha: Tensor = torch.vmap(lambda k, y: dual_weights(k, y, C))(kernel, labels)
    return alpha


def by_qpth(kernel: Tensor, labels: Tensor) -> Tensor:
    """Solve the same program by qpth.

    The variables are alpha, example by example: minimise a' (K x I) a / 2 - a' y, such that
    a <= C y, and the alphas of each example sum to 0. The quadratic part is positive semi-definite,
    and qpth needs it definite, so 1e-8 is added to its diagonal.
    """
    function = import_module("qpth.qp").QPFunction(verbose=-1, maxIter=ITERATIONS)
    tasks, n, ways = labels.shape
    identity = torch.eye(ways, dtype=kernel.dtype)
    quadratic = torch.einsum("tij,kl->tikjl", kernel, identity).reshape(tasks, n * ways, n * ways)
    quadratic = quadratic + 1e-8 * torch.eye(n * ways, dtype=kernel.dtype)
    linear = labels.reshape(tasks, -1)
    bounds = torch.eye(n * ways, dtype=kernel.dtype).expand(tasks, -1, -1)
    sums = torch.kron(torch.eye(n, dtype=kernel.dtype), torch.ones(1, ways, dtype=kernel.dtype))
    nothing = torch.zeros(tasks, n, dtype=kernel.dtype)
    alpha: Tensor = function(
        quadratic, -linear, bounds, C * linear, sums.expand(tasks, -1, -1), nothing
    )
    return alpha.view(tasks, n, ways)


def objective(alpha: Tensor, kernel: Tensor, labels: Tensor) -> Tensor:
    """Return what is minimised, `(tasks,)`."""
    return ((alpha * (kernel @ alpha)) / 2 - alpha * labels).sum((1, 2))


def milliseconds(solver: Solver, kernel: Tensor, labels: Tensor, repeats: int) -> float:
    """Return the shortest time of a task, forward and backward by the kernel."""
    times = []
    for _ in range(repeats):
        differentiated = kernel.clone().requires_grad_()
        began = time.perf_counter()
        solver(differentiated, labels).square().sum().backward()
        times.append(time.perf_counter() - began)
    return 1000 * min(times) / TASKS


if __name__ == "__main__":
    main()
