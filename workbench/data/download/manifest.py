"""Find a data set's entry: in the `datasets.toml` of its plugin, otherwise in the workbench's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from workbench.data.dataset import Dataset
from workbench.data.download.entry import ManifestEntry
from workbench.data.download.manifest_file import read_manifest
from workbench.errors import DataError
from workbench.plugin.packages import package_folders

MANIFEST = "datasets.toml"


def find_entry(name: str, package: str = "") -> ManifestEntry:
    """Return the entry `name` of a package's own `datasets.toml`, otherwise of the workbench's.

    Raises:
        DataError: neither file has the entry, or a file is invalid.
    """
    searched = []
    for path in _manifests(package):
        if not path.is_file():
            continue
        searched.append(str(path))
        entry = read_manifest(path).get(name)
        if entry is not None:
            return entry
    places = " or ".join(searched) or MANIFEST
    raise DataError(f"There is no entry [{name}] in {places}.")


def own_entries(package: str) -> list[str]:
    """Return the names of the entries in a package's own `datasets.toml`; none without the file.

    Raises:
        DataError: the file is invalid.
    """
    names: list[str] = []
    for folder in package_folders(package):
        path = Path(folder) / MANIFEST
        if path.is_file():
            names += read_manifest(path)
    return names


def entry_of(dataset: Dataset | type[Dataset]) -> ManifestEntry:
    """Return the manifest entry of a data set or of its class.

    Raises:
        DataError: the data set is not downloaded, so it has no entry; or the entry is missing or
            invalid.
    """
    cls = _class_of(dataset)
    if not cls.manifest:
        raise DataError(f"{cls.__name__} needs no download: it names no manifest entry.")
    return find_entry(cls.manifest, cls.__module__.partition(".")[0])


def overlaps_of(entry: ManifestEntry) -> dict[str, bool]:
    """Return whether a data set shares images or classes with other data, by the name of that data.

    A name that is absent is unknown.
    """
    return {**entry.overlaps, entry.name: True}


def overlap(stated: Mapping[str, bool], pretrained_on: Iterable[str]) -> str:
    """Say whether pre-trained weights saw a data set's images or classes.

    Args:
        stated: what `overlaps_of` returns for the data set.
        pretrained_on: the names of the data that the weights were trained on; none for weights
            that were not trained.

    Returns:
        "yes", "no", or "unknown" if nothing is stated.
    """
    answers = [stated.get(name) for name in pretrained_on]
    if True in answers:
        return "yes"
    if None in answers:
        return "unknown"
    return "no"


def _class_of(dataset: Dataset | type[Dataset]) -> type[Dataset]:
    if isinstance(dataset, type):
        return dataset
    return type(dataset)


def _manifests(package: str) -> Iterator[Path]:
    """Yield the places where a manifest may be, in the order in which to search them."""
    for folder in package_folders(package):
        yield Path(folder) / MANIFEST
    workbench = Path(__file__).parents[2]
    yield workbench / MANIFEST  # in a wheel
    yield workbench.parent / MANIFEST  # in a checkout
