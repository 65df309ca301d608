"""`mlw list`: what is here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli._show import as_json, note, table
from workbench.errors import DataError
from workbench.plugin.options import option_text
from workbench.plugin.registry import KINDS, Registration, registry


class Kind(StrEnum):
    """What can be listed."""

    algorithms = "algorithms"
    backbones = "backbones"
    datasets = "datasets"


def list_(
    kind: Annotated[Kind | None, typer.Argument(help="Only these.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print for a program to read.")] = False,
) -> None:
    """List algorithms, backbones and data sets."""
    kinds = [kind.value] if kind else list(KINDS)
    rows = [
        {"kind": each, "name": name, "plugin": entry.distribution, "about": _about(entry)}
        for each in kinds
        for name, entry in registry().entries(each).items()
    ]
    if "datasets" in kinds:
        rows += [
            {"kind": "datasets", "name": n, "plugin": "your own", "about": a}
            for n, a in _own_folders()
        ]
    if json:
        as_json(rows)
        return
    for each in kinds:
        chosen = [[row["name"], row["about"], row["plugin"]] for row in rows if row["kind"] == each]
        table(each, {"name": "left", "": "left", "plugin": "left"}, chosen)
    if broken := [plugin.name for plugin in registry().plugins if plugin.error]:
        note(f"{', '.join(broken)} did not load; see: mlw plugins")


def _own_folders() -> Iterator[tuple[str, str]]:
    """The user's own folders of images, and what is in each."""
    from workbench.data.image_folder.record import folder_names, read_record

    for name in folder_names():
        try:
            record = read_record(name)
        except DataError as error:
            yield name, str(error)
        else:
            yield name, f"{record.classes:,} classes, {record.count:,} images from {record.origin}."


def _about(entry: Registration) -> str:
    if entry.base:
        return f"{entry.base}:" + ",".join(
            f"{key}={option_text(value)}" for key, value in entry.preset.items()
        )
    return _first_line(entry)


def _first_line(entry: Registration) -> str:
    """The first line of the class's docstring, read from its source: nothing is imported for a list."""
    if isinstance(entry.target, type):
        return (entry.target.__doc__ or "").strip().partition("\n")[0]
    module, _, name = entry.target.partition(":")
    try:
        return _docstrings(module).get(name, "").partition("\n")[0]
    except (
        Exception,
        SystemExit,
    ):  # finding a module imports the package that it is in, and that is a plugin's
        return f"cannot be read; see: mlw info {entry.full_name}"


@cache
def _docstrings(module: str) -> dict[str, str]:
    """The docstrings of a module's classes."""
    spec = find_spec(module)
    tree = ast.parse(Path(spec.origin if spec and spec.origin else "").read_text(encoding="utf-8"))
    return {
        node.name: ast.get_docstring(node) or ""
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
