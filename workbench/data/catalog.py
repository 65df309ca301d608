"""Which data set a spec names: one that a plugin registers, or a folder of the user's own."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

from workbench.data.dataset import Dataset
from workbench.data.image_folder.dataset import ImageFolder
from workbench.data.image_folder.record import FolderRecord, folder_names, read_record
from workbench.errors import UnknownName, UsageError
from workbench.plugin.options import Option, canonical_spec, convert_options, options_of, parse_spec
from workbench.plugin.registry import Registration, registry

LARGEST_SIDE = 4096  # pixels; one class of such images takes gigabytes


class ChosenDataset(NamedTuple):
    """A data set with its options chosen."""

    name: str
    options: Mapping[str, Any]  # those that were typed
    known: Mapping[str, Option]  # those that there are
    dataset: Dataset

    @property
    def label(self) -> str:
        """The canonical spec: options at their defaults are omitted."""
        return canonical_spec(self.name, self.options, self.known)

    @property
    def label_of_whole(self) -> str:
        """The spec with which all classes are training classes; "" if there is no such option."""
        split = self.known.get("split")
        if split is None or "train" not in get_args(split.type):
            return ""
        return canonical_spec(self.name, {**self.options, "split": "train"}, self.known)


def find_dataset(text: str) -> ChosenDataset:
    """Return the data set that a spec names.

    Raises:
        UsageError: the name or an option is unknown, or is the path of a folder, or a plugin and
            a folder of the user's have the same name.
    """
    if "://" in text:
        raise UsageError(
            f"{text} is an address, not the name of a data set; download it, unpack it, and then "
            "run: mlw download NAME --from FOLDER"
        )
    spec = parse_spec(text)
    name = spec.name
    own = folder_names()
    target: type[Dataset] = ImageFolder
    filled: tuple[FolderRecord, ...] = ()  # what the workbench passes to the constructor
    preset: Mapping[str, Any] = {}  # options that the name itself sets
    if spec.name in own and registry().knows("datasets", spec.name):
        other = registry().find("datasets", spec.name).full_name
        raise UsageError(
            f"{spec.name!r} is both a folder of yours and {other}; use {other}, "
            f"or run: mlw download {spec.name} --remove"
        )
    if spec.name in own:
        filled = (read_record(spec.name),)
    else:
        registration = _find_registered(spec.name, own)
        name = registry().short_name(registration)  # one data set has one name ...
        if name in own:
            name = registration.full_name  # ... which names nothing else
        target = registration.load()
        preset = registration.preset
    known = options_of(target)
    options = convert_options(spec.name, spec.options, known)
    _check_size(spec.name, {**preset, **options})
    dataset = target(*filled, **{**preset, **options})
    return ChosenDataset(name, options, known, dataset)


def _find_registered(name: str, own: tuple[str, ...]) -> Registration:
    """Return the data set that a plugin registers under a name.

    Raises:
        UsageError: there is none; if there is a folder or file of that name, how to use it.
    """
    try:
        return registry().find("datasets", name, also_known=own)
    except UnknownName:
        path = os.path.expanduser(name)
        if not os.path.exists(path):  # of any text, while Path raises if it is too long
            raise
        kind = "folder" if os.path.isdir(path) else "file"
        raise UsageError(
            f"{name} is a {kind}, not the name of a data set. To make its images a data set that "
            f"is called NAME, run: mlw download NAME --from {shlex.quote(name)}"
        ) from None


def _check_size(name: str, options: Mapping[str, Any]) -> None:
    """Raise `UsageError` if images would be too large to be prepared."""
    size = options.get("size")
    if isinstance(size, int) and size > LARGEST_SIDE:
        raise UsageError(
            f"Invalid value {name}:size={size}: must be at most {LARGEST_SIDE:,} (pixels)"
        )
