"""`mlw list`: the algorithms, backbones, data sets and trackers that are available."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, NamedTuple

import typer

from workbench.cli import _show
from workbench.cli._options import Json
from workbench.errors import DataError
from workbench.plugin.options import options_text
from workbench.plugin.registry import KINDS, Registration, registry
from workbench.plugin.written import docstring_of


class Kind(StrEnum):
    """What can be listed."""

    algorithms = "algorithms"
    backbones = "backbones"
    datasets = "datasets"
    trackers = "trackers"


class _Row(NamedTuple):
    kind: str
    name: str
    plugin: str
    about: str


def list_(
    kind: Annotated[Kind | None, typer.Argument(help="List only these.")] = None,
    json: Json = False,
) -> None:
    """List algorithms, backbones, data sets and trackers."""
    kinds = [kind.value] if kind else list(KINDS)
    rows = []
    for each in kinds:
        for name, registration in registry().entries(each).items():
            rows.append(_Row(each, name, registration.distribution, about(registration)))
    if "datasets" in kinds:
        rows += _own_folders()
    if json:
        _show.as_json([row._asdict() for row in rows])
        return
    for each in kinds:
        chosen = [(row.name, row.about, row.plugin) for row in rows if row.kind == each]
        _show.table(each, {"name": "left", "description": "left", "plugin": "left"}, chosen)
    broken = [plugin.name for plugin in registry().plugins if plugin.error]
    if broken:
        _show.note(f"{', '.join(broken)} did not load; see: mlw plugins")


def _own_folders() -> list[_Row]:
    """Return the user's own folders of images."""
    from workbench.data.image_folder.record import folder_names, read_record

    rows = []
    for name in folder_names():
        try:
            record = read_record(name)
        except DataError as error:
            about = str(error)
        else:
            about = f"{record.classes:,} classes, {record.count:,} images from {record.origin}."
        rows.append(_Row("datasets", name, "your own", about))
    return rows


def about(registration: Registration) -> str:
    """Return a line about what a plugin registered."""
    if registration.base:
        return f"Short for {registration.base}:{options_text(registration.preset)}"
    return _first_line(registration)


def _first_line(registration: Registration) -> str:
    """Return the first line of the class's docstring.

    It is read from the source, because importing all plugins takes seconds.
    """
    try:
        return docstring_of(registration.target).partition("\n")[0]
    except (Exception, SystemExit):  # finding a module imports the package that it is in
        return f"cannot be read; see: mlw info {registration.full_name}"
