"""`mlw download NAME` as a function."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Unpack

from workbench.commands.arguments import checked, one
from workbench.commands.keywords import LayoutKeywords, Place
from workbench.data.catalog import find_dataset
from workbench.data.dataset import Dataset
from workbench.data.download.fetch import Fetched, discard_unusable, fetch
from workbench.data.download.manifest import entry_of
from workbench.data.image_folder.choice import LayoutChoice
from workbench.data.image_folder.record import FolderRecord, folder_names, read_record
from workbench.data.image_folder.register import add_folder, check_name
from workbench.data.inventory import remove_prepared
from workbench.data.opening import open_dataset, prepared_earlier
from workbench.data.tables import Table
from workbench.errors import DataError, UnknownName, UsageError
from workbench.plugin.options import parse_spec
from workbench.plugin.registry import registry
from workbench.progress import Report, say_nothing
from workbench.tasks.settings import USUAL_WAYS
from workbench.tasks.splits import training_data_for

KNOWN = ("name", "source", "partial", "report", "note", *LayoutKeywords.__annotations__)


@dataclass(frozen=True)
class Downloaded:
    """A data set that is ready to be used. `str()` gives a report for the user.

    Attributes:
        name: its spec, as given.
        files: which files it consists of and how they were verified, in words.
        about: what its classes are, in a sentence; "" for images of your own.
        tables: the images of each split, prepared.
        part: "4,000 of 27,000 images", or "content checked by count, not by checksum", where the
            files are not known to be the published ones; otherwise "".
        own: whether these are images of the user's own.
    """

    name: str
    files: str
    about: str
    tables: Mapping[str, Table]
    part: str
    own: bool = False

    @property
    def next_command(self) -> str:
        """A command that compares methods on it."""
        name = shlex.quote(self.name)
        data = f"--on {name}"
        tested = self._tested
        if "train" not in self.tables:
            data = f"--train-on {training_data_for(tested.images.shape[1:])} --test-on {name}"
        ways = f" --ways {len(tested.names)}" if len(tested.names) < USUAL_WAYS else ""
        return f"mlw compare protonet baseline nearest_pixel {data}{ways}"

    @property
    def _tested(self) -> Table:
        return self.tables.get("test") or next(iter(self.tables.values()))

    def __str__(self) -> str:
        lines = [self.files]
        if self.about:
            lines.append(f"{self.name}: {self.about}")
        for split, table in self.tables.items():
            size = " x ".join(str(length) for length in table.images.shape[1:])
            classes = f"{len(table.names):,} classes"
            lines.append(f"{split:>5}: {classes}, {len(table.images):,} images of {size}")
        if self.own and len(self._tested.names) == 1:
            lines.append("tasks need at least two classes: add images of another, and add it again")
        elif self.own:
            lines.append(f"to compare methods on it: {self.next_command}")
        return "\n".join(lines)


@dataclass(frozen=True)
class _Job:
    """One call of `download`, its arguments checked."""

    text: str  # the spec
    source: str | None
    partial: bool
    choice: LayoutChoice
    report: Report | None
    note: Callable[[str], None]

    @property
    def name(self) -> str:
        return parse_spec(self.text).name


def download(
    name: str,
    *,
    source: Place | None = None,
    partial: bool = False,
    report: Report | None = None,
    note: Callable[[str], None] = say_nothing,
    **layout: Unpack[LayoutKeywords],
) -> Downloaded:
    """Download a data set, verify it, and prepare its images once.

    >>> mlw.download("omniglot")
    >>> mlw.download("my-birds", source="photos/birds")

    Args:
        name: a data set, with options: "omniglot:size=84".
        source: a folder, an archive, or the start of an address to take the files from. With a new
            name, a folder or archive of your own images, which becomes a data set.
        partial: accept an archive with a part of the images.
        report: shows progress.
        note: told what happens, a line at a time.
        layout: what the folders and tables of your own images mean, as in `mlw download --help`:
            `label`, `level`, `split_from`, `group_from` and `only`.

    Raises:
        UsageError: there is no such data set or option.
        DataError: it cannot be downloaded, is not the published one, or cannot be read.
    """
    named = {"name": name, "source": source, "partial": partial, "report": report, "note": note}
    given = checked({**named, **layout}, KNOWN, needed="name")
    choice = {key: given[key] for key in LayoutKeywords.__annotations__ if key in given}
    job = _Job(
        one("name", given["name"]),
        given.get("source"),
        given.get("partial", False),
        LayoutChoice(**choice),
        given.get("report"),
        given.get("note", say_nothing),
    )
    return _download(job)


def _download(job: _Job) -> Downloaded:
    own = job.name in folder_names() or not registry().knows("datasets", job.name)
    if job.choice.flags and (job.source is None or not own):
        raise UsageError(
            f"{' '.join(job.choice.flags)} is for images of your own: "
            "mlw download NAME --from FOLDER"
        )
    files = ""
    about = ""
    fetched: Fetched | None = None
    if own and job.source is not None:
        files = _add(job, job.source)
    try:
        chosen = find_dataset(job.text)
    except UnknownName as error:
        raise UsageError(
            f"{error}; for images of your own: mlw download {job.name} --from FOLDER"
        ) from None
    if not own:
        fetched = _fetch(job, chosen.dataset)
        files = str(fetched or f"{chosen.name} is generated and needs no download")
        about = (inspect.getdoc(type(chosen.dataset)) or "").partition("\n")[0]
    try:
        if prepared_earlier(chosen):
            job.note(f"{job.text} is prepared already; comparing its images with checksums ...")
        else:
            job.note(f"preparing {job.text} ...")
        dataset = open_dataset(job.text, report=job.report, check=True)
    except DataError as error:
        raise _without_files(error, fetched) from error
    for note in dataset.notes:
        job.note(f"{job.text}: {note.text}")
    if dataset.part:
        job.note(f"not the published files: {dataset.part}; results measured on them say so")
    return Downloaded(job.text, files, about, dataset.tables, dataset.part, own)


def _fetch(job: _Job, dataset: Dataset) -> Fetched | None:
    """Download a published data set; return None if there is nothing to download."""
    if not dataset.manifest:
        if job.source is not None:
            raise UsageError(
                f"{job.name} is generated and takes no --from; for images of your own, choose "
                f"another name: mlw download my-{job.name} --from {shlex.quote(str(job.source))}"
            )
        return None
    entry = entry_of(dataset)
    return fetch(entry, job.source, partial=job.partial, report=job.report, note=job.note)


def _without_files(error: DataError, fetched: Fetched | None) -> DataError:
    """Remove files of which no data set can be made, and say so."""
    removed = discard_unusable(fetched) if fetched else []
    if not removed:
        return error
    return type(error)(f"{error} The copy of {', '.join(removed)} is not kept.")


def _add(job: _Job, source: str) -> str:
    """Make the user's own images a data set."""
    name = job.name
    check_name(name)
    before: FolderRecord | None = None
    with suppress(DataError):  # a record that cannot be read is written again
        before = read_record(name)
    if before is None:
        job.note(f"{name} is a new name{_guess(name)}: reading {source} as your own images ...")
    record = add_folder(job.text, source, job.choice, report=job.report)
    if before is not None and before.checksums != record.checksums:
        remove_prepared(name)
        job.note(f"{name} has changed: the images prepared from {before.origin} are removed")
    return str(record)


def _guess(name: str) -> str:
    nearest = get_close_matches(name, registry().entries("datasets"), n=1, cutoff=0.75)
    if nearest:
        return f" (did you mean {nearest[0]}?)"
    return ""
