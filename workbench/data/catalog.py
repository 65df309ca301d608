"""Which data set a spec names: a plugin's, or a folder of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from workbench.data.dataset import Dataset
from workbench.data.image_folder.dataset import ImageFolder
from workbench.data.image_folder.record import FolderRecord, folder_names, read_record
from workbench.errors import UnknownName, UsageError
from workbench.plugin.options import Option, convert_options, options_of, parse_spec
from workbench.plugin.registry import KINDS, registry


class ChosenDataset(NamedTuple):
    """A data set with its options chosen."""

    name: str
    options: dict[str, Any]  # as typed
    known: dict[str, Option]
    dataset: Dataset


def find_dataset(text: str) -> ChosenDataset:
    """Return the data set of a spec: one that a plugin registers, or a folder of the user's.

    Raises:
        UsageError: an unknown name or option, or a name that a plugin and a folder of the user's have.
    """
    spec = parse_spec(text)
    target, fill, preset = _target(spec.name)
    known = options_of(target)
    options = convert_options(spec.name, spec.options, known)
    return ChosenDataset(spec.name, options, known, target(*fill, **{**preset, **options}))


def _target(name: str) -> tuple[type[Dataset], tuple[FolderRecord, ...], Mapping[str, Any]]:
    """The class, what its constructor is filled with, and the options that the name itself sets."""
    own = folder_names()
    if name not in own:
        try:
            entry = registry().find("datasets", name)
        except UnknownName:
            if not own:
                raise
            known = [*registry().entries("datasets"), *own]
            raise UnknownName(
                KINDS["datasets"], name, known, registry()._hint("datasets")
            ) from None
        return entry.load(), (), entry.preset
    if registry().knows("datasets", name):
        other = registry().find("datasets", name).full_name
        raise UsageError(
            f"{name!r} is a folder of yours and {other}; use {other}, or type: mlw download {name} --remove"
        )
    return ImageFolder, (read_record(name),), {}
