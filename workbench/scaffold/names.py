"""What a new plugin is called: its package, its module, its class, and what it registers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from workbench.errors import UsageError
from workbench.plugin.registry import KINDS, registry

PREFIX = "mlw-"
EXAMPLE = "nearest-mean"
VALID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class PluginNames:
    """The names of a new plugin. All that it registers has one name: kinds do not share names."""

    folder: str  # as typed: "nearest-mean" or "mlw-nearest-mean"
    name: str  # of what it registers, and of its entry point: "nearest-mean"

    @property
    def distribution(self) -> str:
        """The name of the package for pip: "mlw-nearest-mean"."""
        return PREFIX + self.name

    @property
    def package(self) -> str:
        """The name of the package for Python: "mlw_nearest_mean"."""
        return self.distribution.replace("-", "_")

    @property
    def class_name(self) -> str:
        """The name of a class: "NearestMean"."""
        return "".join(part.capitalize() for part in self.name.split("-"))


def plugin_names(typed: str) -> PluginNames:
    """Return the names of a plugin that is called so on the command line.

    Raises:
        UsageError: it is no name for a package.
    """
    name = typed.removeprefix(PREFIX)
    if VALID.fullmatch(name):
        return PluginNames(typed, name)
    better = re.sub(r"[^a-z0-9]+", "-", _apart(name).lower()).strip("-0123456789") or EXAMPLE
    raise UsageError(
        f"{typed!r} is no name for a package, which has small letters, digits and hyphens and "
        f"begins with a letter; run for instance: mlw new plugin {better}"
    )


def refuse_taken(names: PluginNames, kinds: Iterable[str], commands: Iterable[str]) -> None:
    """Refuse names that there are already.

    Args:
        kinds: what the plugin registers, keys of `KINDS` and "commands".
        commands: the names of the commands that there are.

    Raises:
        UsageError: one of them is taken.
    """
    better = f"run for instance: mlw new plugin my-{names.name}"
    for plugin in registry().plugins:
        if plugin.distribution == names.distribution or plugin.name == names.name:
            raise UsageError(
                f"There is a plugin {plugin.name} already, of {plugin.distribution}; {better}"
            )
    for kind in kinds:
        if kind == "commands" and names.name in commands:
            raise UsageError(f"There is a command mlw {names.name} already; {better}")
        if kind in KINDS and registry().named(kind, names.name):
            (owner, *_) = registry().named(kind, names.name)
            raise UsageError(
                f"{names.name} is the name of the {KINDS[kind]} of {owner.distribution}; {better}"
            )


def _apart(name: str) -> str:
    """Return "NearestMean" as "Nearest-Mean"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)
