"""Why iMAML needs damping: the curvature of its inner problem. `python benchmarks/curvature.py [RUN]`

The implicit gradient (I + H/lambda)^-1 g assumes that phi is a minimum of L + lambda/2 ||phi - theta||^2, so that
lambda exceeds every negative curvature of L. For a few Omniglot tasks this prints the lowest and highest eigenvalue
of H met by 25 steps of Lanczos's method from g, and the cosine between g and what conjugate gradient returns.
Without a run the learner is untrained.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import grad, vjp

from workbench.experiments.build import build_learner
from workbench.experiments.plan import make_plan
from workbench.experiments.run import Run
from workbench.functional import flat
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.source import Source
from workbench.tasks.splits import open_data

TASKS, STEPS = 8, 25


def extremes(product: Callable[[Tensor], Tensor], start: Tensor) -> tuple[float, float]:
    """The lowest and the highest eigenvalue that Lanczos's method finds, with full reorthogonalisation."""
    basis = [start / start.norm()]
    for _ in range(STEPS):
        image = product(basis[-1])
        for _ in range(2):
            for vector in basis:
                image = image - image.dot(vector) * vector
        basis.append(image / image.norm())
    vectors = torch.stack(basis[:-1])
    values = torch.linalg.eigvalsh(vectors @ torch.stack([product(vector) for vector in vectors]).T)
    return float(values[0]), float(values[-1])


def main() -> None:
    data = open_data("omniglot")
    if len(sys.argv) > 1:
        learner = Run(Path(sys.argv[1])).learner(data, torch.device("cpu"))
    else:
        learner = build_learner(make_plan("imaml", data, ways=5, shots=1), data)
    tasks = Source(data.domains("train"), WayShot(5, 1, 5)).tasks()
    print(f"{'lowest':>8} {'highest':>8}   cosine with g: damping 0   1   10")
    for _ in range(TASKS):
        task = next(tasks)
        x, y, query_x, query_y = (
            task.support.x[0],
            task.support.y[0],
            task.query.x[0],
            task.query.y[0],
        )
        phi = learner.optimum(x, y, flat(dict(learner.model.named_parameters())).detach()).detach()
        g = grad(learner.loss)(phi, query_x, query_y)
        hessian = vjp(lambda weights, x=x, y=y: grad(learner.loss)(weights, x, y), phi)[1]
        lowest, highest = extremes(lambda vector, hessian=hessian: hessian(vector)[0], g)
        cosines = []
        for learner.damping in (0.0, 1.0, 10.0):
            cosines.append(float(F.cosine_similarity(learner.implicit(x, y, phi, g), g, dim=0)))
        print(
            f"{lowest:8.1f} {highest:8.1f}   {'':22}"
            + "".join(f"{value:6.2f}" for value in cosines)
        )


if __name__ == "__main__":
    main()
