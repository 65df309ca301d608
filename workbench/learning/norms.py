"""Which normalisations work inside a gradient, and with which torch."""

from __future__ import annotations

import re

import torch
from torch import nn

from workbench.errors import UsageError
from workbench.learning.learner import Backbone, uses_batch_statistics

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
# The first torch that differentiates group normalisation and custom functions under `torch.vmap`.
TORCH = (2, 14)


def normalises_by_batch(backbone: Backbone) -> bool:
    """Return whether a backbone that `adapt` calls normalises by the batch's own statistics.

    Raises:
        UsageError: it keeps running averages, which cannot be updated inside `torch.func.grad` or
            `torch.vmap`; or it normalises groups, and this torch is too old for that.
    """
    for part in backbone.modules():
        if isinstance(part, nn.GroupNorm):
            require_torch("group normalisation within a task", "use conv4:norm=batch")
        if isinstance(part, BATCH_NORMS) and part.track_running_stats:
            raise UsageError(
                "The backbone keeps running averages. This method takes gradients through the "
                "backbone within a task, where running averages cannot be updated. For conv4, use "
                "--backbone conv4:norm=batch, as the papers do, or conv4:norm=group."
            )
    return uses_batch_statistics(backbone)


def require_torch(what: str, instead: str) -> None:
    """Raise `UsageError` if torch is older than `TORCH`, which `what` needs."""
    numbers = re.findall(r"\d+", torch.__version__)
    if (int(numbers[0]), int(numbers[1])) >= TORCH:
        return
    needed = ".".join(map(str, TORCH))
    raise UsageError(
        f"{what} needs torch {needed} or newer, and this is {torch.__version__}; {instead}, or "
        f"install a newer one"
    )
