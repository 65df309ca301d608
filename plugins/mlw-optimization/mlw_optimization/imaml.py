"""Meta-learning with implicit gradients.

Rajeswaran, Finn, Kakade, Levine: Meta-Learning with Implicit Gradients, NeurIPS 2019, arXiv
1909.04630.

Inner problem: phi = argmin L_support(phi) + lambda/2 ||phi - theta||^2 (equation 3), solved by
gradient descent. The derivative of phi by theta depends on phi, not on the path to it (lemma 1):

    dL_query(phi)/dtheta = (I + H/lambda)^-1 grad L_query(phi),   H the Hessian of L_support at phi

The linear system is solved by conjugate gradient (algorithm 2), so memory does not grow with the
number of inner steps.

What differs: here every inner step descends on the regularised loss. The authors' code takes plain
steps, then one proximal step, and no proximal step at test. It also solves a different system, (2 I
+ H/(lambda + 10)) instead of (I + H/lambda); `damping` stands for the 10.
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
            float, "alpha, the rate of the inner steps on the mean cross-entropy", AtLeast(0)
        ] = 0.1,
        proximity: Annotated[
            float, "lambda, the strength of the pull towards the initial weights", Above(0)
        ] = 2.0,
        cg_steps: Annotated[int, "steps of conjugate gradient", AtLeast(1)] = 5,
        damping: Annotated[
            float, "added to lambda when the linear system is solved", AtLeast(0)
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
        optimum = _Optimum.apply(self, support.x, support.y, flat(theta))
        phi = shaped(optimum, theta)
        return lambda x: functional_call(self.model, phi, x)  # (m, ways)

    def losses(self, source: Source) -> Iterator[Tensor]:
        for tasks in source.tasks():
            yield query_loss(self, tasks)

    def loss(self, phi: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Return L_support for weights given as one vector."""
        weights = shaped(phi, Weights(self.model.named_parameters()))
        return F.cross_entropy(functional_call(self.model, weights, x), y)

    def optimum(self, x: Tensor, y: Tensor, theta: Tensor) -> Tensor:
        """Return phi after the inner steps (equation 3)."""
        phi = theta
        for _ in range(self.inner_steps):
            gradient = grad(self.loss)(phi, x, y) + self.proximity * (phi - theta)
            phi = phi - self.inner_lr * gradient
        return phi

    def implicit(self, x: Tensor, y: Tensor, phi: Tensor, gradient: Tensor) -> Tensor:
        """Return (I + H/lambda)^-1 gradient."""
        # H is symmetric, so a vector times H is H times the vector.
        times_hessian = vjp(lambda phi: grad(self.loss)(phi, x, y), phi)[1]
        scale = self.proximity + self.damping

        def product(v: Tensor) -> Tensor:
            hessian_v: Tensor = times_hessian(v)[0]
            return v + hessian_v / scale

        return conjugate_gradient(product, gradient, self.cg_steps)


class _Optimum(torch.autograd.Function):
    """Map theta to phi; the backward pass is `implicit`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(learner: IMAML, x: Tensor, y: Tensor, theta: Tensor) -> Tensor:
        return learner.optimum(x, y, theta)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        learner, x, y, _ = inputs
        ctx.learner = learner
        ctx.save_for_backward(x, y, output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, y, phi = ctx.saved_tensors
        by_theta = ctx.learner.implicit(x, y, phi, gradient)
        return None, None, None, by_theta  # one per input of `forward`
