"""Whose code raised an error: the plugin, the file and the line."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import NamedTuple

from workbench.plugin.registry import Plugin, registry


class Place(NamedTuple):
    """The line of a plugin that an error comes from."""

    plugin: str
    distribution: str
    file: str
    line: int


def place_of(error: BaseException) -> Place | None:
    """Return the innermost line of a plugin that an error passed; None if it passed none."""
    packages = {}
    for plugin in registry().plugins:
        top = plugin.package.partition(".")[0]
        if top not in ("", "workbench"):  # whose tests register a network of their own
            packages[top] = plugin
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__", ""))
        blamed = packages.get(module.partition(".")[0])
        if blamed:
            found = _place(blamed, frame.f_code.co_filename, line)
    return found


def at_place(error: BaseException) -> str:
    """Return that line for the middle of a sentence: " (mlw_x/x.py, line 3)"; "" without one."""
    place = place_of(error)
    return f" ({place.file}, line {place.line})" if place else ""


def _place(plugin: Plugin, file: str, line: int) -> Place:
    """Return a place, its file below the folder of the package: "mlw_cosine/cosine.py"."""
    parts = Path(file).parts
    package = plugin.package.partition(".")[0]
    short = Path(file).name
    if package in parts:
        first = len(parts) - 1 - parts[::-1].index(package)
        short = Path(*parts[first:]).as_posix()
    return Place(plugin.name, plugin.distribution, short, line)
