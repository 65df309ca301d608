"""Find, load and list plugins; one registry a kind.

A plugin that cannot be imported, or whose hooks raise, is a row with its error; the others go on. A
name that two plugins claim is known only by its full name, `distribution/name`.
"""

from __future__ import annotations

import importlib
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import pluggy

from workbench.errors import PluginError, UnknownName, UsageError
from workbench.plugin import hookspecs

if TYPE_CHECKING:
    import typer

KINDS = {"algorithms": "algorithm", "backbones": "backbone", "datasets": "data set"}
DEFAULT_DATASET = "glyphs"  # what needs no download


@dataclass(frozen=True)
class Registration:
    """A registered class: what it is called, where it is, who brought it."""

    kind: str  # a key of KINDS
    name: str
    target: str | type  # "package.module:Class", or the class
    plugin: str
    distribution: str
    package: str  # the module that the entry point names; its data files are looked up here
    preset: Mapping[str, Any] = field(
        default_factory=dict
    )  # options that the name itself sets: an alias
    base: str = ""  # of an alias: the name of the class without preset options

    @property
    def full_name(self) -> str:
        """`distribution/name`, which no other plugin can claim."""
        return f"{self.distribution}/{self.name}"

    def load(self) -> type[Any]:
        """Import the class.

        Raises:
            PluginError: the module cannot be imported or has no such class.
        """
        if isinstance(self.target, type):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            loaded: type[Any] = getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"{self.full_name} names {self.target!r}, which cannot be imported: {_sentence(error)}; "
                f"see: mlw --debug info {self.full_name}"
            ) from error
        return loaded


@dataclass
class Plugin:
    """One entry point of the group `mlw`: a healthy plugin, or one with its error."""

    name: str
    distribution: str
    version: str
    package: str
    entries: list[Registration] = field(default_factory=list)
    error: str = ""


class Registry:
    """All plugins and what they registered."""

    def __init__(self, plugins: list[Plugin], manager: pluggy.PluginManager):
        self.plugins = plugins
        self._manager = manager
        self._entries: dict[str, list[Registration]] = {kind: [] for kind in KINDS}
        for plugin in plugins:
            for entry in plugin.entries:
                self._entries[entry.kind].append(entry)

    def entries(self, kind: str) -> dict[str, Registration]:
        """By the shortest name that is unambiguous: the bare one, or `distribution/name`."""
        owners: dict[str, int] = {}
        for entry in self._entries[kind]:
            owners[entry.name] = owners.get(entry.name, 0) + 1
        named = {
            entry.name if owners[entry.name] == 1 else entry.full_name: entry
            for entry in self._entries[kind]
        }
        return dict(sorted(named.items()))

    def find(self, kind: str, name: str) -> Registration:
        """The entry of a bare or full name.

        Raises:
            UnknownName: nobody registered it.
            UsageError: two plugins did, and the name is bare; the message names both.
        """
        found = [entry for entry in self._entries[kind] if name in (entry.name, entry.full_name)]
        if len(found) == 1:
            return found[0]
        if found:
            names = " and ".join(entry.full_name for entry in found)
            raise UsageError(
                f"The {KINDS[kind]} {name!r} comes from two plugins; say which: {names}."
            )
        raise UnknownName(KINDS[kind], name, self.entries(kind), self._hint(kind))

    def knows(self, kind: str, name: str) -> bool:
        """Whether `find` would find it."""
        return sum(name in (entry.name, entry.full_name) for entry in self._entries[kind]) == 1

    def register_commands(self, app: typer.Typer) -> None:
        """Let each plugin add commands; one that fails gets its error noted, and the others go on."""
        for plugin, call in self._calls("register_commands"):
            _guarded(plugin, _add_commands, app, call)

    def _calls(self, hook: str) -> Iterator[tuple[Plugin, Callable[..., None]]]:
        by_name = {plugin.name: plugin for plugin in self.plugins}
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            yield by_name[implementation.plugin_name], implementation.function

    def _hint(self, kind: str) -> str:
        broken = [plugin.name for plugin in self.plugins if plugin.error]
        if broken:
            return f"A plugin did not load ({', '.join(broken)}); see: mlw plugins"
        return f"See: mlw list {kind}"


@cache
def registry() -> Registry:
    """The plugins of this environment, or those named in `MLW_PLUGINS=a,b`; loaded once a process."""
    found = sorted(entry_points(group=hookspecs.GROUP), key=lambda point: point.name)
    wanted = os.environ.get("MLW_PLUGINS")
    if wanted is None:
        return load(found)
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    registry = load([point for point in found if point.name in names])
    absent = [name for name in names if name not in {point.name for point in found}]
    registry.plugins += [
        Plugin(name, "?", "?", "", error="MLW_PLUGINS names it, and it is not here")
        for name in absent
    ]
    return registry


def load(points: list[EntryPoint]) -> Registry:
    """Import each entry point and ask it what it registers. Never raises for a plugin's fault."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    plugins: dict[str, Plugin] = {}
    for point in points:
        name = point.name if point.name not in plugins else f"{_distribution(point)}/{point.name}"
        plugin = Plugin(
            name, _distribution(point), point.dist.version if point.dist else "?", point.module
        )
        plugins[name] = plugin
        _guarded(plugin, _join, manager, point, name)
    registry = Registry(list(plugins.values()), manager)
    for kind in KINDS:
        for plugin, call in registry._calls(f"register_{kind}"):
            _guarded(plugin, call, _register(plugin, kind))
    return Registry(list(plugins.values()), manager)


def _join(manager: pluggy.PluginManager, point: EntryPoint, name: str) -> None:
    module = point.load()
    try:
        manager.register(module, name)
        manager.check_pending()  # a misspelt hook is an error of its plugin, not silence
    except pluggy.PluginValidationError as error:
        if manager.has_plugin(name):
            manager.unregister(name=name)
        raise PluginError(" ".join(str(error).split())) from error


def _register(plugin: Plugin, kind: str) -> hookspecs.Register:
    def register(name: str, target: str | type, **preset: Any) -> None:
        if any((entry.kind, entry.name) == (kind, name) for entry in plugin.entries):
            raise PluginError(f"{plugin.name} registers the {KINDS[kind]} {name!r} twice")
        if not isinstance(target, type) and target.count(":") != 1:
            raise PluginError(
                f"{plugin.name} registers {name!r} as {target!r}, which is not 'package.module:Class'"
            )
        same = [
            e.name for e in plugin.entries if (e.kind, e.target) == (kind, target) and not e.preset
        ]
        if preset and not same:
            raise PluginError(
                f"{plugin.name} registers {name!r} with options before {target!r} without any"
            )
        base = same[0] if preset else ""
        plugin.entries.append(
            Registration(
                kind, name, target, plugin.name, plugin.distribution, plugin.package, preset, base
            )
        )

    return register


def _add_commands(app: typer.Typer, call: Callable[..., None]) -> None:
    """Take a plugin's commands only if Typer can build them and no other has their names."""
    import typer
    from typer.main import get_group

    own = typer.Typer()
    call(own)
    for name in get_group(own).commands.keys() & get_group(app).commands.keys():
        raise PluginError(f"there is a command {name!r} already")
    app.registered_commands += own.registered_commands
    app.registered_groups += own.registered_groups


def _guarded(plugin: Plugin, call: Callable[..., None], *arguments: Any) -> None:
    """A plugin's fault becomes its row: other plugins must not suffer from it, whatever it raises."""
    try:
        call(*arguments)
    except (Exception, SystemExit) as error:
        plugin.error = _sentence(error)
        if os.environ.get("MLW_DEBUG"):
            traceback.print_exc()


def _sentence(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "?"
