"""Task-specific adapters (TSA).

Li, Liu, Bilen: Cross-domain Few-shot Learning with Task-specific Adapters, CVPR 2022, arXiv 2107.00358.

A trained network, URL's by the recipe, stays as it is, and normalises by its running averages. For each task, every
3 x 3 convolution f gets a residual adapter beside it, f(x) + r(x), a convolution r of 1 x 1 at the same places, 1e-4
times the identity at first; and the features go through URL's linear map, the identity at first. Both are fitted to
the support by 40 steps of Adadelta on URL's cross-entropy about the nearest centroid, each at a rate of its own.

A 1 x 1 convolution beside a 3 x 3 one is a change of the middle of its kernel, so it is computed as that. In the
authors' ResNet-18 the first convolution is none of 3 x 3, and has no adapter; where it is one, it gets one here. One
in groups (depthwise) gets none: beside it, a 1 x 1 convolution would be no identity of all channels. The paper
takes the rates by whether the test domain was trained on (`rates=oracle`); here they are chosen on validation classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad

from mlw_crossdomain.centroids import centroid_loss, nearest_centroid
from mlw_crossdomain.sites import convolutions
from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source, uses_batch_statistics
from workbench.errors import UsageError
from workbench.functional import Adadelta, Weights


class TSA(Learner):
    """Fit small adapters inside a trained network, and a linear map of its features, to the task."""

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
        first: Annotated[float, "an adapter's first value, times the identity"] = 1e-4,
        adapt_steps: Annotated[int, "steps of Adadelta on a task", AtLeast(0)] = 40,
        adapt_lr: Annotated[float, "rate of those steps for the map", AtLeast(0)] = 0.1,
        adapter_lr: Annotated[float, "rate of those steps for the adapters", AtLeast(0)] = 0.05,
        rates: Annotated[
            Literal["own", "oracle"],
            "those two, or 0.1 and 0.05 in domains that were trained on, 1 and 0.5 in others",
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
                "tsa adapts convolutions of 3 x 3, and this backbone has none; type --backbone conv4"
            )

    def adapt(self, support: Examples) -> Predictor:
        def loss(weights: Weights) -> Tensor:
            return centroid_loss(support._replace(x=self.features(weights, support.x)))

        weights, spreads = self.first_weights(support.x), None
        of_map, of_adapters = self.adapt_lr, self.adapter_lr
        if self.oracle:
            of_map, of_adapters = (1.0, 0.5) if self.seen is False else (0.1, 0.05)
        adadelta = Adadelta(dict.fromkeys(weights, of_adapters) | {"map": of_map})
        for _ in range(self.adapt_steps):
            weights, spreads = adadelta.step(weights, grad(loss)(weights), spreads)
        predictor = nearest_centroid(support._replace(x=self.features(weights, support.x)))
        return lambda x: predictor(self.features(weights, x))  # (m, ways)

    def losses(self, source: Source) -> Iterator[Tensor]:  # noqa: ARG002
        yield from ()  # the network was trained before

    def first_weights(self, like: Tensor) -> Weights:
        """The adapters `(outputs, inputs)` by the name of their convolution's kernel, and the map `(dim, dim)`."""
        shapes = {
            f"{site}.weight": conv.weight.shape[:2]
            for site, conv in convolutions(self.backbone).items()
        }
        adapters = {name: self.first * torch.eye(*shape).to(like) for name, shape in shapes.items()}
        return adapters | {"map": torch.eye(self.backbone.dim).to(like)}

    def features(self, weights: Weights, images: Tensor) -> Tensor:
        """What the adapted network makes of images, mapped: `(n, dim)`."""
        middle = {
            name: F.pad(weights[name][..., None, None], [1] * 4)
            for name in weights
            if name != "map"
        }
        kernels = {
            name: self.backbone.get_parameter(name) + change for name, change in middle.items()
        }
        return F.linear(functional_call(self.backbone, kernels, images), weights["map"])
