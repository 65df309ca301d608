"""Weights of networks, from torchvision or from a file.

A file is read as data; code in it is never run. It holds a state dict, names and tensors, as
torch.save writes it. What is usual around it is taken off:

- it may be the value of a key such as `state_dict` or `model`, also several deep;
- its names may have a prefix, such as `module.` or `backbone.`: the one below which all names of
  the network are found. What has another prefix belongs to other parts and is left out;
- weights of classifiers are left out.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, TypeGuard
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from workbench.data import cache_folder
from workbench.errors import DataError

# Names of densenet's layers in published files.
OLD_NAMES = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d\.)")
# The start of the SHA-256 of a file, in its name: resnet18-f37072fd.pth.
HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.")
AUXILIARY_CLASSIFIERS = ("aux", "AuxLogits.")
# Keys of checkpoints below which the weights are, the most telling first.
KEYS = (
    "state_dict",
    "model_state_dict",
    "model",
    "network",
    "net",
    "backbone",
    "encoder",
    "weights",
)
COUNTERS = "num_batches_tracked"  # files of old versions of torch lack them
NAMED = 3  # names of each side in a message


def downloaded(name: str, weights: Any, origin: str) -> dict[str, Tensor]:
    """Return torchvision's weights from the cache or from the internet.

    Args:
        origin: what they were trained on, for the message.

    Raises:
        DataError: they could not be downloaded, or the file in the cache is another one; it says
            what to do.
    """
    folder = cache_folder() / "weights"
    file = folder / Path(urlparse(weights.url).path).name
    instead = f"--backbone torchvision:name={name},weights=FILE,pretrained_on={origin}"
    _check_hash(file, instead)
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
            f"Put that file into {folder}, or use {instead}"
        ) from error
    return state


def _check_hash(file: Path, instead: str) -> None:
    """Refuse a file whose content is not what its name says. Torch checks only what it downloads.

    Raises:
        DataError: the hash differs.
    """
    stated = HASH_IN_NAME.search(file.name)
    if stated is None or not file.is_file():
        return
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if not found.startswith(stated.group(1)):
        raise DataError(
            f"{file} is not the published file: its SHA-256 begins with {found[:8]}, not with "
            f"{stated.group(1)} as its name says. Delete it to download it again; for weights of "
            f"your own use {instead}"
        )


def read(path: Path) -> dict[str, Tensor]:
    """Return the state dict in a file. Raises `DataError` if there is none, or several."""
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
    while isinstance(content, dict) and not _is_state_dict(content):
        inner = [key for key in KEYS if isinstance(content.get(key), dict)]
        if not inner:
            break
        content = content[inner[0]]
    if not _is_state_dict(content):
        raise DataError(
            f"{path} holds no state dict of names and tensors, as "
            f"torch.save(network.state_dict(), FILE) writes it{_keys_found(content)}."
        )
    return content


def _is_state_dict(content: Any) -> TypeGuard[dict[str, Tensor]]:
    if not isinstance(content, dict) or not content:
        return False
    return all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    )


def _keys_found(content: Any) -> str:
    if not isinstance(content, dict) or not content:
        return ""
    return f"; its keys are {_some(map(str, content))}"


def load(network: nn.Module, state: dict[str, Tensor], classifier: str, whose: str) -> None:
    """Load all weights except those of classifiers.

    Args:
        classifier: name of the network's own, which it does not have any more.
        whose: what to call the weights in messages.

    Raises:
        DataError: they do not fit; it gives the first name that does not, and names of both sides.
    """
    own = network.state_dict()
    found = _without_prefix(own, state, whose)
    _keep(state, found, (f"{classifier}.", *AUXILIARY_CLASSIFIERS))
    problems = _problems(own, state)
    if problems:
        others = len(problems) - 1
        raise DataError(
            f"The weights {whose} do not fit: {problems[0]}, and {others} more. "
            f"The file has {_some(found.values())}; the network wants {_some(own)}."
        )
    network.load_state_dict(state, strict=False)


def _without_prefix(
    own: Mapping[str, Tensor], state: Mapping[str, Tensor], whose: str
) -> dict[str, str]:
    """Return the names in a file that belong to the network: from its own name to that of the file.

    Raises:
        DataError: the network is there several times, below several prefixes.
    """
    renamed = {OLD_NAMES.sub(r"\1\2", name): name for name in state}
    if not own.keys().isdisjoint(renamed):
        return renamed
    wanted = [name for name in own if not name.endswith(COUNTERS)]
    complete = []
    for prefix in _prefixes(wanted[0], renamed):
        if all(prefix + name in renamed for name in wanted):
            complete.append(prefix)
    if len(complete) > 1:
        raise DataError(
            f"The weights {whose} hold the network {len(complete)} times, below "
            f"{' and '.join(complete)}; write one of them alone by torch.save(STATE_DICT, FILE)"
        )
    if not complete:
        return renamed
    (prefix,) = complete
    return {
        name.removeprefix(prefix): given
        for name, given in renamed.items()
        if name.startswith(prefix)
    }


def _prefixes(name: str, names: Iterable[str]) -> Iterator[str]:
    """Yield what stands before a name in longer names: "module." for "module.conv1.weight"."""
    for longer in names:
        if longer.endswith(f".{name}"):
            yield longer.removesuffix(name)


def _keep(state: dict[str, Tensor], found: Mapping[str, str], without: tuple[str, ...]) -> None:
    """Rename the tensors that were found, and drop the others and those of classifiers.

    In place: torch keeps the version of the format as an attribute of the dict.
    """
    kept = {name: state[given] for name, given in found.items() if not name.startswith(without)}
    state.clear()
    state.update(kept)


def _problems(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """Return what is wrong with a state dict for a network whose own is `own`."""
    missing = []
    misshapen = []
    for key, tensor in own.items():
        if key not in state:
            if not key.endswith(COUNTERS):
                missing.append(f"{key} is missing")
        elif state[key].shape != tensor.shape:
            misshapen.append(f"{key} is {tuple(state[key].shape)}, not {tuple(tensor.shape)}")
    unexpected = [f"{key} is unexpected" for key in state if key not in own]
    return missing + unexpected + misshapen


def _some(names: Iterable[str]) -> str:
    """Return the first names and how many there are: "a, b, c and 119 more"."""
    all_names = list(names)
    text = ", ".join(all_names[:NAMED])
    if len(all_names) > NAMED:
        text += f" and {len(all_names) - NAMED} more"
    return text
