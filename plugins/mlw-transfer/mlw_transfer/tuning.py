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
    """The names of the parameters of the last blocks."""
    names, weights = zip(*net.named_parameters(), strict=True)
    begins = [place for place, weight in enumerate(weights) if weight.dim() > 1]
    if blocks is not None and not 1 <= blocks <= len(begins):
        raise UsageError(
            f"blocks={blocks} cannot be: this network has {len(begins)}; to tune none of them is baseline"
        )
    return list(names if blocks is None else names[begins[-blocks] :])


def normalises(net: nn.Module) -> bool:
    """Whether any part keeps running averages, or the statistics of a batch."""
    return any(isinstance(part, _BatchNorm) for part in net.modules())


def by_batch(net: nn.Module, noted: Weights) -> nn.Module:
    """A copy that normalises by the batch's own statistics, and notes them; one value has none, so by the averages.

    Torch would go on with its averages in place, which `torch.func` refuses.
    """

    def note(name: str, norm: nn.Module, inputs: tuple[Tensor]) -> None:
        x = inputs[0].transpose(0, 1).flatten(1)  # (channels, values)
        norm.train(x.shape[1] > 1)
        for moment, of in (("running_mean", Tensor.mean), ("running_var", Tensor.var)):
            if norm.training:
                noted[f"{name}.{moment}"] = of(x, 1)
            else:
                noted.pop(f"{name}.{moment}", None)

    net = copy.deepcopy(net)
    for name, part in net.named_modules():
        if isinstance(part, _BatchNorm):
            part.track_running_stats = False
            part.register_forward_pre_hook(partial(note, name))
    return net


def crop_and_flip(x: Tensor, random: torch.Generator) -> Tensor:
    """A random part of each image `(n, channels, height, width)`, enlarged to the whole, half of them mirrored.

    As `augment=crop+flip` draws them: 8 to 100% of the area, 3:4 to 4:3 in shape.
    """
    area, shape, side, left, top = torch.rand(len(x), 5, generator=random).to(x).unbind(1)
    area, shape = 0.08 + 0.92 * area, (math.log(4 / 3) * (2 * shape - 1)).exp()
    wide, high = (
        (area * shape).sqrt().clamp_max(1),
        (area / shape).sqrt().clamp_max(1),
    )  # of the image's own
    mirrored, none = torch.where(side < 0.5, -wide, wide), torch.zeros_like(wide)
    across = torch.stack([mirrored, none, (2 * left - 1) * (1 - wide)], 1)
    down = torch.stack([none, high, (2 * top - 1) * (1 - high)], 1)
    places = F.affine_grid(torch.stack([across, down], 1), list(x.shape), align_corners=False)
    return F.grid_sample(x, places, padding_mode="border", align_corners=False)
