"""Images to augment, and what they become from one random state."""

import torch

from workbench.learning import augment


def seeded(spec, images, seed=0):
    torch.manual_seed(seed)
    return augment.build(spec, tuple(images.shape[1:]))(images)


def noise(n, channels=3, height=20, width=20, low=0.0, high=1.0):
    random = torch.Generator().manual_seed(1)
    return low + (high - low) * torch.rand(n, channels, height, width, generator=random)
