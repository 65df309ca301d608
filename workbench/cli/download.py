"""`mlw download NAME`: fetch, verify and prepare data sets; list, verify and remove them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from workbench.cli import _complete, _show
from workbench.cli._progress import progress_bars
from workbench.data.image_folder.choice import LayoutChoice
from workbench.errors import UsageError, WorkbenchError
from workbench.plugin.options import parse_spec


def download(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="Data sets, with options: omniglot:size=84.",
            autocompletion=_complete.datasets,
        ),
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
        typer.Option(
            metavar="FOLDER",
            help="Your own images: take those in folders of this name, or files like '*.jpg'.",
        ),
    ] = "",
    available: Annotated[
        bool, typer.Option("--list", help="List downloaded data sets with sizes and states.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove downloaded and prepared files.")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", help="Compare files with their recorded checksums; without NAME, all files."
        ),
    ] = False,
) -> None:
    """Download data sets, verify them, and prepare their images once."""
    choice = LayoutChoice(label, level, split_from, group_from, only)
    _refuse_together(available, remove, verify, fetching=bool(source or partial or choice.flags))
    if available:
        _list(names or [])
        return
    if verify:
        _each(names or _all_names(), _verify)
        return
    if not names:
        raise UsageError(
            "name a data set, for instance: mlw download omniglot; "
            "to list downloaded data sets: mlw download --list"
        )
    if remove:
        _each(names, _remove)
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
            _show.error(f"mlw: {error}")
    if failed:
        _show.error(f"mlw: {failed} of {len(names)} failed")
        raise typer.Exit(1)


# --- downloading


def _download(text: str, source: str | None, partial: bool, choice: LayoutChoice) -> None:
    from workbench.commands.download import download as run

    with progress_bars() as report:
        done = run(
            text,
            source=source,
            partial=partial,
            report=report,
            note=_show.note,
            **choice._asdict(),
        )
    _show.out(str(done))


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


def _all_names() -> list[str]:
    from workbench.data.cache import cache_folder
    from workbench.data.inventory import inventory

    names = [item.name for item in inventory()]
    if not names:
        _show.out(f"nothing is in {cache_folder()}")
    return names


def _verify(name: str) -> None:
    from workbench.data.verification import verify

    verify(_without_options(name), lambda line: _show.out(f"{name}: {line}"))


def _without_options(text: str) -> str:
    """Return a name: removing and verifying concern all of a data set, whatever its options."""
    spec = parse_spec(text)
    if spec.options:
        raise UsageError(f"{text}: give the name without options, {spec.name}")
    return spec.name
