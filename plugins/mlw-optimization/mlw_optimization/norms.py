"""Which normalisations work inside a gradient."""

from __future__ import annotations

from torch import nn

from workbench import Backbone, uses_batch_statistics
from workbench.errors import UsageError


def by_batch(backbone: Backbone) -> bool:
    """Whether a backbone that will be called inside `adapt` normalises by the batch's own statistics.

    Raises:
        UsageError: it tracks running averages, which cannot be updated inside `torch.func.grad` or `torch.vmap`.
    """
    for part in backbone.modules():
        if (
            isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d)
            and part.track_running_stats
        ):
            raise UsageError(
                "The backbone keeps running averages, and this method takes gradients through it inside a task, where "
                "they cannot be updated; for conv4 type --backbone conv4:norm=batch, as the papers do, or norm=group"
            )
    return uses_batch_statistics(backbone)
