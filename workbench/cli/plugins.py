"""`mlw plugins`: what each plugin registers, and what is wrong with a broken one."""

from __future__ import annotations

from typing import Any

from workbench.cli import _show
from workbench.cli._options import Json
from workbench.plugin.registry import KINDS, Plugin, registry


def plugins(json: Json = False) -> None:
    """List plugins, what they register, and errors. Imports all classes and checks all recipes."""
    from workbench.experiments.plugin_check import problems

    found = registry().plugins
    for plugin in found:
        if not plugin.error:
            plugin.error = "; ".join(problems(plugin))
    if json:
        _show.as_json([_as_row(plugin) for plugin in found])
        return
    columns = dict.fromkeys(("plugin", "distribution", "version", "registers", "error"), "left")
    rows = []
    for plugin in found:
        error = plugin.error or "-"
        rows.append([plugin.name, plugin.distribution, plugin.version, _registered(plugin), error])
    _show.table("", columns, rows)


def _names(plugin: Plugin, kind: str) -> list[str]:
    return [entry.name for entry in plugin.entries if entry.kind == kind]


def _registered(plugin: Plugin) -> str:
    """Return "algorithms: maml, reptile; backbones: conv4"."""
    words = []
    for kind in KINDS:
        names = _names(plugin, kind)
        if names:
            words.append(f"{kind}: {', '.join(names)}")
    return "; ".join(words)


def _as_row(plugin: Plugin) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
    }
    for kind in KINDS:
        row[kind] = _names(plugin, kind)
    row["error"] = plugin.error
    return row
