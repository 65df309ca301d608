"""A set encoder of images, shared by the methods that look at a whole support set at once."""

from __future__ import annotations

from torch import Tensor, nn

WIDTH = 64  # channels of each convolution


class SetEncoder(nn.Module):
    """Encode a set of images `(n, channels, height, width)` as one vector `(out,)`.

    Zaheer et al.: Deep Sets, NeurIPS 2017, arXiv 1703.06114: one network embeds each image, another
    maps the mean of the embeddings, so the order and number of images do not matter. The first
    network has four strided convolutions with group normalisation, so the embedding of an image
    does not depend on the others.
    """

    def __init__(self, channels: int, out: int):
        super().__init__()
        blocks: list[nn.Module] = []
        for inputs in (channels, WIDTH, WIDTH, WIDTH):
            blocks.append(nn.Conv2d(inputs, WIDTH, 3, stride=2, padding=1))
            blocks.append(nn.GroupNorm(8, WIDTH))
            blocks.append(nn.ReLU())
        self.of_each = nn.Sequential(*blocks)
        self.of_all = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, out))

    def forward(self, images: Tensor) -> Tensor:
        embedded: Tensor = self.of_each(images).mean((-2, -1))  # (n, WIDTH)
        vector: Tensor = self.of_all(embedded.mean(0))
        return vector
