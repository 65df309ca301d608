"""What is wrong with a plugin that was loaded: its classes, its TOML, and what it requires."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from workbench.data.download.manifest import entry_of, own_entries
from workbench.errors import WorkbenchError
from workbench.experiments.algorithm import KnownAlgorithm
from workbench.plugin.nearest import nearest_spec
from workbench.plugin.options import convert_options, filled_parameters, options_of
from workbench.plugin.recipes import RECIPE_NAMES, RECIPES, recipe_names, recipe_tables
from workbench.plugin.registry import Plugin, Registration, registry


def problems(plugin: Plugin) -> list[str]:
    """Return a sentence for each thing that will fail when it is used; none if all is well.

    Classes are imported.
    """
    found = _missing_requirements(plugin)
    for entry in plugin.entries:
        try:
            _check_entry(entry)
        except WorkbenchError as error:
            found.append(str(error))
    try:
        found += _unknown_recipes(plugin)
        found += _unknown_names(plugin)
        found += _entries_of_nothing(plugin)
    except WorkbenchError as error:
        found.append(str(error))
    return list(dict.fromkeys(found))  # one file's error is met by each algorithm


def _check_entry(entry: Registration) -> None:
    target = entry.load()
    filled_parameters(target)
    convert_options(entry.full_name, entry.preset, options_of(target))
    if entry.kind == "algorithms":
        KnownAlgorithm(entry.full_name).check_recipes()
    if entry.kind == "datasets" and getattr(target, "manifest", None):
        entry_of(target)  # raises if its entry in datasets.toml is missing or malformed


def _unknown_recipes(plugin: Plugin) -> list[str]:
    """Return a sentence for each recipe whose name is no algorithm of the plugin."""
    own = [entry.name for entry in plugin.entries if entry.kind == "algorithms"]
    found = []
    for name in recipe_names(plugin.package):
        if name not in own:
            found.append(
                f"{plugin.package}/recipes.toml has [[{name}]], and the plugin registers no such "
                f"algorithm, only: {', '.join(own) or 'none'}"
            )
    return found


def _unknown_names(plugin: Plugin) -> list[str]:
    """Return a sentence for each data set, backbone and method that recipes name and is not."""
    found = []
    for entry in plugin.entries:
        if entry.kind != "algorithms":
            continue
        for table in recipe_tables(entry):
            for key, kind, text in _named_in(table):
                name = nearest_spec(kind, text, entry).partition(":")[0]
                if not registry().named(kind, name):
                    found.append(
                        f"{plugin.package}/recipes.toml: {entry.name} has {key} = {text!r}, and no "
                        "plugin registers that name"
                    )
    return found


def _named_in(table: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what a table of recipes names: its key, the kind of thing and the spec."""
    if isinstance(table.get("data"), str):
        yield "data", "datasets", table["data"]
    for recipe in RECIPES:
        given = table.get(recipe, {})
        for key, kind in RECIPE_NAMES.items():
            text = given.get(key)
            if isinstance(text, str) and text not in ("", "none"):
                yield key, kind, text


def _entries_of_nothing(plugin: Plugin) -> list[str]:
    """Return a sentence for each entry of the plugin's datasets.toml that no data set names."""
    used = set()
    for entry in plugin.entries:
        if entry.kind == "datasets":
            used.add(getattr(entry.load(), "manifest", ""))
    found = []
    for name in own_entries(plugin.package):
        if name not in used:
            found.append(f"{plugin.package}/datasets.toml has [{name}], which no data set names")
    return found


def _missing_requirements(plugin: Plugin) -> list[str]:
    found = []
    for line in _requirements(plugin.distribution):
        try:
            wanted = Requirement(line)
        except InvalidRequirement as error:
            found.append(f"{plugin.distribution} requires {line!r}, which says nothing: {error}")
            continue
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue  # for another system, another Python, or an extra
        try:
            installed = version(wanted.name)
        except PackageNotFoundError:
            found.append(f"{plugin.distribution} requires {line}, which is not installed")
            continue
        if not wanted.specifier.contains(installed, prereleases=True):
            found.append(f"{plugin.distribution} requires {line}, and {installed} is installed")
    return found


def _requirements(name: str) -> list[str]:
    try:
        return requires(name) or []
    except (PackageNotFoundError, ValueError):
        return []
