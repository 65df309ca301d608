"""Why iMAML needs damping: the curvature of its inner problem.

    python benchmarks/curvature.py [RUN]

The implicit gradient (I + H/lambda)^-1 g assumes that phi is a minimum of L + lambda/2 ||phi -
theta||^2, so lambda must exceed every negative curvature of L. For a few Omniglot tasks, this
prints the lowest and highest eigenvalue of H that 25 steps of Lanczos's method find from g, and
the cosine between g and the result of conjugate gradient for several dampings. Without RUN, a
run folder, the learner is untrained.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import grad, vjp

from workbench.experiments.build import build_learner
from workbench.experiments.plan import TrainingRequest, make_plan
from workbench.experiments.run import Run
from workbench.functional import flat
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.source import Source
from workbench.tasks.splits import TrainingData, open_training_data
from workbench.tasks.task import Task

TASKS = 8
STEPS = 25  # of Lanczos's method
DAMPINGS = (0.0, 1.0, 10.0, 20.5)


def main() -> None:
    """Print one line per task."""
    parser = argparse.ArgumentParser(description="Measure the curvature of iMAML's inner problem.")
    parser.add_argument("run", nargs="?", type=Path, help="run folder; if omitted, no training")
    arguments = parser.parse_args()
    data = open_training_data(["omniglot"])
    learner = load_learner(arguments.run, data)
    tasks = Source(data.domains("train"), WayShot(5, 1, 5)).tasks()
    print(f"{'lowest':>8} {'highest':>8}   cosine with g: damping 0   1   10   20.5")
    for _ in range(TASKS):
        lowest, highest, cosines = curvature(learner, next(tasks))
        columns = "".join(f"{value:6.2f}" for value in cosines)
        print(f"{lowest:8.1f} {highest:8.1f}   {'':22}{columns}")


def load_learner(folder: Path | None, data: TrainingData) -> Any:
    """Return the iMAML learner of a run folder, or an untrained one."""
    if folder is not None:
        return Run(folder).learner(data, torch.device("cpu"))
    return build_learner(make_plan("imaml", data, TrainingRequest(ways=5, shots=1)), data)


def curvature(learner: Any, task: Task) -> tuple[float, float, list[float]]:
    """Return the extreme eigenvalues of H for one task, and the cosine with g for each damping."""
    x, y = task.support.x[0], task.support.y[0]
    query_x, query_y = task.query.x[0], task.query.y[0]
    theta = flat(dict(learner.model.named_parameters())).detach()
    phi = learner.optimum(x, y, theta).detach()
    g = grad(learner.loss)(phi, query_x, query_y)
    _, hessian = vjp(lambda weights: grad(learner.loss)(weights, x, y), phi)
    lowest, highest = extreme_eigenvalues(lambda vector: hessian(vector)[0], g)
    cosines = []
    for damping in DAMPINGS:
        learner.damping = damping
        implicit, _ = learner.implicit(x, y, phi, g)
        cosines.append(float(F.cosine_similarity(implicit, g, dim=0)))
    return lowest, highest, cosines


def extreme_eigenvalues(product: Callable[[Tensor], Tensor], start: Tensor) -> tuple[float, float]:
    """Return the lowest and highest eigenvalue by Lanczos's method, fully reorthogonalised.

    Args:
        product: multiplies the matrix with a vector.
        start: the first vector.
    """
    basis = [start / start.norm()]
    for _ in range(STEPS):
        image = product(basis[-1])
        for _ in range(2):  # once is not enough in float32
            for vector in basis:
                image = image - image.dot(vector) * vector
        basis.append(image / image.norm())
    vectors = torch.stack(basis[:-1])
    images = torch.stack([product(vector) for vector in vectors])
    values = torch.linalg.eigvalsh(vectors @ images.T)
    return float(values[0]), float(values[-1])


if __name__ == "__main__":
    main()
