"""Own methods, backbones and data in arguments: they are registered, and named from then on.

Behind this module there are only names, whether a plugin registers what they name or this process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Set, Sized
from typing import TYPE_CHECKING, Any

from workbench.data.dataset import Dataset, chosen_options
from workbench.data.given import GivenImages, read_given
from workbench.errors import UsageError
from workbench.plugin.options import canonical_spec, options_of
from workbench.plugin.own_code import adopt_all, adopted, in_file, kind_of
from workbench.plugin.registry import registry

if TYPE_CHECKING:
    from workbench.commands.keywords import Data

DATA_FORMS = (
    "a name, (images, labels), a torch data set of images and labels, a mlw.Dataset, or "
    '{"NAME": one of these}'
)


def named_code(value: Any, kind: str = "") -> Any:
    """Return an argument with names in place of classes, and of files with classes.

    Args:
        value: a name, a class, "FILE.py:CLASS", or several of these. Anything else is returned as
            it is, to be refused where names are checked.
        kind: what it must be, "algorithms", "backbones" or "datasets"; "": any of them.

    Raises:
        UsageError, PluginError: a class cannot be used, or a file cannot be imported.
    """
    if isinstance(value, str):
        return in_file(value, kind)
    if isinstance(value, type):
        return adopted(value, kind)
    if kind_of(type(value)):
        raise UsageError(
            f"This {type(value).__name__} is an object; give the class, {type(value).__name__}, "
            "which is built for the images of each comparison"
        )
    if isinstance(value, bytes | os.PathLike | Mapping) or not isinstance(value, Iterable):
        return value
    return [named_code(each, kind) if _is_one(each) else each for each in _in_order(value)]


def _is_one(value: Any) -> bool:
    return isinstance(value, str | type) or bool(kind_of(type(value)))


def adopt_code(value: Any) -> None:
    """Register classes, and all classes of files, that runs were made of.

    Raises:
        UsageError, PluginError: one cannot be used, or a file cannot be imported.
    """
    for each in [value] if isinstance(value, str | type | os.PathLike) else value:
        if isinstance(each, type):
            adopted(each)
        elif os.fspath(each).endswith(".py"):
            adopt_all(os.fspath(each))
        else:
            in_file(os.fspath(each))


def named_data(value: Data) -> Any:
    """Return an argument with names in place of data.

    Args:
        value: as `named_code` takes; `(images, labels)`; a data set of torch, such as an
            `ImageFolder` of torchvision; an object of `mlw.Dataset`; a dictionary of these by name,
            which may have options: `{"birds:size=84": data}`; or several of these.

    Raises:
        UsageError, DataError: images or labels cannot be used.
    """
    if isinstance(value, Mapping):
        return [_named(each, spec) for spec, each in value.items()]
    if _is_data(value) or isinstance(value, str | type | os.PathLike):
        return _named(value)
    if isinstance(value, bytes) or not isinstance(value, Iterable):
        return value
    return [_named(each) for each in _in_order(value)]


def _in_order(values: Iterable[Any]) -> Iterable[Any]:
    """Return values in an order that is the same in every process, which that of a set is not."""
    return sorted(values, key=str) if isinstance(values, Set) else values


def _is_data(value: Any) -> bool:
    """Return whether a value is one data set, and not several names."""
    if isinstance(value, Dataset):
        return True
    if isinstance(value, tuple) and len(value) == 2:
        return not isinstance(value[0], str | type | os.PathLike | Dataset | tuple | Mapping)
    several = isinstance(value, str | bytes | list | tuple) or hasattr(value, "tolist")
    return hasattr(value, "__getitem__") and not several


def _named(value: Any, spec: str = "") -> Any:
    """Return the name of one data set, with the options of the spec that it was given under."""
    name, colon, options = spec.partition(":")
    if isinstance(value, Mapping):
        raise UsageError(f"Each data set must be {DATA_FORMS}; a dictionary holds no other")
    if isinstance(value, Dataset):
        target = type(value)
        own = canonical_spec(adopted(target), chosen_options(value), options_of(target))
        return _without_name(own, spec)
    if not _is_data(value):
        if hasattr(value, "shape") and not isinstance(value, str):  # texts of numpy have one
            raise UsageError(f"Images need labels; data must be {DATA_FORMS}")
        return _without_name(named_code(value, "datasets"), spec)
    images, labels = _images_and_labels(value)
    given = read_given(images, labels)
    name = name or f"own-{given.content[:6]}"
    if not name.isprintable() or "/" in name:
        raise UsageError(f"{name!r} is no name for a data set")
    made = type(name, (GivenImages,), {"given": given, "__module__": GivenImages.__module__})
    return registry().adopt("datasets", made, "this program") + colon + options


def _without_name(own: Any, spec: str) -> Any:
    if spec:
        raise UsageError(f"{own} has a name of its own; give it without {spec!r}")
    return own


def _images_and_labels(value: Any) -> tuple[Any, Iterable[Any]]:
    """Return the images, by number, and the labels of a pair or of a data set of torch."""
    if isinstance(value, tuple):
        images, labels = value
        if not isinstance(images, Sized) or not hasattr(images, "__getitem__"):
            images = list(images)
        return images, labels
    if not isinstance(value, Sized):
        raise UsageError(f"Data must be {DATA_FORMS}, not {type(value).__name__}")
    images = _Images(value)
    names = getattr(value, "classes", None)
    labels = [images.pair(number)[1] for number in range(len(value))]
    if isinstance(names, list | tuple):
        labels = [names[int(label)] for label in labels]
    return images, labels


class _Images:
    """The images of a data set of torch, read when they are asked for."""

    def __init__(self, pairs: Any):
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, number: int) -> Any:
        return self.pair(number)[0]

    def pair(self, number: int) -> tuple[Any, Any]:
        pair = self._pairs[number]
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise UsageError(
                f"Item {number} of the {type(self._pairs).__name__} is no pair of an image and a "
                f"label; give {DATA_FORMS}"
            )
        image, label = pair
        return image, label
