"""`mlw download NAME`: fetch, verify, prepare; and what is here, whether it is whole, and away with it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import _show
from workbench.errors import DataError, UnknownName, UsageError, WorkbenchError
from workbench.plugin.options import parse_spec
from workbench.plugin.registry import registry

if TYPE_CHECKING:
    from rich.progress import TaskID


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
            help="Take the files from a folder, an archive, or addresses that begin so. With a new name: make your "
            "own images a data set, in class folders, below train/val/test too, or with a CSV.",
        ),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Take an archive with a part of the images.")
    ] = False,
    here: Annotated[
        bool, typer.Option("--list", help="List what is here, its size and its state.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove what was downloaded and prepared.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare all bytes with what is recorded.")
    ] = False,
) -> None:
    """Fetch data sets, verify them, and prepare their images once."""
    if here + remove + verify > 1 or ((source or partial) and (here or remove or verify)):
        raise UsageError(
            "--list, --remove and --verify are three things; give one of them, and no --from or --partial"
        )
    if here:
        _list(names or [])
        return
    if not names:
        raise UsageError(
            "say which data set, for instance: mlw download omniglot; what is here: mlw download --list"
        )
    if remove or verify:
        _each(names, _remove if remove else _verify)
        return
    _each(names, lambda name: _download(name, source, partial))


def _each(names: list[str], do: Callable[[str], None]) -> None:
    """Do all of several even if one fails."""
    failed = 0
    for name in names:
        try:
            do(name)
        except WorkbenchError as error:
            if len(names) == 1:
                raise
            failed += 1
            _show.note(f"mlw: {error}")
    if failed:
        _show.note(f"mlw: {failed} of {len(names)} failed")
        raise typer.Exit(1)


def _download(text: str, source: str | None, partial: bool) -> None:
    from workbench.data.catalog import find_dataset
    from workbench.data.download.fetch import fetch
    from workbench.data.download.manifest import entry_of
    from workbench.data.download.transfer import progress_bar
    from workbench.data.image_folder.dataset import ImageFolder
    from workbench.data.image_folder.record import folder_names
    from workbench.data.opening import open_dataset, part_here

    name = parse_spec(text).name
    known = registry().knows("datasets", name)
    if source is not None and (name in folder_names() or not known):
        _add(text, name, source)
    try:
        choice = find_dataset(text)
    except UnknownName as error:
        raise UsageError(
            f"{error}; for images of your own: mlw download {name} --from FOLDER"
        ) from None
    dataset = choice.dataset
    if dataset.manifest:
        with progress_bar() as bar:
            _show.out(
                str(
                    fetch(entry_of(dataset), source, partial=partial, progress=bar, note=_show.note)
                )
            )
    elif not isinstance(dataset, ImageFolder):
        _show.out(f"{choice.name} is made here and needs no download")
    _show.note(f"preparing {text} ...")
    with _counting() as progress:
        tables = open_dataset(choice.name, dataset, progress=progress)
    for split, table in tables.items():
        size = " x ".join(map(str, table.images.shape[1:]))
        _show.out(
            f"{split:>5}: {len(table.names):,} classes, {len(table.images):,} images of {size}"
        )
    if part := part_here(dataset):
        _show.note(f"this is a part, {part}; results measured on it say so")


def _add(text: str, name: str, source: str) -> None:
    """Make the user's own images a data set."""
    from workbench.data.image_folder.record import read_record
    from workbench.data.image_folder.register import add_folder
    from workbench.data.inventory import remove_prepared

    before = None
    with suppress(DataError):  # a record that cannot be read is written anew
        before = read_record(name)
    if before is None:
        nearest = get_close_matches(name, registry().entries("datasets"), n=1, cutoff=0.75)
        guess = f" (did you mean {nearest[0]}?)" if nearest else ""
        _show.note(f"{name} is a new name{guess}: {source} is read as images of your own ...")
    with _counting() as progress:
        record = add_folder(text, source, progress=progress)
    if before and before.content != record.content:
        remove_prepared(name)
        _show.note(
            f"{name} was {before.origin} as it was then; what was prepared from it is removed"
        )
    _show.out(str(record))


def _list(names: list[str]) -> None:
    from workbench.data.cache import cache_folder
    from workbench.data.download.provenance import megabytes
    from workbench.data.inventory import inventory, occupied

    items = [item for item in inventory() if not names or item.name in names]
    rows = [
        [
            item.name,
            ", ".join(item.files) if len(item.files) < 4 else f"{len(item.files)} files",
            megabytes(item.downloaded) if item.downloaded else "",
            megabytes(item.prepared) if item.prepared else "",
            item.state,
        ]
        for item in items
    ]
    columns = {
        "name": "left",
        "files": "left",
        "downloaded": "right",
        "prepared": "right",
        "state": "left",
    }
    if rows:
        _show.table("", columns, rows)
        _show.out(f"{megabytes(occupied())} in {cache_folder()}")
    else:
        _show.out(f"nothing of {', '.join(names) or 'any data set'} is in {cache_folder()}")


def _remove(name: str) -> None:
    from workbench.data.inventory import remove

    _show.out(remove(_plain(name)))


def _verify(name: str) -> None:
    from workbench.data.inventory import verify

    verify(_plain(name), lambda line: _show.out(f"{name}: {line}"))


def _plain(text: str) -> str:
    """A name without options: what is removed and verified is all of a data set."""
    spec = parse_spec(text)
    if spec.options:
        raise UsageError(f"{text}: give the name alone, {spec.name}")
    return spec.name


@contextmanager
def _counting() -> Iterator[Callable[[str, int], None] | None]:
    """Give a progress that counts on standard error; None when that is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description} {task.completed:,}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(label: str, done: int) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label)
            bars.update(tasks[label], completed=done)

        yield show
