"""`mlw download NAME`: fetch, verify and prepare data sets; list, verify and remove them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import _show
from workbench.cli._progress import progress_bars
from workbench.data.image_folder.choice import LayoutChoice
from workbench.errors import DataError, UnknownName, UsageError, WorkbenchError
from workbench.plugin.options import parse_spec
from workbench.plugin.registry import registry

if TYPE_CHECKING:
    from workbench.data.dataset import Dataset


def download(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME...", help="Data sets, with options: omniglot:size=84."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FOLDER|FILE|URL",
            help="Take the files from a folder, an archive, or addresses that begin like this. "
            "With a new name: make your own images a data set. They lie in class folders, also "
            "inside train, val and test folders, or are listed in a CSV file.",
        ),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Accept an archive with a part of the images.")
    ] = False,
    label: Annotated[
        str,
        typer.Option(metavar="COLUMN", help="Your own images: the column of labels in a table."),
    ] = "",
    level: Annotated[
        str,
        typer.Option(
            metavar="LEVELS",
            help="Your own images: the level of folders that names the class, from 1; "
            "1,2 for the path of both.",
        ),
    ] = "",
    split_from: Annotated[
        str,
        typer.Option(
            metavar="COLUMN|LEVEL|none",
            help="Your own images: what says train, val or test.",
        ),
    ] = "",
    group_from: Annotated[
        str,
        typer.Option(
            metavar="COLUMN|LEVEL|none",
            help="Your own images: what says the group of a class, for --protocol within-group.",
        ),
    ] = "",
    only: Annotated[
        str,
        typer.Option(metavar="FOLDER", help="Your own images: take those in folders of this name."),
    ] = "",
    available: Annotated[
        bool, typer.Option("--list", help="List downloaded data sets with sizes and states.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove downloaded and prepared files.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare all files with their recorded checksums.")
    ] = False,
) -> None:
    """Download data sets, verify them, and prepare their images once."""
    choice = LayoutChoice(label, level, split_from, group_from, only)
    _refuse_together(available, remove, verify, fetching=bool(source or partial or choice.flags))
    if available:
        _list(names or [])
        return
    if not names:
        raise UsageError(
            "name a data set, for instance: mlw download omniglot; "
            "to list downloaded data sets: mlw download --list"
        )
    if remove:
        _each(names, _remove)
    elif verify:
        _each(names, _verify)
    else:
        _each(names, lambda name: _download(name, source, partial, choice))


def _refuse_together(available: bool, remove: bool, verify: bool, *, fetching: bool) -> None:
    asked = [available, remove, verify, fetching]
    if asked.count(True) > 1:
        raise UsageError(
            "--list, --remove and --verify do different things; give one of them, "
            "without --from and --partial"
        )


def _each(names: list[str], do: Callable[[str], None]) -> None:
    """Do all, even if one fails."""
    if len(names) == 1:
        do(names[0])
        return
    failed = 0
    for name in names:
        try:
            do(name)
        except WorkbenchError as error:
            failed += 1
            _show.note(f"mlw: {error}")
    if failed:
        _show.note(f"mlw: {failed} of {len(names)} failed")
        raise typer.Exit(1)


# --- downloading


def _download(text: str, source: str | None, partial: bool, choice: LayoutChoice) -> None:
    from workbench.data.catalog import find_dataset
    from workbench.data.image_folder.record import folder_names
    from workbench.data.opening import open_dataset

    name = parse_spec(text).name
    own = name in folder_names() or not registry().knows("datasets", name)
    if choice.flags and (source is None or not own):
        raise UsageError(
            f"{' '.join(choice.flags)} is for images of your own: mlw download NAME --from FOLDER"
        )
    if own and source is not None:
        _add(text, name, source, choice)
    try:
        chosen = find_dataset(text)
    except UnknownName as error:
        raise UsageError(
            f"{error}; for images of your own: mlw download {name} --from FOLDER"
        ) from None
    if not own:
        _fetch(chosen.name, chosen.dataset, source, partial)
    _show.note(f"preparing {text} ...")
    with progress_bars() as report:
        dataset = open_dataset(text, report=report)
    for split, table in dataset.tables.items():
        size = " x ".join(str(length) for length in table.images.shape[1:])
        classes = f"{len(table.names):,} classes"
        _show.out(f"{split:>5}: {classes}, {len(table.images):,} images of {size}")
    if dataset.part:
        _show.note(f"this is a part, {dataset.part}; results measured on it say so")


def _fetch(name: str, dataset: Dataset, source: str | None, partial: bool) -> None:
    """Download a published data set, or say that there is nothing to download."""
    from workbench.data.download.fetch import fetch
    from workbench.data.download.manifest import entry_of

    if not dataset.manifest:
        _show.out(f"{name} is generated and needs no download")
        return
    with progress_bars() as report:
        fetched = fetch(entry_of(dataset), source, partial=partial, report=report, note=_show.note)
    _show.out(str(fetched))


def _add(text: str, name: str, source: str, choice: LayoutChoice) -> None:
    """Make the user's own images a data set."""
    from workbench.data.image_folder.record import FolderRecord, read_record
    from workbench.data.image_folder.register import add_folder, check_name
    from workbench.data.inventory import remove_prepared

    check_name(name)
    before: FolderRecord | None = None
    with suppress(DataError):  # a record that cannot be read is written again
        before = read_record(name)
    if before is None:
        _show.note(f"{name} is a new name{_guess(name)}: reading {source} as your own images ...")
    with progress_bars() as report:
        record = add_folder(text, source, choice, report=report)
    if before is not None and before.checksums != record.checksums:
        remove_prepared(name)
        _show.note(f"{name} has changed: the images prepared from {before.origin} are removed")
    _show.out(str(record))


def _guess(name: str) -> str:
    nearest = get_close_matches(name, registry().entries("datasets"), n=1, cutoff=0.75)
    if nearest:
        return f" (did you mean {nearest[0]}?)"
    return ""


# --- listing, removing, verifying


def _list(names: list[str]) -> None:
    from workbench.data.cache import cache_folder
    from workbench.data.download.provenance import megabytes
    from workbench.data.inventory import inventory, occupied

    rows = []
    for item in inventory():
        if names and item.name not in names:
            continue
        files = ", ".join(item.files)
        if len(item.files) > 3:
            files = f"{len(item.files)} files"
        downloaded = megabytes(item.downloaded) if item.downloaded else ""
        prepared = megabytes(item.prepared) if item.prepared else ""
        rows.append([item.name, files, downloaded, prepared, item.state])
    if not rows:
        _show.out(f"nothing of {', '.join(names) or 'any data set'} is in {cache_folder()}")
        return
    columns = {
        "name": "left",
        "files": "left",
        "downloaded": "right",
        "prepared": "right",
        "state": "left",
    }
    _show.table("", columns, rows)
    _show.out(f"{megabytes(occupied())} in {cache_folder()}")


def _remove(name: str) -> None:
    from workbench.data.inventory import remove

    _show.out(remove(_without_options(name)))


def _verify(name: str) -> None:
    from workbench.data.verification import verify

    verify(_without_options(name), lambda line: _show.out(f"{name}: {line}"))


def _without_options(text: str) -> str:
    """Return a name: removing and verifying concern all of a data set, whatever its options."""
    spec = parse_spec(text)
    if spec.options:
        raise UsageError(f"{text}: give the name without options, {spec.name}")
    return spec.name
