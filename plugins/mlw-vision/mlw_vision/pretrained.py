"""Networks of torchvision with its pre-trained weights, or with weights from a file.

    --backbone torchvision:name=resnet18,weights=IMAGENET1K_V1
    --backbone torchvision:name=resnet50,weights=/data/resnet50.pth,pretrained_on=imagenet

A feature is the input of the last layer, the classifier. Torchvision's weights are downloaded once
into the cache, and their hash is checked. A file holds a state dict as torch.save writes it, as a
whole or under the key state_dict or model. It is read as data; code in it is never run. A file does
not say what its weights were trained on: give `pretrained_on`.

Grey images are repeated as three channels. Colours are normalised as the weights need it: those of
a file as torchvision's weights for the same network, and without weights not at all. Images are not
resized: ask the data set for the size that the weights were trained on, `miniimagenet:size=224`.
Attention networks (vit, maxvit) accept no other size.

Results with such a backbone cannot be compared with those of a backbone trained here from random
weights: the data of the weights may include the classes of the test. docs/datasets.md says for
which data sets it does.
"""

from __future__ import annotations

import re
import sys
from contextlib import redirect_stdout
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeGuard

import torch
from torch import Tensor, nn
from torchvision import models

from workbench import Backbone
from workbench.data import cache_folder
from workbench.errors import DataError, UsageError

NONE = "none"
AUXILIARY = ("googlenet", "inception_v3")  # networks with additional classifiers for training
# Names of densenet's layers in published files.
OLD_NAMES = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d\.)")


class Torchvision(Backbone):
    """A network of torchvision without its classifier: images in 0..1 to features `(n, dim)`."""

    mean: Tensor
    std: Tensor

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
        self.network = _network(name, pretrained=weights != NONE)
        self.classifier = _classifier(self.network)
        self.network.set_submodule(self.classifier, nn.Identity())
        mean, std = torch.zeros(3, 1, 1), torch.ones(3, 1, 1)
        if weights != NONE:
            some_published = next(iter(self.published.values()))
            transforms = self.published.get(weights, some_published).transforms()
            mean = torch.tensor(transforms.mean).view(3, 1, 1)
            std = torch.tensor(transforms.std).view(3, 1, 1)
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.to(memory_format=torch.channels_last)  # faster on a CPU
        self.dim = self._dim(image_shape)

    def first_weights(self) -> None:
        """Load the weights that were asked for. A run that is resumed or evaluated has its own."""
        if self.weights == NONE:
            return
        if self.weights in self.published:
            state = _download(self.name, self.published[self.weights])
        else:
            state = _read(Path(self.weights).expanduser())
        _load(self.network, state, self.classifier, f"{self.weights} for {self.name}")

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] == 1:
            x = x.expand(-1, 3, -1, -1)
        features: Tensor = self.network((x - self.mean) / self.std)
        return features.flatten(1)  # (n, dim)

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
        self.eval()
        try:
            length = self(torch.zeros(1, *image_shape)).shape[1]
        except (RuntimeError, ValueError, AssertionError) as error:
            shape = " x ".join(map(str, image_shape))
            reason = str(error).splitlines()[0]
            raise UsageError(
                f"{self.name} does not accept images of {shape} ({reason}). "
                "Use another size of the data set: NAME:size=224"
            ) from error
        self.train()
        return length


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


def _download(name: str, weights: Any) -> dict[str, Tensor]:
    """Return torchvision's weights from the cache or from the internet.

    Raises:
        DataError: they could not be downloaded; it says what to do without the internet.
    """
    folder = cache_folder() / "weights"
    try:
        with redirect_stdout(sys.stderr):  # standard output is for results
            state: dict[str, Tensor] = weights.get_state_dict(
                model_dir=str(folder),
                check_hash=True,
                progress=sys.stderr.isatty(),
                map_location="cpu",
                weights_only=True,
            )
    except Exception as error:  # of the network, the disk, or the content: there are many
        raise DataError(
            f"{weights.name} of {name} could not be downloaded from {weights.url} ({error}). "
            f"Put that file into {folder}, or use --backbone torchvision:name={name},weights=FILE,"
            f"pretrained_on={_origin(weights.name)}"
        ) from error
    return state


def _read(path: Path) -> dict[str, Tensor]:
    """Return the state dict in a file. Raises `DataError` if there is none."""
    if not path.is_file():
        raise DataError(
            f"There is no file {path} of weights. Write one by "
            "torch.save(network.state_dict(), FILE)."
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds
        raise DataError(
            f"{path} could not be read as weights ({type(error).__name__}). Write them by "
            "torch.save(network.state_dict(), FILE). A whole network is code, which is not run."
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict):
            content = content.get(key, content)
    if not _is_state_dict(content):
        raise DataError(
            f"{path} holds no state dict of names and tensors, as "
            "torch.save(network.state_dict(), FILE) writes it."
        )
    return content


def _is_state_dict(content: Any) -> TypeGuard[dict[str, Tensor]]:
    if not isinstance(content, dict):
        return False
    return all(isinstance(value, Tensor) for value in content.values())


def _load(network: nn.Module, state: dict[str, Tensor], classifier: str, whose: str) -> None:
    """Load all weights except those of classifiers.

    Args:
        whose: what to call the weights in messages.

    Raises:
        DataError: they do not fit; it gives the first name that does not.
    """
    # In place: torch keeps the version of the format as an attribute of the dict.
    for key in list(state):
        value = state.pop(key)
        new_key = OLD_NAMES.sub(r"\1\2", key)
        if not new_key.startswith((f"{classifier}.", "aux", "AuxLogits.")):
            state[new_key] = value
    problems = _problems(network.state_dict(), state)
    if problems:
        others = len(problems) - 1
        raise DataError(f"The weights {whose} do not fit: {problems[0]}, and {others} more.")
    network.load_state_dict(state, strict=False)


def _problems(own: dict[str, Tensor], state: dict[str, Tensor]) -> list[str]:
    """Return what is wrong with a state dict for a network whose own is `own`."""
    missing = []
    misshapen = []
    for key, tensor in own.items():
        if key not in state:
            if not key.endswith("num_batches_tracked"):
                missing.append(f"{key} is missing")
        elif state[key].shape != tensor.shape:
            misshapen.append(f"{key} is {tuple(state[key].shape)}, not {tuple(tensor.shape)}")
    unexpected = [f"{key} is unexpected" for key in state if key not in own]
    return missing + unexpected + misshapen
