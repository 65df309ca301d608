"""`mlw download NAME`: fetch, verify, prepare."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench import specs
from workbench.cli import _show
from workbench.plugins import registry


def download(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Data sets, with options: omniglot:size=84.")],
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FOLDER|FILE|URL",
            help="Take the files from a folder, an archive, or addresses that begin so.",
        ),
    ] = None,
) -> None:
    """Fetch data sets, verify them, and prepare their images once."""
    from workbench.download import fetch, open_dataset
    from workbench.fetching import progress_bar
    from workbench.manifest import entry_of

    for name in names:
        spec = specs.parse(name)
        target = registry().find("datasets", spec.name).load()
        dataset = target(**specs.resolve(spec.name, spec.options, specs.options_of(target)))
        if dataset.manifest:
            with progress_bar() as progress:
                fetched = fetch(entry_of(dataset), source, progress=progress)
            _show.out(str(fetched))
        else:
            _show.out(f"{spec.name} is made here and needs no download")
        _show.note(f"preparing {name} ...")
        for split, table in open_dataset(spec.name, dataset).items():
            size = " x ".join(map(str, table.images.shape[1:]))
            _show.out(f"{split:>5}: {len(table.names):,} classes, {len(table.images):,} images of {size}")
