"""Which normalisations work inside a gradient."""

from __future__ import annotations

from torch import nn

from workbench import Backbone, uses_batch_statistics
from workbench.errors import UsageError

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def by_batch(backbone: Backbone) -> bool:
    """Return whether a backbone that `adapt` calls normalises by the batch's own statistics.

    Raises:
        UsageError: it keeps running averages, which cannot be updated inside `torch.func.grad` or
            `torch.vmap`.
    """
    for part in backbone.modules():
        if isinstance(part, BATCH_NORMS) and part.track_running_stats:
            raise UsageError(
                "The backbone keeps running averages. This method takes gradients through the "
                "backbone within a task, where running averages cannot be updated. For conv4, use "
                "--backbone conv4:norm=batch, as the papers do, or conv4:norm=group."
            )
    return uses_batch_statistics(backbone)
