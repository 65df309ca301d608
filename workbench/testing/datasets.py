"""The contract of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from workbench.data.dataset import Dataset
from workbench.data.opening import open_dataset
from workbench.data.tables import Table, channels_question
from workbench.errors import DataError
from workbench.plugin.options import parse_spec
from workbench.plugin.registry import Registration, registry
from workbench.testing.checks import Check, Finding, NotAsked, findings, require_held
from workbench.testing.constructors import check_constructor


class _Opened:
    """A data set under check, opened once."""

    def __init__(self, spec: str, registration: Registration, *, needs_files: bool):
        self.spec = spec
        self.registration = registration
        self.needs_files = needs_files

    @cached_property
    def tables(self) -> Mapping[str, Table]:
        """Its images by split.

        Raises:
            NotAsked: its files are missing, and that is no fault.
        """
        try:
            return open_dataset(self.spec).tables
        except DataError as error:
            published = getattr(self.registration.load(), "manifest", None)
            if self.needs_files or not published:
                raise
            raise NotAsked(str(error)) from error


def check_dataset(spec: str) -> None:
    """Check that the splits of a data set share no class and hold uint8 images of one shape.

    Raises:
        AssertionError: with a line for each check that did not hold, and how to mend it; also if
            its files are not downloaded.
        UnknownName: there is no such data set.
    """
    require_held(dataset_findings(spec, needs_files=True))


def dataset_findings(spec: str, *, needs_files: bool = False) -> list[Finding]:
    """Return what came of each check of a data set.

    Args:
        needs_files: whether a check does not hold, instead of not being asked, if published files
            are not downloaded.
    """
    registration = registry().find("datasets", parse_spec(spec).name)
    opened = _Opened(spec, registration, needs_files=needs_files)
    return list(findings(DATASET_CHECKS, opened))


def _check_constructor(opened: _Opened) -> None:
    check_constructor("datasets", opened.registration.full_name)
    target = opened.registration.load()
    assert issubclass(target, Dataset), f"{opened.spec} must be a subclass of workbench.Dataset"


def _check_images(opened: _Opened) -> None:
    shapes = {table.images.shape[1:] for table in opened.tables.values()}
    assert len(shapes) == 1, f"all images of {opened.spec} must have the same shape, not {shapes}"
    for table in opened.tables.values():
        dtype = table.images.dtype
        assert dtype == np.uint8, f"the images of {opened.spec} must be uint8, not {dtype}"
        question = channels_question(table.images.shape[1:])
        assert not question, f"the images of {opened.spec} are {table.images.shape[1:]}: {question}"


def _check_splits(opened: _Opened) -> None:
    names: list[str] = []
    for table in opened.tables.values():
        names += table.names
    assert len(names) == len(set(names)), f"no class of {opened.spec} may be in two splits"


def _check_classes(opened: _Opened) -> None:
    for split, table in opened.tables.items():
        counts = np.diff(table.starts)
        fewest = int(counts.argmin())
        assert counts[fewest] > 1, (
            f"every class of {opened.spec} must have two images, one to learn from and one to "
            f"classify; {table.names[fewest]} in {split} has {counts[fewest]}"
        )


DATASET_CHECKS: tuple[Check[_Opened], ...] = (
    Check(
        "constructor",
        "the constructor takes options only",
        "write options after a * as Annotated[type, 'help'] with a default",
        _check_constructor,
    ),
    Check(
        "images",
        "all images are uint8, (channels, height, width), of one shape",
        "yield an ImageClass of an array (n, channels, height, width) in 0..255 for each class",
        _check_images,
        needs=("constructor",),
    ),
    Check(
        "splits",
        "no class is in two splits",
        "divide the classes among train, val and test",
        _check_splits,
        needs=("constructor",),
    ),
    Check(
        "classes",
        "every class has at least two images",
        "leave out classes with fewer, from which no task can be drawn",
        _check_classes,
        needs=("constructor",),
    ),
)
