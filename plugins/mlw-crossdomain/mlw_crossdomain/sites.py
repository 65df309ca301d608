"""Change what chosen modules of any backbone compute, from outside and for the length of a call.

    changes = {name: partial(residual, weight) for name, weight in zip(sites, weights)}
    with modulated(backbone, changes):
        features = backbone(images)

The backbone is not rebuilt: its parameters keep their names, and outside the block it is what it was. Tensors in a
change may be batched by `torch.vmap` or differentiated by `torch.func.grad`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

Change = Callable[[Tensor, Tensor], Tensor]
"""What came into a module and what it made of it, to what goes on in its place."""

_NORMALISATIONS = (nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d)


@contextmanager
def modulated(backbone: nn.Module, changes: Mapping[str, Change]) -> Iterator[None]:
    """Within the block, the modules of these names (those of `named_modules`) are followed by their change."""
    handles = []
    try:
        for name, change in changes.items():
            handles.append(backbone.get_submodule(name).register_forward_hook(_hook(change)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def normalisations(backbone: nn.Module, image_shape: tuple[int, int, int]) -> dict[str, int]:
    """The channels of each normalisation of maps `(n, channels, height, width)`, by name, as a forward pass meets them.

    Which are torch's own for maps, and whatever declares `batch_statistics`; found by a dry run on one image of zeros.
    """
    channels: dict[str, int] = {}

    def note(name: str) -> Change:
        def change(_: Tensor, h: Tensor) -> Tensor:
            if h.ndim == 4:
                channels[name] = h.shape[1]
            return h

        return change

    found = [name for name, part in backbone.named_modules() if _normalises(part)]
    like, was_training = next(backbone.parameters()), backbone.training
    with torch.no_grad(), modulated(backbone.eval(), {name: note(name) for name in found}):
        backbone(like.new_zeros(1, *image_shape))
    backbone.train(was_training)
    return channels


def convolutions(backbone: nn.Module) -> dict[str, nn.Conv2d]:
    """Every 3 x 3 convolution over all channels, by name; stride, padding and channels are attributes of it."""
    found = {name: part for name, part in backbone.named_modules() if isinstance(part, nn.Conv2d)}
    return {
        name: part
        for name, part in found.items()
        if part.kernel_size == (3, 3) and part.groups == 1
    }


def _normalises(part: nn.Module) -> bool:
    own = getattr(part, "batch_statistics", False) and not list(
        part.children()
    )  # not a container of such parts
    return isinstance(part, _NORMALISATIONS) or bool(own)


def _hook(change: Change) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
    return lambda _, inputs, output: change(inputs[0], output)
