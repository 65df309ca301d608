"""Which data set a spec names: one that a plugin registers, or a folder of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

from workbench.data.dataset import Dataset
from workbench.data.image_folder.dataset import ImageFolder
from workbench.data.image_folder.record import folder_names, read_record
from workbench.errors import UnknownName, UsageError
from workbench.plugin.options import Option, canonical_spec, convert_options, options_of, parse_spec
from workbench.plugin.registry import KINDS, registry


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


class _Found(NamedTuple):
    """What a name stands for, before its options are chosen."""

    target: type[Dataset]
    filled: tuple[Any, ...]  # what the workbench passes to the constructor
    preset: Mapping[str, Any]  # options that the name itself sets


def find_dataset(text: str) -> ChosenDataset:
    """Return the data set that a spec names.

    Raises:
        UsageError: the name or an option is unknown, or a plugin and a folder of the user's
            have the same name.
    """
    spec = parse_spec(text)
    found = _find(spec.name)
    known = options_of(found.target)
    options = convert_options(spec.name, spec.options, known)
    dataset = found.target(*found.filled, **{**found.preset, **options})
    return ChosenDataset(spec.name, options, known, dataset)


def _find(name: str) -> _Found:
    if name in folder_names():
        return _find_folder(name)
    try:
        registration = registry().find("datasets", name)
    except UnknownName as error:
        raise _with_folders(error, name) from None
    return _Found(registration.load(), (), registration.preset)


def _find_folder(name: str) -> _Found:
    if registry().knows("datasets", name):
        other = registry().find("datasets", name).full_name
        raise UsageError(
            f"{name!r} is both a folder of yours and {other}; use {other}, "
            f"or run: mlw download {name} --remove"
        )
    return _Found(ImageFolder, (read_record(name),), {})


def _with_folders(error: UnknownName, name: str) -> UnknownName:
    """Return the error with the user's own folders among the known names."""
    own = folder_names()
    if not own:
        return error
    known = [*registry().entries("datasets"), *own]
    return UnknownName(KINDS["datasets"], name, known, registry().hint("datasets"))
