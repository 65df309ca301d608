"""What is wrong with a plugin that was loaded: its classes, its TOML, and what it requires."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution, requires

from workbench.data.download.manifest import entry_of
from workbench.errors import WorkbenchError
from workbench.experiments.algorithm import KnownAlgorithm
from workbench.plugin.options import convert_options, filled_parameters, options_of
from workbench.plugin.recipes import recipe_names
from workbench.plugin.registry import Plugin, Registration


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


def _missing_requirements(plugin: Plugin) -> list[str]:
    found = []
    for line in _requirements(plugin.distribution):
        if "extra ==" in line:
            continue
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        try:
            distribution(name)
        except PackageNotFoundError:
            found.append(f"{plugin.distribution} requires {line}, which is not installed")
    return found


def _requirements(name: str) -> list[str]:
    try:
        return requires(name) or []
    except (PackageNotFoundError, ValueError):
        return []
