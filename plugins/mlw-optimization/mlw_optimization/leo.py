"""Latent embedding optimisation.

Rusu, Rao, Sygnowski, Vinyals, Pascanu, Osindero, Hadsell: Meta-Learning with Latent Embedding
Optimization, ICLR 2019, arXiv 1807.05960.

On features of a frozen backbone, made of length 1, the weights w_k of a linear classifier are
decoded from a short code z_k per class, and gradient descent works on the codes:

1. An encoder and a relation network of all pairs of support features give the mean and the standard
   deviation of each z_k, and a decoder those of w_k; see `class_codes.py`.
2. `latent_steps` steps z <- z - alpha grad L_support(w(z)) (equations 8 and 9).
3. `tune_steps` steps on the decoded weights themselves (section 2.3.4).

The rates of both are learnt, one for each dimension. In training, z and w are samples, and the
query loss gets a divergence of z from a standard normal distribution, the squared way that the
codes went (the end is held fixed, so that the encoder learns to start there), and a penalty on
correlated rows of the decoder (equation 10). At test, z and w are their means.

What differs: the support loss is a mean. The authors' code sums it over the ways, so its rates of 1
and 0.001 are 5 and 0.005 here at 5 ways. The standard deviations are s exp(output), with s = 1 for
z and that of Glorot's initialisation for w; w keeps one sample of noise over all steps of a task.
Only the encoder has dropout, not the inner loss. The divergence is the exact one, not that of the
sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, ClassVar, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import grad

from mlw_optimization.class_codes import ClassCodes
from workbench import AtLeast, Backbone, Between, Examples, Learner, Predictor, Source, Task
from workbench.functional import each_task


class Noise(NamedTuple):
    """What is random in the training on one task."""

    kept: Tensor  # (n, dim): 0 for entries of the support that the encoder does not see
    latents: Tensor  # (ways, latent), standard normal
    weights: Tensor  # (ways, dim), standard normal


class Path(NamedTuple):
    """Where the inner steps of one task went."""

    latents: list[Tensor]  # z before the first step on it and after each, (ways, latent)
    weights: list[Tensor]  # w of all z, and after each step on w itself, (ways, dim)
    divergence: Tensor  # of the first z from a standard normal distribution


class LEO(Learner):
    """Decode a classifier from a latent code per class, and adapt the codes by gradient."""

    batched = True
    cross_entropy = False  # with penalties
    precisions: ClassVar = ("float32",)

    def __init__(
        self,
        backbone: Backbone,
        *,
        latent: Annotated[int, "length of z, the code of a class", AtLeast(1)] = 64,
        latent_steps: Annotated[int, "gradient steps on the codes", AtLeast(0)] = 5,
        latent_lr: Annotated[float, "alpha, where the rates of these steps start"] = 5.0,
        tune_steps: Annotated[int, "gradient steps on the decoded weights", AtLeast(0)] = 5,
        tune_lr: Annotated[float, "where the rates of these steps start"] = 5e-3,
        learn_rates: Annotated[bool, "learn both rates, one for each dimension"] = True,
        dropout: Annotated[
            float, "share of the features that the encoder does not see in training", Between(0, 1)
        ] = 0.3,
        divergence: Annotated[
            float, "beta, weight of the divergence of the codes from a normal one", AtLeast(0)
        ] = 0.1,
        encoder_penalty: Annotated[
            float, "gamma, weight of the squared way of the codes", AtLeast(0)
        ] = 1e-6,
        orthogonality: Annotated[
            float, "lambda_2, weight of the correlations in the decoder", AtLeast(0)
        ] = 0.1,
    ):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.latent = latent
        self.latent_steps = latent_steps
        self.latent_lr = latent_lr
        self.tune_steps = tune_steps
        self.tune_lr = tune_lr
        self.learn_rates = learn_rates
        self.dropout = dropout
        self.divergence = divergence
        self.encoder_penalty = encoder_penalty
        self.orthogonality = orthogonality
        self.codes = ClassCodes(backbone.dim, latent)
        self.latent_rates = nn.Parameter(torch.full((latent,), latent_lr), learn_rates)
        self.tune_rates = nn.Parameter(torch.full((backbone.dim,), tune_lr), learn_rates)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.backbone.eval()  # frozen, including its running averages
        return self

    def embed(self, images: Tensor) -> Tensor:
        return F.normalize(self.backbone(images), dim=-1)  # (n, dim)

    def predictors(self, support: Examples) -> Iterator[Predictor]:
        """Yield the predictor before the first inner step and after each, on z and on w."""
        nothing = torch.zeros_like(support.x[:1])
        means = Noise(
            torch.ones_like(support.x),
            nothing[:, :1].expand(support.ways, self.latent),
            nothing.expand(support.ways, -1),
        )
        for weight in self.path(support, means).weights:
            yield partial(F.linear, weight=weight)  # (m, dim) to (m, ways)

    def path(self, support: Examples, noise: Noise) -> Path:
        def loss(weight: Tensor) -> Tensor:
            return F.cross_entropy(F.linear(support.x, weight), support.y)

        def loss_of_latents(latents: Tensor) -> Tensor:
            return loss(self.codes.decode(latents, noise.weights))

        mean, log_std = self.codes.encode(support._replace(x=noise.kept * support.x))
        divergence = (mean.square() + (2 * log_std).exp() - 1 - 2 * log_std).mean() / 2
        latents = [mean + log_std.exp() * noise.latents]
        for _ in range(self.latent_steps):
            gradient = grad(loss_of_latents)(latents[-1])
            latents.append(latents[-1] - self.latent_rates * gradient)  # equation 9
        weights = [self.codes.decode(each, noise.weights) for each in latents]
        for _ in range(self.tune_steps):
            weights.append(weights[-1] - self.tune_rates * grad(loss)(weights[-1]))
        return Path(latents, weights, divergence)

    def losses(self, source: Source) -> Iterator[Tensor]:
        for tasks in source.tasks():
            yield self.loss_of_tasks(tasks) + self.orthogonality * self.codes.correlation()

    def loss_of_tasks(self, tasks: Task) -> Tensor:
        """Return the mean of equation 10 over a stack of tasks, without its last term."""

        def of_one_task(
            x: Tensor, y: Tensor, query_x: Tensor, query_y: Tensor, *noise: Tensor
        ) -> Tensor:
            path = self.path(Examples(x, y, ways), Noise(*noise))
            loss = F.cross_entropy(F.linear(query_x, path.weights[-1]), query_y)
            way = (path.latents[-1].detach() - path.latents[0]).square().mean()
            return loss + self.divergence * path.divergence + self.encoder_penalty * way

        ways = tasks.support.ways
        x = self.features(tasks.support.x)
        count, _, dim = x.shape
        noise = Noise(
            F.dropout(torch.ones_like(x), self.dropout),
            torch.randn(count, ways, self.latent, device=x.device),
            torch.randn(count, ways, dim, device=x.device),
        )
        stacks = (x, tasks.support.y, self.features(tasks.query.x), tasks.query.y, *noise)
        return each_task(of_one_task, *stacks, batched=self.batched).mean()

    def features(self, images: Tensor) -> Tensor:
        """Return the features of a stack of tasks, `(tasks, n, dim)`."""
        features: Tensor = self.embed(images.flatten(0, 1)).unflatten(0, images.shape[:2])
        return features
