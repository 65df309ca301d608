"""Meta-learning with implicit gradients.

Rajeswaran, Finn, Kakade, Levine: Meta-Learning with Implicit Gradients, NeurIPS 2019, arXiv
1909.04630.

Inner problem: phi = argmin L_support(phi) + lambda/2 ||phi - theta||^2 (equation 3), solved by
gradient descent. The derivative of phi by theta depends on phi, not on the path to it (lemma 1):

    dL_query(phi)/dtheta = (I + H/lambda)^-1 grad L_query(phi),   H the Hessian of L_support at phi

The linear system is solved by conjugate gradient (algorithm 2), so memory does not grow with the
number of inner steps.

What differs: here every inner step descends on the regularised loss. The authors' code takes plain
steps, then one proximal step, and no proximal step at test.

The authors' code also solves another system. With lambda = 2, its "damping" of 10 and its
"regularisation" of 1, that is

    (2 I + H/(lambda + 10)) v = g,   so   v = 1/2 (I + H/(2 (lambda + 10)))^-1 g.

Here it is (I + H/(lambda + damping)) v = g. The two agree in direction for

    lambda + damping = 2 (lambda + 10),   that is   damping = lambda + 20,

which is 22 for lambda = 2. The factor 1/2 halves the whole gradient. Adam undoes that, apart from
its eps: 1e-3 on their half gradient is 2e-3 here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vjp

from workbench import (
    Above,
    AtLeast,
    Backbone,
    Examples,
    Learner,
    Predictor,
    Source,
    normalises_by_batch,
    query_loss,
)
from workbench.functional import Weights, conjugate_gradient, flat, last, shaped


class IMAML(Learner):
    """Learn weights near which a task's regularised optimum lies, by implicit differentiation."""

    batched = True
    precisions = ("float32",)  # in bfloat16 the meta-gradient loses its direction

    solved: Tensor  # linear systems solved in training
    indefinite: Tensor  # how many of them were not positive definite, as far as was seen

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
            float,
            "added to lambda when the linear system is solved; the authors' code: lambda + 20",
            AtLeast(0),
        ] = 0.0,
    ):
        super().__init__()
        self.model = nn.Sequential(backbone, nn.Linear(backbone.dim, ways))
        self.inner_steps = inner_steps
        self.inner_lr = inner_lr
        self.proximity = proximity
        self.cg_steps = cg_steps
        self.damping = damping
        self.transductive = normalises_by_batch(backbone)
        self.register_buffer("solved", torch.tensor(0))
        self.register_buffer("indefinite", torch.tensor(0))

    def adapt(self, support: Examples) -> Predictor:
        theta = Weights(self.model.named_parameters())
        optima = _Optima.apply(self, support.x[None], support.y[None], flat(theta))
        phi = shaped(optima[0], theta)
        return partial(functional_call, self.model, phi)  # (m, ...) to (m, ways)

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        theta = Weights(self.model.named_parameters())
        for phi in self.path(support.x, support.y, flat(theta)):
            yield partial(functional_call, self.model, shaped(phi, theta))

    def losses(self, source: Source) -> Iterator[Tensor]:
        for tasks in source.tasks():
            yield query_loss(self, tasks)

    def loss(self, phi: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Return L_support for weights given as one vector."""
        weights = shaped(phi, Weights(self.model.named_parameters()))
        return F.cross_entropy(functional_call(self.model, weights, x), y)

    def optimum(self, x: Tensor, y: Tensor, theta: Tensor) -> Tensor:
        """Return phi after the inner steps (equation 3)."""
        return last(self.path(x, y, theta))

    def path(self, x: Tensor, y: Tensor, theta: Tensor) -> Iterator[Tensor]:
        """Yield phi before the first inner step and after each."""
        phi = theta
        yield phi
        for _ in range(self.inner_steps):
            gradient = grad(self.loss)(phi, x, y) + self.proximity * (phi - theta)
            phi = phi - self.inner_lr * gradient
            yield phi

    def implicit(
        self, x: Tensor, y: Tensor, phi: Tensor, gradient: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return (I + H/(lambda + damping))^-1 gradient, and the lowest curvature that was met.

        The curvature is v (I + H/(lambda + damping)) v for the directions v of conjugate gradient.
        If one is negative, the system is not positive definite and the result is no solution.
        """
        # H is symmetric, so a vector times H is H times the vector.
        times_hessian = vjp(lambda phi: grad(self.loss)(phi, x, y), phi)[1]
        scale = self.proximity + self.damping
        curvatures = []

        def product(v: Tensor) -> Tensor:
            hessian_v: Tensor = times_hessian(v)[0]
            image = v + hessian_v / scale
            curvatures.append(v.dot(image))
            return image

        solution = conjugate_gradient(product, gradient, self.cg_steps)
        return solution, torch.stack(curvatures).min()

    def notes(self) -> list[str]:
        if not self.indefinite:
            return []
        share = 100 * int(self.indefinite) / int(self.solved)
        of_the_authors = self.proximity + 20
        larger = max(of_the_authors, self.proximity + 2 * self.damping)
        return [
            f"conjugate gradient met negative curvature in {int(self.indefinite)} of "
            f"{int(self.solved)} solves ({share:.1f}%), where its result is no solution; a larger "
            f"damping than {self.damping:g} helps, for instance imaml:damping={larger:g}"
        ]


class _Optima(torch.autograd.Function):
    """Map theta to phi for each task of a stack; the backward pass is `implicit`."""

    @staticmethod
    def forward(learner: IMAML, x: Tensor, y: Tensor, theta: Tensor) -> Tensor:
        return _each(lambda x, y: (learner.optimum(x, y, theta),), x, y)[0]  # (tasks, weights)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        learner, x, y, _ = inputs
        ctx.learner = learner
        ctx.save_for_backward(x, y, output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        learner = ctx.learner
        by_theta, curvature = _each(learner.implicit, *ctx.saved_tensors, gradient)
        learner.solved += len(curvature)
        learner.indefinite += (curvature < 0).sum()
        return None, None, None, by_theta.sum(0)  # one per input of `forward`

    @staticmethod
    def vmap(
        info: Any,  # noqa: ARG004 - part of the signature
        in_dims: tuple[int | None, ...],  # noqa: ARG004 - part of the signature
        learner: IMAML,
        x: Tensor,
        y: Tensor,
        theta: Tensor,
    ) -> tuple[Tensor, int]:
        """Join the tasks of `torch.vmap`, `(tasks, 1, ...)`, to one stack: backward then counts."""
        optima: Tensor = _Optima.apply(learner, x.flatten(0, 1), y.flatten(0, 1), theta)
        return optima[:, None], 0


def _each(one: Callable[..., tuple[Tensor, ...]], *stacks: Tensor) -> tuple[Tensor, ...]:
    """Return what `one` returns for each task, stacked."""
    if len(stacks[0]) == 1:
        return tuple(result[None] for result in one(*[stack[0] for stack in stacks]))
    return torch.vmap(one, randomness="same")(*stacks)
