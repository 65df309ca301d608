"""Networks of torchvision with its pre-trained weights, or with weights from a file.

    --backbone torchvision:name=resnet18,weights=IMAGENET1K_V1
    --backbone torchvision:name=resnet50,weights=/data/resnet50.pth,pretrained_on=imagenet

A feature is the input of the last layer, the classifier. Torchvision's weights are downloaded once
into the cache, and their hash is checked at each use. `mlw_vision.weights` says what a file may
hold. A file does not say what its weights were trained on: give `pretrained_on`.

Grey images are repeated as three channels. Colours are normalised as the weights need it: those of
a file as torchvision's weights for the same network, and without weights not at all. `normalise`
says otherwise. Images are not resized: ask the data set for the size that the weights were trained
on, `miniimagenet:size=224`. Attention networks (vit, maxvit) accept no other size.

Results with such a backbone cannot be compared with those of a backbone trained here from random
weights: the data of the weights may include the classes of the test. docs/datasets.md says for
which data sets it does.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn
from torchvision import models

from mlw_vision.colours import Colours, colours
from mlw_vision.weights import downloaded, load, read
from workbench import Backbone
from workbench.errors import UsageError

NONE = "none"
AUXILIARY = ("googlenet", "inception_v3")  # networks with additional classifiers for training


class Torchvision(Backbone):
    """A network of torchvision without its classifier: images in 0..1 to features `(n, dim)`."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        name: Annotated[
            str, "name of a network in torchvision: resnet50, vit_b_16, ..."
        ] = "resnet18",
        weights: Annotated[
            str, "torchvision's name of weights (IMAGENET1K_V1, ...), a file (.pth), or none"
        ] = NONE,
        pretrained_on: Annotated[
            str,
            "what the weights of a file were trained on (imagenet, ...; several joined by +); "
            "known for torchvision's weights",
        ] = "",
        normalise: Annotated[
            Literal["auto", "none", "imagenet", "signed"],
            "colours of the images: auto: as the weights need it; none: in 0..1; imagenet: "
            "ImageNet's mean and standard deviation; signed: in -1..1",
        ] = "auto",
    ):
        super().__init__()
        self.published = _published_weights(name)
        self.name = name
        self.weights = weights
        from_file = self._check_weights(pretrained_on)
        stated = pretrained_on
        if weights != NONE and not stated:
            stated = "unknown" if from_file else _origin(weights)
        self.pretrained_on = tuple(stated.split("+")) if stated else ()
        self.normalise = normalise
        self.colours = self._colours()
        # On the meta device a network has shapes but no numbers: images of a shape that it does not
        # accept are refused before gigabytes are drawn at random.
        with torch.device("meta"):
            self._build()
            self.dim = self._dim(image_shape)
        self._build()
        self.to(memory_format=torch.channels_last)  # faster on a CPU

    def first_weights(self) -> None:
        """Load the weights that were asked for. A run that is resumed or evaluated has its own."""
        if self.weights == NONE:
            return
        if self.weights in self.published:
            published = self.published[self.weights]
            state = downloaded(self.name, published, _origin(self.weights))
        else:
            state = read(Path(self.weights).expanduser())
        load(self.network, state, self.classifier, f"{self.weights} for {self.name}")

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] == 1:
            x = x.expand(-1, 3, -1, -1)
        features: Tensor = self.network(self.colours(x))
        return features.flatten(1)  # (n, dim)

    def _build(self) -> None:
        self.network = _network(self.name, pretrained=self.weights != NONE)
        self.classifier = _classifier(self.network)
        self.network.set_submodule(self.classifier, nn.Identity())

    def _colours(self) -> nn.Module:
        if self.normalise != "auto":
            return colours(self.normalise, 3)  # grey images are repeated
        if self.weights == NONE:
            return nn.Identity()
        some_published = next(iter(self.published.values()))
        transforms = self.published.get(self.weights, some_published).transforms()
        return Colours(tuple(transforms.mean), tuple(transforms.std))

    def _check_weights(self, pretrained_on: str) -> bool:
        """Return whether the weights come from a file. Raises `UsageError` for other words."""
        from_file = self.weights != NONE and self.weights not in self.published
        path = Path(self.weights)
        if from_file and not path.suffix and len(path.parts) == 1:
            raise UsageError(
                f"{self.name} has no weights {self.weights!r}. Available: "
                f"{', '.join(self.published)}, the path of a file, or none."
            )
        if pretrained_on and not from_file:
            raise UsageError(
                "pretrained_on says what the weights of a file were trained on, and "
                f"weights={self.weights} is not a file."
            )
        return from_file

    @torch.no_grad()
    def _dim(self, image_shape: tuple[int, int, int]) -> int:
        """Return the length of a feature, found by a forward pass with one image.

        Raises:
            UsageError: the network does not accept images of this shape.
        """
        channels, height, width = image_shape
        if channels == 1:
            channels = 3  # as in `forward`
        self.network.eval()
        try:
            features: Tensor = self.network(torch.zeros(1, channels, height, width)).flatten(1)
        except (RuntimeError, ValueError, AssertionError) as error:
            shape = " x ".join(map(str, image_shape))
            reason = str(error).splitlines()[0]
            raise UsageError(
                f"{self.name} does not accept images of {shape} ({reason}). "
                "Use another size of the data set: NAME:size=224"
            ) from error
        return features.shape[1]


def _published_weights(name: str) -> dict[str, Any]:
    """Return torchvision's weights of a network, by their names.

    Raises:
        UsageError: there is no such network.
    """
    known = models.list_models(module=models)
    if name not in known:
        nearest = ", ".join(get_close_matches(name, known, cutoff=0.5)) or "resnet18"
        raise UsageError(
            f"torchvision has no classification network {name!r} among its {len(known)}. "
            f"Try {nearest}."
        )
    published = {}
    for weights in models.get_model_weights(name):
        if weights.meta["categories"]:  # some weights of vgg16 have no last layers
            published[weights.name] = weights
    return published


def _network(name: str, *, pretrained: bool) -> nn.Module:
    """Return a network with torchvision's initial weights."""
    options = {}
    if name in AUXILIARY:
        options = {"aux_logits": False, "init_weights": not pretrained}
        if pretrained:
            options["transform_input"] = True  # they normalise by themselves for their weights
    network: nn.Module = models.get_model(name, weights=None, **options)
    return network


def _classifier(network: nn.Module) -> str:
    """Return the name of the last layer of a network."""
    last = ""
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            last = name
    return last


def _origin(weights: str) -> str:
    """Return what torchvision's weights with this name were trained on."""
    return "instagram+imagenet" if "SWAG" in weights else "imagenet"
