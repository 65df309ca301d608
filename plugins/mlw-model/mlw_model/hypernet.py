"""Hypernetworks: a network that reads the support of a task and makes weights for it.

Ha, Dai, Le: HyperNetworks, ICLR 2017, arXiv 1609.09106: one network generates the weights of
another. Here it reads a set of examples, as the adaptation networks of CNAPs do (Requeima, Gordon,
Bronskill, Nowozin, Turner, NeurIPS 2019, arXiv 1906.07697), and everything is trained together on
the queries of tasks. Adapting to a task is one forward pass. What is generated, from features f(x):

    head    a row (w_k, b_k) of a linear classifier for each class, from the set of its examples
    film    gamma and beta after every normalisation of the backbone, from the whole support; a
            query's scores are scale * cos(f(x), c_k), where c_k is the mean feature of class k
    all     all weights of a network with one hidden layer: relu(W f(x) + b) from the whole support,
            and a row for each class from its examples in the hidden layer

The sets are read by a set encoder, `deepsets` or `set_transformer`.

What differs: this is no reproduction of one paper. What the encoders add is small at first. W and b
start like ordinary weights (Chang, Flokas, Lipson: Principled Weight Initialization for
Hypernetworks, ICLR 2020), films like none. The generated rows are added to those of a prototypical
network, w_k = c_k and b_k = -|c_k|^2 / 2 for the mean feature c_k (Snell, Swersky, Zemel, arXiv
1703.05175, section 2.4), so training starts near that network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlw_model.set_encoders import DeepSets, SetEncoder, SetTransformer
from workbench import (
    Above,
    AtLeast,
    Backbone,
    Examples,
    Learner,
    Predictor,
    Source,
    film_features,
    film_sites,
    query_loss,
    uses_batch_statistics,
)
from workbench.functional import class_means, cosines, one_hot

ENCODERS: dict[str, type[SetEncoder]] = {"deepsets": DeepSets, "set_transformer": SetTransformer}


class Hypernet(Learner):
    """Generate a classifier, a modulation of the backbone, or a small network from the support."""

    def __init__(
        self,
        backbone: Backbone,
        image_shape: tuple[int, int, int],
        *,
        generates: Annotated[
            Literal["head", "film", "all"],
            "a linear classifier, scales and shifts in the backbone, or a network of two layers",
        ] = "head",
        encoder: Annotated[
            Literal["deepsets", "set_transformer"], "the network that reads the support"
        ] = "deepsets",
        width: Annotated[int, "units of the layers of the encoder", AtLeast(1)] = 128,
        hidden: Annotated[int, "hidden units of the generated network, for all", AtLeast(1)] = 64,
        scale: Annotated[
            float, "initial factor of the cosines, for film; it is learnt", Above(0)
        ] = 10.0,
    ):
        super().__init__()
        self.backbone = backbone
        self.generates = generates
        self.encoder = encoder
        self.width = width
        self.hidden = hidden
        self.scale = scale
        self.batched = generates != "film"  # running averages do not change under torch.vmap
        dim = backbone.dim
        if generates == "film":
            self.sites = film_sites(backbone, image_shape)
            self.of_task = self._encoder(dim, torch.zeros(2, sum(self.sites.values())))
            self.log_scale = nn.Parameter(torch.tensor(scale).log())
            self.transductive = uses_batch_statistics(backbone)
            return
        if generates == "all":
            self.of_task = self._encoder(dim, torch.randn(hidden, dim + 1) * (2 / dim) ** 0.5)
            dim = hidden
        self.of_class = self._encoder(dim, torch.zeros(dim + 1))

    def embeds(self) -> bool:
        return self.generates != "film"  # features that depend on the task are computed in `adapt`

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images) if self.embeds() else images  # (n, dim), or images

    def adapt(self, support: Examples) -> Predictor:
        if self.generates == "film":
            return self.modulated_backbone(support)
        layer = self.first_layer(support)
        seen = support._replace(x=layer(support.x))
        rows = self.rows(seen)
        return lambda x: F.linear(layer(x), rows[:, :-1], rows[:, -1])  # (m, ways)

    def rows(self, support: Examples) -> Tensor:
        """Return w_k and b_k of each class, `(ways, dim + 1)`, from features `(n, dim)`."""
        members = one_hot(support.y, support.ways).to(support.x).mT  # (ways, n)
        means = class_means(support)
        of_distances = torch.cat([means, -means.square().sum(-1, keepdim=True) / 2], -1)
        return of_distances + self.of_class(support.x, members)

    def first_layer(self, support: Examples) -> Callable[[Tensor], Tensor]:
        """Return the generated hidden layer, or none: `(m, dim)` to `(m, hidden)`."""
        if self.generates == "head":
            return nn.Identity()
        weights = self.of_task(support.x, _everything(support)).unflatten(-1, (self.hidden, -1))[0]
        return lambda x: F.linear(x, weights[:, :-1], weights[:, -1]).relu()

    def modulated_backbone(self, support: Examples) -> Predictor:
        """Return nearest class means in the backbone with generated scales and shifts."""
        films = self.of_task(self.backbone(support.x), _everything(support))
        film = films.unflatten(-1, (2, -1))[0]  # (2, channels)

        def features(x: Tensor) -> Tensor:
            return film_features(self.backbone, self.sites, film, x)

        means = class_means(support._replace(x=features(support.x)))  # (ways, dim)
        return lambda x: self.log_scale.exp() * cosines(features(x), means)

    def losses(self, source: Source) -> Iterator[Tensor]:
        for tasks in source.tasks():
            yield query_loss(self, tasks)

    def _encoder(self, dim: int, first: Tensor) -> SetEncoder:
        """Return a set encoder whose results are near the numbers in `first` before training."""
        network = ENCODERS[self.encoder](dim, self.width, first.numel())
        nn.init.normal_(network.last.weight, std=0.1 * self.width**-0.5)
        with torch.no_grad():
            network.last.bias.copy_(first.flatten())
        return network


def _everything(support: Examples) -> Tensor:
    """Return one set of all examples, `(1, n)`."""
    return torch.ones_like(support.y, dtype=support.x.dtype)[None]
