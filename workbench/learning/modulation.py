"""Change the output of chosen modules of any backbone, from outside and for the duration of a call.

    changes = {"blocks.1": partial(residual, weight)}
    with modulated(backbone, changes):
        features = backbone(images)

The backbone is not rebuilt: its parameters keep their names, and after the block it is unchanged.
Tensors in a change may be batched by `torch.vmap` or differentiated by `torch.func.grad`.

One change is feature-wise linear modulation (FiLM). Perez, Strub, de Vries, Dumoulin, Courville:
FiLM: Visual Reasoning with a General Conditioning Layer, AAAI 2018, arXiv 1709.07871: out =
gamma * h + beta for each channel, here after every normalisation. A film is a tensor
`(2, channels)` that holds gamma - 1 and beta for the channels of all sites, one site after another.
Zeros give the unmodulated backbone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from workbench.errors import UsageError
from workbench.learning.learner import Backbone

Change = Callable[[Tensor, Tensor], Tensor]
"""From the input and the output of a module to its new output."""

_NORMALISATIONS = (nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d)


@contextmanager
def modulated(backbone: nn.Module, changes: Mapping[str, Change]) -> Iterator[None]:
    """Apply changes to the outputs of modules, named as in `named_modules`, within the block."""
    handles = []
    try:
        for name, change in changes.items():
            module = backbone.get_submodule(name)
            handles.append(module.register_forward_hook(_hook(change)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def normalisations(backbone: nn.Module, image_shape: tuple[int, int, int]) -> dict[str, int]:
    """Return the channels of each normalisation of maps, by name, in the order of a forward pass.

    These are torch's normalisations of maps `(n, channels, height, width)` and all modules that
    declare `batch_statistics`. They are found by a forward pass with one image of zeros.
    """
    channels: dict[str, int] = {}

    def note(name: str, _: Tensor, h: Tensor) -> Tensor:
        if h.ndim == 4:
            channels[name] = h.shape[1]
        return h

    changes = {}
    for name, part in backbone.named_modules():
        if _normalises(part):
            changes[name] = partial(note, name)
    if not changes:  # it may have no parameters either
        return {}
    image = next(backbone.parameters()).new_zeros(1, *image_shape)
    was_training = backbone.training
    backbone.eval()
    with torch.no_grad(), modulated(backbone, changes):
        backbone(image)
    backbone.train(was_training)
    return channels


def film_sites(backbone: Backbone, image_shape: tuple[int, int, int]) -> dict[str, int]:
    """Return the normalisations that FiLM follows, with their channels.

    Raises:
        UsageError: the backbone has none.
    """
    sites = normalisations(backbone, image_shape)
    if not sites:
        raise UsageError(
            "FiLM scales and shifts the maps after each normalisation, and "
            f"{type(backbone).__name__} does not normalise maps (n, channels, height, width). "
            "Use --backbone conv4."
        )
    return sites


def film_features(
    backbone: Backbone, sites: Mapping[str, int], film: Tensor, images: Tensor
) -> Tensor:
    """Return features `(n, dim)` under one film `(2, channels)` or one each `(n, 2, channels)`."""
    parts = film.split(list(sites.values()), -1)
    changes = {}
    for name, part in zip(sites, parts, strict=True):
        changes[name] = partial(_modulate, part)
    with modulated(backbone, changes):
        return backbone(images)


def _modulate(film: Tensor, _: Tensor, h: Tensor) -> Tensor:
    gamma, beta = film[..., None, None].unbind(-4)  # (channels, 1, 1), or (n, channels, 1, 1)
    return torch.addcmul(h + beta, gamma, h)


def _normalises(part: nn.Module) -> bool:
    if isinstance(part, _NORMALISATIONS):
        return True
    is_container = bool(list(part.children()))  # a backbone may declare it for its parts
    return bool(getattr(part, "batch_statistics", False)) and not is_container


def _hook(change: Change) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
    return lambda _, inputs, output: change(inputs[0], output)
