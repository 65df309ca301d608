"""Meta-learning with implicit gradients.

Rajeswaran, Finn, Kakade, Levine: Meta-Learning with Implicit Gradients, NeurIPS 2019, arXiv 1909.04630.

Inner problem: phi = argmin L_support(phi) + lambda/2 ||phi - theta||^2 (equation 3), by gradient
descent. Its derivative by theta needs phi, not the way to it (lemma 1): dL_query(phi)/dtheta is
(I + H/lambda)^-1 grad L_query(phi), with H the Hessian of L_support at phi. That system is solved by
conjugate gradient (algorithm 2), so memory does not grow with the inner steps.

Every inner step descends on the regularised loss; the authors' code takes plain steps, then a proximal
one, and none at test. It also solves another system, (2 I + H/(lambda + 10)) instead of (I + H/lambda);
`damping` stands for the 10.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vjp

from mlw_optimization.norms import by_batch
from workbench import Above, AtLeast, Backbone, Examples, Learner, Predictor, Source, query_loss
from workbench.functional import Weights, conjugate_gradient, flat, shaped


class IMAML(Learner):
    """Learn weights near which a task's regularised optimum lies, by implicit differentiation."""

    batched = True

    def __init__(
        self,
        backbone: Backbone,
        ways: int,
        *,
        inner_steps: Annotated[
            int, "gradient steps on the regularised inner problem", AtLeast(0)
        ] = 16,
        inner_lr: Annotated[
            float, "alpha, the rate of those steps on the mean cross-entropy", AtLeast(0)
        ] = 0.1,
        proximity: Annotated[
            float, "lambda, the strength of the pull towards the initial weights", Above(0)
        ] = 2.0,
        cg_steps: Annotated[int, "steps of conjugate gradient", AtLeast(1)] = 5,
        damping: Annotated[
            float, "added to lambda where the linear system is solved", AtLeast(0)
        ] = 0.0,
    ):
        super().__init__()
        self.model = nn.Sequential(backbone, nn.Linear(backbone.dim, ways))
        self.inner_steps = inner_steps
        self.inner_lr = inner_lr
        self.proximity = proximity
        self.cg_steps = cg_steps
        self.damping = damping
        self.transductive = by_batch(backbone)

    def adapt(self, support: Examples) -> Predictor:
        theta = Weights(self.model.named_parameters())
        phi = shaped(_Optimum.apply(self, support.x, support.y, flat(theta)), theta)
        return lambda x: functional_call(self.model, phi, x)  # (n, ways)

    def losses(self, source: Source) -> Iterator[Tensor]:
        return (query_loss(self, tasks) for tasks in source.tasks())

    def loss(self, phi: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """L, of weights as one vector."""
        weights = shaped(phi, Weights(self.model.named_parameters()))
        return F.cross_entropy(functional_call(self.model, weights, x), y)

    def optimum(self, x: Tensor, y: Tensor, theta: Tensor) -> Tensor:
        """phi, as far as the inner steps lead."""
        phi = theta
        for _ in range(self.inner_steps):
            phi = phi - self.inner_lr * (
                grad(self.loss)(phi, x, y) + self.proximity * (phi - theta)
            )
        return phi

    def implicit(self, x: Tensor, y: Tensor, phi: Tensor, gradient: Tensor) -> Tensor:
        """(I + H/lambda)^-1 gradient."""
        hessian = vjp(lambda phi: grad(self.loss)(phi, x, y), phi)[1]  # symmetric: vector times H
        scale = self.proximity + self.damping
        return conjugate_gradient(lambda v: v + hessian(v)[0] / scale, gradient, self.cg_steps)


class _Optimum(torch.autograd.Function):
    """theta to phi; backwards by `implicit`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(learner: IMAML, x: Tensor, y: Tensor, theta: Tensor) -> Tensor:
        return learner.optimum(x, y, theta)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.learner, x, y, _ = inputs
        ctx.save_for_backward(x, y, output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, None, ctx.learner.implicit(*ctx.saved_tensors, gradient)
