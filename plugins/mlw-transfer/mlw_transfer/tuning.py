"""What fine-tuning does to a network and to images within a task."""

from __future__ import annotations

import copy
import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from workbench.errors import UsageError
from workbench.functional import Weights


def last_blocks(net: nn.Module, blocks: int | None) -> list[str]:
    """Return the names of the parameters of the last blocks; of all parameters if `blocks` is None.

    A block begins with each parameter of two or more dimensions. Raises `UsageError` if there are
    not so many blocks.
    """
    names = []
    begins = []
    for number, (name, weight) in enumerate(net.named_parameters()):
        names.append(name)
        if weight.dim() > 1:
            begins.append(number)
    if blocks is None:
        return names
    if not 1 <= blocks <= len(begins):
        raise UsageError(
            f"Invalid value blocks={blocks}: must be from 1 to {len(begins)}, the number of blocks "
            "of this network. To tune none of them, use baseline."
        )
    return names[begins[-blocks] :]


def normalises(net: nn.Module) -> bool:
    """Return whether any part is a batch normalisation of torch."""
    return any(isinstance(part, _BatchNorm) for part in net.modules())


def by_batch(net: nn.Module, noted: Weights) -> nn.Module:
    """Return a copy of a network that normalises by the batch's own statistics and notes them.

    A channel with a single value has no variance; there the running averages are used. Torch would
    also update its running averages in place, which `torch.func` does not allow.

    Args:
        noted: filled with the means and variances of the last batch, named as the running averages
            are.
    """

    def note(name: str, norm: nn.Module, inputs: tuple[Tensor]) -> None:
        x = inputs[0].transpose(0, 1).flatten(1)  # (channels, values)
        norm.train(x.shape[1] > 1)
        if norm.training:
            noted[f"{name}.running_mean"] = x.mean(1)
            noted[f"{name}.running_var"] = x.var(1)
        else:
            noted.pop(f"{name}.running_mean", None)
            noted.pop(f"{name}.running_var", None)

    net = copy.deepcopy(net)
    for name, part in net.named_modules():
        if isinstance(part, _BatchNorm):
            part.track_running_stats = False
            part.register_forward_pre_hook(partial(note, name))
    return net


def crop_and_flip(x: Tensor, random: torch.Generator) -> Tensor:
    """Crop images `(n, channels, height, width)` at random, resize the crops, mirror half of them.

    The crops are those of `augment=crop+flip`: 8 to 100% of the area, with aspect ratios 3:4 to
    4:3.
    """
    area, shape, side, left, top = torch.rand(len(x), 5, generator=random).to(x).unbind(1)
    area = 0.08 + 0.92 * area
    ratio = (math.log(4 / 3) * (2 * shape - 1)).exp()
    wide = (area * ratio).sqrt().clamp_max(1)  # as a part of the image's width
    high = (area / ratio).sqrt().clamp_max(1)
    mirrored = torch.where(side < 0.5, -wide, wide)
    zero = torch.zeros_like(wide)
    across = torch.stack([mirrored, zero, (2 * left - 1) * (1 - wide)], 1)
    down = torch.stack([zero, high, (2 * top - 1) * (1 - high)], 1)
    grid = F.affine_grid(torch.stack([across, down], 1), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)
