"""Task-specific adapters (TSA).

Li, Liu, Bilen: Cross-domain Few-shot Learning with Task-specific Adapters, CVPR 2022, arXiv
2107.00358.

The network is trained beforehand, by URL in the recipe, and stays frozen; it normalises by its
running averages. For each task, every 3 x 3 convolution f gets a residual adapter in parallel: f(x)
+ r(x), where r is a 1 x 1 convolution with the same stride that starts as 1e-4 times the identity.
The features pass through URL's linear map, which starts as the identity. Both are fitted to the
support by 40 steps of Adadelta on URL's cross-entropy about the nearest centroid, each with its own
learning rate.

A 1 x 1 convolution in parallel with a 3 x 3 one changes the centre of its kernel, so it is computed
that way.

What differs:
- In the authors' ResNet-18 the first convolution is not 3 x 3 and has no adapter. Here it gets one
  if it is 3 x 3.
- A grouped (depthwise) convolution gets no adapter: a 1 x 1 convolution of its shape cannot be the
  identity of all channels.
- The learning rates are chosen on validation classes. The paper chooses them by whether the test
  domain was trained on, `rates=oracle`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad

from mlw_crossdomain.centroids import centroid_loss, nearest_centroid
from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source, uses_batch_statistics
from workbench.errors import UsageError
from workbench.functional import Adadelta, Weights


class TSA(Learner):
    """Fit small adapters in a trained network, and a linear map of its features, to a task."""

    episodic = False
    selects: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "adapt_lr": (0.1, 1.0),
        "adapter_lr": (0.05, 0.5),
    }

    def __init__(
        self,
        backbone: Backbone,
        seen: bool | None,
        *,
        first: Annotated[float, "initial value of the adapters, times the identity"] = 1e-4,
        adapt_steps: Annotated[int, "steps of Adadelta per task", AtLeast(0)] = 40,
        adapt_lr: Annotated[float, "learning rate of the map", AtLeast(0)] = 0.1,
        adapter_lr: Annotated[float, "learning rate of the adapters", AtLeast(0)] = 0.05,
        rates: Annotated[
            Literal["own", "oracle"],
            "own: these two rates; oracle: 0.1 and 0.05 in domains that were trained on, "
            "1 and 0.5 in others",
        ] = "own",
    ):
        super().__init__()
        self.backbone = backbone
        self.seen = seen
        self.first = first
        self.adapt_steps = adapt_steps
        self.adapt_lr = adapt_lr
        self.adapter_lr = adapter_lr
        self.rates = rates
        self.oracle = rates == "oracle"
        self.transductive = uses_batch_statistics(backbone)
        if not convolutions(backbone):
            raise UsageError(
                "tsa adapts 3 x 3 convolutions, and this backbone has none. Use --backbone conv4."
            )

    def adapt(self, support: Examples) -> Predictor:
        def embedded(weights: Weights) -> Examples:
            return support._replace(x=self.features(weights, support.x))

        def loss(weights: Weights) -> Tensor:
            return centroid_loss(embedded(weights))

        weights = self.first_weights(support.x)
        map_lr, adapter_lr = self.learning_rates
        adadelta = Adadelta(dict.fromkeys(weights, adapter_lr) | {"map": map_lr})
        spreads = None
        for _ in range(self.adapt_steps):
            weights, spreads = adadelta.step(weights, grad(loss)(weights), spreads)
        predictor = nearest_centroid(embedded(weights))
        return lambda x: predictor(self.features(weights, x))  # (m, ways)

    def losses(self, source: Source) -> Iterator[Tensor]:  # noqa: ARG002 - the network is already trained
        yield from ()

    @property
    def learning_rates(self) -> tuple[float, float]:
        """The learning rates of the map and of the adapters in the current task."""
        if not self.oracle:
            return self.adapt_lr, self.adapter_lr
        if self.seen is False:
            return 1.0, 0.5
        return 0.1, 0.05

    def first_weights(self, like: Tensor) -> Weights:
        """Return the initial weights.

        These are the adapters `(outputs, inputs)`, named after the kernel that they change, and the
        map `(dim, dim)`.
        """
        identity = partial(torch.eye, dtype=like.dtype, device=like.device)
        weights = {}
        for site, convolution in convolutions(self.backbone).items():
            outputs, inputs = convolution.weight.shape[:2]
            weights[f"{site}.weight"] = self.first * identity(outputs, inputs)
        weights["map"] = identity(self.backbone.dim)
        return weights

    def features(self, weights: Weights, images: Tensor) -> Tensor:
        """Return the mapped features `(n, dim)` of images, computed by the adapted network."""
        kernels = {}
        for name, weight in weights.items():
            if name != "map":
                centre = F.pad(weight[..., None, None], [1, 1, 1, 1])  # (outputs, inputs, 3, 3)
                kernels[name] = self.backbone.get_parameter(name) + centre
        return F.linear(functional_call(self.backbone, kernels, images), weights["map"])


def convolutions(backbone: nn.Module) -> dict[str, nn.Conv2d]:
    """Return the 3 x 3 convolutions that are not grouped, by name."""
    found = {}
    for name, part in backbone.named_modules():
        if isinstance(part, nn.Conv2d) and part.kernel_size == (3, 3) and part.groups == 1:
            found[name] = part
    return found
