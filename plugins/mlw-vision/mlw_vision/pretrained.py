"""Networks of torchvision with its pre-trained weights, or with weights from a file.

    --backbone torchvision:name=resnet18,weights=IMAGENET1K_V1
    --backbone torchvision:name=resnet50,weights=/data/resnet50.pth,pretrained_on=imagenet

A feature is what the last layer, the classifier, is given. Weights by torchvision's names are fetched once into the
cache and their hash is checked. A file holds a state dict as torch.save writes it, whole or under the key state_dict
or model; it is read as data, never run. Where a file comes from it does not say: say so by `pretrained_on`.

Grey images are repeated as three channels, and colours are normalised as the weights ask (of a file: as those of
torchvision for the same network do; without weights: not at all). Nothing is resized: ask the data set for the size
that the weights were trained on, `miniimagenet:size=224`. Attention networks (vit, maxvit) take no other.

A number that such a backbone gives stands in another league than one that was trained here from nothing: the data
of its weights may hold the classes of the test. docs/datasets.md says of which sets this is so.
"""

from __future__ import annotations

import re
import sys
from contextlib import redirect_stdout
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torchvision import models

from workbench import Backbone
from workbench.data import cache_folder
from workbench.errors import DataError, UsageError

NONE = "none"
AUXILIARY = ("googlenet", "inception_v3")  # have further classifiers, for training
OLD_NAMES = re.compile(
    r"(denselayer\d+\.(?:norm|conv))\.(\d\.)"
)  # of densenet's layers, in published files


class Torchvision(Backbone):
    """Any classification network of torchvision without its classifier: images in 0..1 to features `(n, dim)`."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        name: Annotated[
            str, "a network as torchvision calls it: resnet50, vit_b_16, ..."
        ] = "resnet18",
        weights: Annotated[
            str, "torchvision's name of weights (IMAGENET1K_V1, ...), a file (.pth), or none"
        ] = NONE,
        pretrained_on: Annotated[
            str,
            "what the weights of a file were trained on (imagenet, ...; several joined by +); torchvision's are known",
        ] = "",
    ):
        super().__init__()
        if name not in (known := models.list_models(module=models)):
            nearest = ", ".join(get_close_matches(name, known, cutoff=0.5)) or "resnet18"
            raise UsageError(
                f"torchvision has no classification network {name!r}; of its {len(known)} try {nearest}"
            )
        self.name = name
        self.weights = weights
        # some of vgg16 have no last layers
        published = {
            each.name: each for each in models.get_model_weights(name) if each.meta["categories"]
        }
        from_file = weights != NONE and weights not in published
        if from_file and not (Path(weights).suffix or len(Path(weights).parts) > 1):
            raise UsageError(
                f"{name} has no weights {weights!r}; there are {', '.join(published)}, a file's path, or none"
            )
        if pretrained_on and not from_file:
            raise UsageError(
                f"pretrained_on says where a file of weights comes from, and weights={weights} names no file"
            )
        # the option, completed by what is known without it
        stated = pretrained_on
        if from_file and not stated:
            stated = "unknown"
        elif weights != NONE and not stated:
            stated = _origin(weights)
        self.pretrained_on = tuple(stated.split("+")) if stated else ()
        # transform_input: by these two networks, for the same mean and std
        trained = {} if weights == NONE else {"transform_input": True}
        extra = (
            {"aux_logits": False, "init_weights": not trained, **trained}
            if name in AUXILIARY
            else {}
        )
        self.network = models.get_model(name, weights=None, **extra)
        layers = self.network.named_modules()
        self.classifier = [
            path for path, layer in layers if isinstance(layer, nn.Linear | nn.Conv2d)
        ][-1]
        self.network.set_submodule(self.classifier, nn.Identity())
        mean, std = torch.zeros(3, 1, 1), torch.ones(3, 1, 1)
        if weights != NONE:
            transforms = published.get(weights, next(iter(published.values()))).transforms()
            mean, std = (
                torch.tensor(each).view(3, 1, 1) for each in (transforms.mean, transforms.std)
            )
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.published = published
        self.to(memory_format=torch.channels_last)  # faster on a CPU
        self.dim = self._dim(image_shape)

    def first_weights(self) -> None:
        """Load the weights that were asked for; a run holds its own, and needs them no more."""
        if self.weights in self.published:
            state = _fetched(self.name, self.published[self.weights])
        elif self.weights != NONE:
            state = _read(Path(self.weights).expanduser())
        else:
            return
        _load(self.network, state, self.classifier, f"{self.weights} for {self.name}")

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] == 1:
            x = x.expand(-1, 3, -1, -1)
        features: Tensor = self.network((x - self.mean) / self.std)
        return features.flatten(1)  # (n, dim)

    @torch.no_grad()
    def _dim(self, image_shape: tuple[int, int, int]) -> int:
        """The length of a feature, by trying one image. Raises `UsageError` if the network takes none of this shape."""
        self.eval()
        try:
            length = self(torch.zeros(1, *image_shape)).shape[1]
        except (RuntimeError, ValueError, AssertionError) as error:
            raise UsageError(
                f"{self.name} takes no images of {' x '.join(map(str, image_shape))} "
                f"({str(error).splitlines()[0]}); ask the data set for another size: NAME:size=224"
            ) from error
        self.train()
        return length


def _origin(weights: str) -> str:
    """What torchvision's weights of a name were trained on."""
    return "instagram+imagenet" if "SWAG" in weights else "imagenet"


def _fetched(name: str, weights: Any) -> dict[str, Tensor]:
    """Torchvision's weights, from the cache or from the net. Raises `DataError` with what to do without a net."""
    folder = cache_folder() / "weights"
    try:
        with redirect_stdout(sys.stderr):  # results go to standard output
            state: dict[str, Tensor] = weights.get_state_dict(
                model_dir=str(folder),
                check_hash=True,
                progress=sys.stderr.isatty(),
                map_location="cpu",
                weights_only=True,
            )
    except Exception as error:  # of the net, of the disk, or of what was read: many
        raise DataError(
            f"{weights.name} of {name} could not be had from {weights.url} ({error}); put that file into {folder}, "
            f"or type: --backbone torchvision:name={name},weights=FILE,pretrained_on={_origin(weights.name)}"
        ) from error
    return state


def _read(path: Path) -> dict[str, Tensor]:
    """The state dict in a file. Raises `DataError` if there is none."""
    if not path.is_file():
        raise DataError(
            f"There is no file {path} of weights; name one by torch.save(network.state_dict(), FILE)"
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many
        raise DataError(
            f"{path} cannot be read as weights ({type(error).__name__}); write them by "
            "torch.save(network.state_dict(), FILE): a whole network is code, which is not run"
        ) from error
    for key in ("state_dict", "model"):
        content = content.get(key, content) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not all(
        isinstance(value, Tensor) for value in content.values()
    ):
        raise DataError(
            f"{path} holds no state dict: names and tensors, as torch.save(network.state_dict()) writes them"
        )
    return content


def _load(network: nn.Module, state: dict[str, Tensor], classifier: str, whose: str) -> None:
    """Load all but classifiers. Raises `DataError` with the first name that does not fit."""
    for key in list(state):  # in place: what says of which version it is stays
        value, known = state.pop(key), OLD_NAMES.sub(r"\1\2", key)
        if not known.startswith((f"{classifier}.", "aux", "AuxLogits.")):
            state[known] = value
    own = network.state_dict()
    wrong = [
        f"{key} is lacking"
        for key in own
        if key not in state and not key.endswith("num_batches_tracked")
    ]
    wrong += [f"{key} is too much" for key in state if key not in own]
    shapes = {key: (tuple(state[key].shape), tuple(own[key].shape)) for key in own if key in state}
    wrong += [
        f"{key} is {found}, not {wanted}"
        for key, (found, wanted) in shapes.items()
        if found != wanted
    ]
    if wrong:
        raise DataError(f"The weights {whose} do not fit: {wrong[0]}, and {len(wrong) - 1} more")
    network.load_state_dict(state, strict=False)
