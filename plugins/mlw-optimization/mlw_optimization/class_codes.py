"""Codes of classes: the encoder, the relation network and the decoder of `leo`.

Rusu, Rao, Sygnowski, Vinyals, Pascanu, Osindero, Hadsell: Meta-Learning with Latent Embedding
Optimization, ICLR 2019, arXiv 1807.05960, section 2.2. All layers are without biases.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench import Examples
from workbench.functional import cosines, one_hot


class ClassCodes(nn.Module):
    """Propose a code for each class, and decode codes into the weights of a linear classifier.

    Args:
        dim: length of the features.
        latent: length of a code.
    """

    def __init__(self, dim: int, latent: int):
        super().__init__()
        self.latent = latent
        self.encoder = nn.Linear(dim, latent, bias=False)
        self.relation = nn.Sequential(
            nn.Linear(2 * latent, 2 * latent, bias=False),
            nn.ReLU(),
            nn.Linear(2 * latent, 2 * latent, bias=False),
            nn.ReLU(),
            nn.Linear(2 * latent, 2 * latent, bias=False),
        )
        self.decoder = nn.Linear(latent, 2 * dim, bias=False)

    def encode(self, support: Examples) -> tuple[Tensor, Tensor]:
        """Return mean and logarithm of the standard deviation of z, `(ways, latent)` each.

        Both are 0 for a class without support, as those of a standard normal distribution.
        Equations 4 and 5.
        """
        codes = self.encoder(support.x)  # (n, latent)
        n = len(codes)
        pairs = torch.cat([codes[:, None].expand(-1, n, -1), codes.expand(n, -1, -1)], -1)
        related = self.relation(pairs).mean(1)  # (n, 2 latent): of an example with all of the task
        members = one_hot(support.y, support.ways).to(related).mT  # (ways, n)
        of_class = members @ related / members.sum(-1, keepdim=True).clamp_min(1)
        mean, log_std = of_class.chunk(2, -1)
        return mean, log_std

    def decode(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Return w `(ways, dim)`: the means, plus noise times the standard deviations.

        Equations 6 and 7.
        """
        mean, log_std = self.decoder(latents).chunk(2, -1)
        ways, dim = mean.shape
        weight: Tensor = mean + (2 / (ways + dim)) ** 0.5 * log_std.exp() * noise
        return weight

    def correlation(self) -> Tensor:
        """Return how far the cosines between the decoder's rows are from the identity."""
        rows = self.decoder.weight.mT  # (latent, 2 dim)
        identity = torch.eye(self.latent, device=rows.device)
        return (cosines(rows, rows) - identity).square().mean()
