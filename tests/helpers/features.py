"""Features without a network: tasks of them, and scores of each task alone."""

import torch
from torch import nn

from workbench.tasks.task import Examples


class Given(nn.Module):
    """A backbone for inputs that are features already."""

    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        return x


def waves(*shape):
    numbers = torch.arange(torch.Size(shape).numel())
    return (0.7 * numbers + 0.1 * numbers.square()).cos().view(shape)


def drawn(tasks, ways, shots, dim, queries=7):
    """Return stacked tasks of structured random features: x (tasks, n, dim), y, queries."""
    random = torch.Generator().manual_seed(1)
    y = torch.stack([torch.randperm(ways * shots, generator=random) % ways for _ in range(tasks)])
    centres = torch.randn(tasks, ways, dim, generator=random)
    x = torch.randn(tasks, ways * shots, dim, generator=random)
    x += centres[torch.arange(tasks)[:, None], y]
    return Examples(x, y, ways), torch.randn(tasks, queries, dim, generator=random)


def alone(learner, support, queries):
    """Return the scores of each task computed alone."""
    return torch.stack(
        [
            learner.adapt(Examples(x, y, support.ways))(q)
            for x, y, q in zip(support.x, support.y, queries, strict=True)
        ]
    )
